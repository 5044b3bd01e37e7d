package audit

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"countersign/internal/mail"
)

func TestKindsOfAPattern(t *testing.T) {
	for pattern, want := range map[Kind][]Kind{
		"auth.*":         {AuthPassed, AuthFailed, AuthTested},
		"auth.failed":    {AuthFailed},
		"of.later":       {"of.later"}, // a kind of another version
		"*.f[a]iled":     {AuthFailed, RuleFailed, DeliveryFailed},
		"server.st?pped": {ServerStopped},
		"nothing*":       nil,
		"auth.[":         nil,
	} {
		q := Query{Kind: pattern}
		if got := q.Kinds(); !slices.Equal(got, want) {
			t.Errorf("%q stands for %v", pattern, got)
		}
	}
}

// TestMatches asks for each thing that an event has, and for something else.
func TestMatches(t *testing.T) {
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	e := Event{
		Seq: 7, At: at, Kind: AuthFailed, Session: "S", Submission: "M", Login: "a@b.example", Actor: "cli:root", Client: "192.0.2.9",
		Object: "plan x", Reason: "auth-failed", Data: map[string]string{"from": "A@b.example", "to": "Äa@c.example"},
	}
	from, to := mail.Address{Local: "a", Domain: "b.example"}, mail.Address{Local: "ÄA", Domain: "c.example"}
	for name, c := range map[string]struct {
		query Query
		want  bool
	}{
		"all":              {Query{}, true},
		"session":          {Query{Session: "S"}, true},
		"other session":    {Query{Session: "T"}, false},
		"submission":       {Query{Submission: "M"}, true},
		"other submission": {Query{Submission: "S"}, false},
		"login":            {Query{Login: "a@b.example"}, true},
		"other login":      {Query{Login: "A@b.example"}, false},
		"kind":             {Query{Kind: AuthFailed}, true},
		"other kind":       {Query{Kind: AuthPassed}, false},
		"kinds":            {Query{Kind: "auth.*"}, true},
		"other kinds":      {Query{Kind: "delivery.*"}, false},
		"client":           {Query{Client: netip.MustParsePrefix("192.0.2.9/32")}, true},
		"network":          {Query{Client: netip.MustParsePrefix("192.0.2.0/28")}, true},
		"other network":    {Query{Client: netip.MustParsePrefix("192.0.2.0/29")}, false},
		"other family":     {Query{Client: netip.MustParsePrefix("::/0")}, false},
		"from":             {Query{From: from}, true},
		"other from":       {Query{From: to}, false},
		"to":               {Query{To: to}, true},
		"another letter":   {Query{To: mail.Address{Local: "äa", Domain: "c.example"}}, false},
		"reason":           {Query{Reason: "auth-failed"}, true},
		"other reason":     {Query{Reason: "auth"}, false},
		"actor":            {Query{Actor: "cli:root"}, true},
		"other actor":      {Query{Actor: "root"}, false},
		"object":           {Query{Object: "plan x"}, true},
		"other object":     {Query{Object: "plan"}, false},
		"since":            {Query{Since: at}, true},
		"since later":      {Query{Since: at.Add(1)}, false},
		"until":            {Query{Until: at.Add(1)}, true},
		"until then":       {Query{Until: at}, false},
		"after":            {Query{AfterSeq: 6}, true},
		"after it":         {Query{AfterSeq: 7}, false},
		"before":           {Query{BeforeSeq: 8}, true},
		"before it":        {Query{BeforeSeq: 7}, false},
	} {
		if got := c.query.Matches(&e); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	empty := Query{Client: netip.MustParsePrefix("0.0.0.0/0")}
	if empty.Matches(&Event{}) {
		t.Error("an event without a client is in a network")
	}
}
