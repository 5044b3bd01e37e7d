package limit

import (
	"strings"
	"testing"
	"time"
)

// TestDescribe: who is over a limit is told what is theirs to know.
func TestDescribe(t *testing.T) {
	room := noon.Add(time.Hour)
	of := func(kind Kind, name string) Breach {
		return Breach{Subject: Subject{kind, name}, Limit: Limit{Measure: Recipients, Window: Hour, Max: 100}, Used: 98, Want: 3, Room: room}
	}
	share := of(Account, "a@example.org")
	share.Of = Subject{Everything, ""}
	never := of(Domain, "example.org")
	never.Room, never.Want = time.Time{}, 1
	for want, b := range map[string]Breach{
		"100 recipients in an hour for account a@example.org, 98 used, 3 more wanted, room from 2026-11-27 13:00:00 UTC": of(Account, "a@example.org"),
		"100 recipients in an hour for this credential, 98 used, 3 more wanted, room from 2026-11-27 13:00:00 UTC":       of(Credential, "01K00000000000000000000099"),
		"100 recipients in an hour for domain example.org, 98 used":                                                      never,
		"that of your network, room from 2026-11-27 13:00:00 UTC":                                                        of(Network, "192.0.2.1"),
		"that of this server, room from 2026-11-27 13:00:00 UTC":                                                         of(Everything, ""),
	} {
		if got := b.Describe(); got != want {
			t.Errorf("%s: want %s", got, want)
		}
	}
	for want, b := range map[string]Breach{
		"100 recipients in an hour for network 192.0.2.1, 98 used, 3 more wanted, room from 2026-11-27 13:00:00 UTC": of(Network, "192.0.2.1"),
		"100 recipients in an hour for everything, 98 used, 3 more wanted, room from 2026-11-27 13:00:00 UTC":        of(Everything, ""),
		"100 recipients in an hour for credential 01K, 98 used, 3 more wanted, room from 2026-11-27 13:00:00 UTC":    of(Credential, "01K"),
	} {
		if got := b.Recorded(); got != want {
			t.Errorf("the record has %s: want %s", got, want)
		}
	}
	for want, b := range map[string]Breach{
		"100 recipients in a message for account a@example.org, 100 used":                                            {Limit: Limit{Measure: Recipients, Window: PerMessage, Max: 100}, Used: 100, Want: 1},
		"100 recipients in a message for account a@example.org, 105 more wanted":                                     {Limit: Limit{Measure: Recipients, Window: PerMessage, Max: 100}, Want: 105},
		"1000 bytes in a message for account a@example.org":                                                          {Limit: Limit{Measure: Bytes, Window: PerMessage, Max: 1000}, Want: 5000},
		"50 messages in a connection for account a@example.org, 50 used, room in a new connection":                   {Limit: Limit{Measure: Messages, Window: PerConnection, Max: 50}, Used: 50, Want: 1},
		"50 recipients in a connection for account a@example.org, 20 used, 51 more wanted":                           {Limit: Limit{Measure: Recipients, Window: PerConnection, Max: 50}, Used: 20, Want: 51},
		"50 recipients in a connection for account a@example.org, 20 used, 31 more wanted, room in a new connection": {Limit: Limit{Measure: Recipients, Window: PerConnection, Max: 50}, Used: 20, Want: 31},
	} {
		b.Subject = Subject{Account, "a@example.org"}
		if got := b.Describe(); got != want {
			t.Errorf("%s: want %s", got, want)
		}
		if b.Data()["room"] != "" {
			t.Errorf("%s has room at a time: %v", want, b.Data())
		}
	}
	theirs := Breach{Subject: Subject{Network, "192.0.2.1"}, Limit: Limit{Measure: Messages, Window: PerConnection, Max: 5}, Used: 5, Want: 1}
	if got := theirs.Describe(); got != "5 messages in a connection for your network, 5 used, room in a new connection" {
		t.Error(got) // one connection is nobody else's
	}
	ofNode := share
	ofNode.Of = Subject{Node, "01K00000000000000000000099"}
	if got := ofNode.Describe(); got != share.Describe() {
		t.Error(got) // the id of a gate is nothing to its clients
	}
	if got := share.Describe(); !strings.Contains(got, "for account a@example.org, its share of this server, 98 used") {
		t.Error(got)
	}
}

// TestBound: one is one.
func TestBound(t *testing.T) {
	for text, want := range map[string]string{
		"messages/hour=1": "1 message in an hour", "messages/hour=0": "0 messages in an hour", "recipients/message=1": "1 recipient in a message",
		"bytes/day=1": "1 byte in a day", "connections/at-once=1": "1 connection at once", "connections/minute=2": "2 connections in a minute",
		"failed-recipients/day=2": "2 failed recipients in a day", "failed-recipients/day=1": "1 failed recipient in a day", "new-recipients/month=2": "2 new recipients in a month",
	} {
		l, err := Parse(text)
		if got := l.Bound(); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}
