package storetest

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

func recordCases() map[string]func(*testing.T, Store) {
	return map[string]func(*testing.T, Store){
		"events come back as they were appended": eventsComeBack,
		"queries select":                         queriesSelect,
		"searches page":                          searchesPage,
	}
}

func eventsComeBack(t *testing.T, s Store) {
	ctx := within(t)
	full := audit.Event{
		At: start(), Kind: audit.CommandRefused, Session: id("SES", 1), Submission: id("SUB", 1), Delivery: 3,
		Login: "ann@one.example", Actor: "cli:root", Client: "2001:db8::1", Object: "account ann", Code: 550, Enhanced: "5.7.1",
		Reason: "sender-not-owned", Text: `not "yours" – ünïcode`, Data: map[string]string{"verb": "MAIL", "empty": "", "ü": "\"\\"},
	}
	must(t, s.Append(ctx, []audit.Event{full, {}}))
	must(t, s.Append(ctx, nil))
	must(t, s.Append(ctx, []audit.Event{{At: start(), Kind: audit.ServerStopped}}))
	all := got(s.Search(ctx, audit.Query{}))(t)
	if len(all) != 3 {
		t.Fatalf("got %d events", len(all))
	}
	if all[0].Seq <= 0 || all[1].Seq <= all[0].Seq || all[2].Seq <= all[1].Seq {
		t.Errorf("the order is %d, %d, %d", all[0].Seq, all[1].Seq, all[2].Seq)
	}
	full.Seq = all[0].Seq
	equal(t, "full event", all[0], full)
	equal(t, "empty event", all[1], audit.Event{Seq: all[1].Seq})
}

func queriesSelect(t *testing.T, s Store) {
	ctx := within(t)
	var all []audit.Event
	for n := range 12 {
		all = append(all, audit.Event{
			At: start().Add(time.Duration(n) * time.Minute), Kind: []audit.Kind{audit.AuthPassed, audit.AuthFailed}[n%2],
			Session: []mail.ID{"", id("SES", 1), id("SES", 2)}[n%3], Submission: []mail.ID{id("SUB", 1), "", id("SUB", 2)}[n%3],
			Login: []string{"ann@one.example", "bob@two.example", "", "ann@one.example"}[n%4], Text: fmt.Sprint(n),
		})
	}
	must(t, s.Append(ctx, all))
	for what, c := range map[string]struct {
		query audit.Query
		want  string
	}{
		"all":               {audit.Query{}, "0 1 2 3 4 5 6 7 8 9 10 11 "},
		"session":           {audit.Query{Session: id("SES", 1)}, "1 4 7 10 "},
		"submission":        {audit.Query{Submission: id("SUB", 2)}, "2 5 8 11 "},
		"login":             {audit.Query{Login: "ann@one.example"}, "0 3 4 7 8 11 "},
		"kind":              {audit.Query{Kind: audit.AuthFailed}, "1 3 5 7 9 11 "},
		"login and kind":    {audit.Query{Login: "ann@one.example", Kind: audit.AuthFailed}, "3 7 11 "},
		"since":             {audit.Query{Since: start().Add(10 * time.Minute)}, "10 11 "},
		"until":             {audit.Query{Until: start().Add(2 * time.Minute)}, "0 1 "},
		"login and times":   {audit.Query{Login: "ann@one.example", Since: start().Add(4 * time.Minute), Until: start().Add(8 * time.Minute)}, "4 7 "},
		"limit":             {audit.Query{Session: id("SES", 2), Limit: 2}, "2 5 "},
		"nobody's":          {audit.Query{Login: "x"}, ""},
		"session, not both": {audit.Query{Session: id("SES", 1), Submission: id("SUB", 1)}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			text := ""
			for _, e := range got(s.Search(within(t), c.query))(t) {
				text += e.Text + " "
			}
			if text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func searchesPage(t *testing.T, s Store) {
	ctx := within(t)
	events := make([]audit.Event, 1100)
	for n := range events {
		// The clock may run backwards: the order is that of appending.
		events[n] = audit.Event{At: start().Add(-time.Duration(n) * time.Second), Login: "ann@one.example", Text: fmt.Sprint(n)}
	}
	must(t, s.Append(ctx, events))
	for what, q := range map[string]audit.Query{"all": {}, "login": {Login: "ann@one.example"}, "times": {Since: start().Add(-time.Hour)}} {
		t.Run(what, func(t *testing.T) {
			page := got(s.Search(within(t), q))(t)
			if len(page) != 1000 {
				t.Fatalf("a search without a limit has %d events", len(page))
			}
			q.AfterSeq = page[999].Seq
			for i, e := range append(page, got(s.Search(within(t), q))(t)...) {
				if e.Text != fmt.Sprint(i) {
					t.Fatalf("event %d is number %s", i, e.Text)
				}
			}
		})
	}
}
