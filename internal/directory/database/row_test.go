package database

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"countersign/internal/directory"
)

func TestAnswerOfARow(t *testing.T) {
	got, err := row{
		"login": "u@example.org", "password": "$1$x$y", "plan": "p", "customer": "c", "disabled": "t", "aliases": " a@b.example,\n c@d.example ",
		"allow_nets": "192.0.2.0/24 2001:db8::1",
	}.answer("MD5-CRYPT")
	want := &directory.Answer{
		Login: "u@example.org", Hash: "{MD5-CRYPT}$1$x$y", Plan: "p", Customer: "c", Disabled: true,
		Aliases:  []string{"a@b.example", "c@d.example"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = row{"password": "{SSHA}x", "login": "Real@example.org"}.answer("CRYPT")
	if err != nil || got.Hash != "{SSHA}x" || got.Login != "Real@example.org" || got.Disabled || got.Networks != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if got, _ := (row{"password": "$1$x"}).answer(""); got.Hash != "$1$x" {
		t.Errorf("without a scheme the hash is %q", got.Hash)
	}
}

// TestTruth: what is neither true nor false lets nobody in.
func TestTruth(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "0": false, "false": false, "F": false, "no": false, "OFF": false, "\x00": false,
		"1": true, "true": true, "T": true, "yes": true, "Y": true, "on": true, "\x01": true, " 1 ": true,
	} {
		if got, err := truth(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"2", "-1", "active", "\x02", "null"} {
		if _, err := (row{"password": "x", "disabled": text}).answer(""); err == nil {
			t.Errorf("%q is a truth value", text)
		}
	}
}

// TestNetworks: a list that cannot be read is not one without networks.
func TestNetworks(t *testing.T) {
	for _, text := range []string{"local", "192.0.2.1/99", "192.0.2.1, x", ",", " , "} {
		if _, err := (row{"password": "x", "allow_nets": text}).answer(""); err == nil {
			t.Errorf("%q is a list of networks", text)
		}
	}
	if got, err := networks("  "); err != nil || got != nil {
		t.Errorf("nothing is %v, %v", got, err)
	}
}

func TestCheckColumns(t *testing.T) {
	for _, good := range []string{"password login", "PASSWORD Login plan customer disabled aliases allow_nets"} {
		if err := checkColumns(strings.Fields(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for bad, part := range map[string]string{
		"": "no column login", "login": "no column password", "password": "no column login", "login password disable": "disable", "password password": "two columns", "password Password": "two columns",
	} {
		if err := checkColumns(strings.Fields(bad)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
