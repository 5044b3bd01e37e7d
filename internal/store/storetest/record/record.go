// Package record holds what an engine must do about events: they come back as they were
// appended, and are found by what is asked for. It is a part of the suite of package
// storetest, which an engine runs beside it.
//
// Main function: Run.
package record

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/store/storetest"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases. Each gets a store of its own.
func Run(t *testing.T, open storetest.Opener) {
	for name, run := range map[string]func(*testing.T, storetest.Store){
		"events come back as they were appended": eventsComeBack,
		"queries select":                         queriesSelect,
		"long texts are cut":                     longTextsAreCut,
		"searches page":                          searchesPage,
		"searches combine what they ask for":     searchesCombine,
		"the newest are the last ones":           newestAreLast,
	} {
		t.Run(name, func(t *testing.T) { run(t, open(t)) })
	}
}

// longTextsAreCut stores one event by each way that there is.
func longTextsAreCut(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	long := audit.Event{At: storetest.Start(), Kind: audit.CommandRefused, Text: strings.Repeat("x", 60_000), Data: map[string]string{"name": strings.Repeat("y", 60_000)}}
	expect.Must(t, s.Append(ctx, []audit.Event{long}))
	m := storetest.Message(1, "one")
	m.Events = []audit.Event{long}
	expect.Must(t, s.Accept(ctx, m))
	expect.Must(t, s.Report(ctx, &queue.Report{Submission: m.Submission.ID, Events: []audit.Event{long}}))
	expect.Must(t, s.PutPlan(ctx, account.Plan{Name: "p", State: account.Active, Created: storetest.Start()}, long))
	all := expect.Got(s.Search(ctx, audit.Query{Kind: audit.CommandRefused}))(t)
	if len(all) != 4 {
		t.Fatalf("there are %d events, want 4", len(all))
	}
	for i, e := range all {
		if len(e.Text) > audit.MaxText || len(e.Data["name"]) > audit.MaxText {
			t.Errorf("event %d has %d octets of text and %d of data", i, len(e.Text), len(e.Data["name"]))
		}
	}
}

func eventsComeBack(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	full := audit.Event{
		At: storetest.Start(), Kind: audit.CommandRefused, Session: storetest.ID("SES", 1), Submission: storetest.ID("SUB", 1), Delivery: 3,
		Login: "ann@one.example", Actor: "cli:root", Client: "2001:db8::1", Object: "account ann", Code: 550, Enhanced: "5.7.1",
		Reason: "sender-not-owned", Text: `not "yours" – ünïcode`, Data: map[string]string{"verb": "MAIL", "empty": "", "ü": "\"\\"},
	}
	expect.Must(t, s.Append(ctx, []audit.Event{full, {}}))
	expect.Must(t, s.Append(ctx, nil))
	expect.Must(t, s.Append(ctx, []audit.Event{{At: storetest.Start(), Kind: audit.ServerStopped}}))
	all := expect.Got(s.Search(ctx, audit.Query{}))(t)
	if len(all) != 3 {
		t.Fatalf("got %d events", len(all))
	}
	if all[0].Seq <= 0 || all[1].Seq <= all[0].Seq || all[2].Seq <= all[1].Seq {
		t.Errorf("the order is %d, %d, %d", all[0].Seq, all[1].Seq, all[2].Seq)
	}
	full.Seq = all[0].Seq
	expect.Equal(t, "full event", all[0], full)
	expect.Equal(t, "empty event", all[1], audit.Event{Seq: all[1].Seq})
}

func queriesSelect(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	var all []audit.Event
	for n := range 12 {
		all = append(all, audit.Event{
			At: storetest.Start().Add(time.Duration(n) * time.Minute), Kind: []audit.Kind{audit.AuthPassed, audit.AuthFailed}[n%2],
			Session: []mail.ID{"", storetest.ID("SES", 1), storetest.ID("SES", 2)}[n%3], Submission: []mail.ID{storetest.ID("SUB", 1), "", storetest.ID("SUB", 2)}[n%3],
			Login: []string{"ann@one.example", "bob@two.example", "", "ann@one.example"}[n%4], Text: fmt.Sprint(n),
		})
	}
	expect.Must(t, s.Append(ctx, all))
	for what, c := range map[string]struct {
		query audit.Query
		want  string
	}{
		"all":               {audit.Query{}, "0 1 2 3 4 5 6 7 8 9 10 11 "},
		"session":           {audit.Query{Session: storetest.ID("SES", 1)}, "1 4 7 10 "},
		"submission":        {audit.Query{Submission: storetest.ID("SUB", 2)}, "2 5 8 11 "},
		"login":             {audit.Query{Login: "ann@one.example"}, "0 3 4 7 8 11 "},
		"kind":              {audit.Query{Kind: audit.AuthFailed}, "1 3 5 7 9 11 "},
		"login and kind":    {audit.Query{Login: "ann@one.example", Kind: audit.AuthFailed}, "3 7 11 "},
		"kinds":             {audit.Query{Kind: "auth.*", Limit: 3}, "0 1 2 "},
		"kinds by pattern":  {audit.Query{Kind: "*.f?iled", Login: "ann@one.example"}, "3 7 11 "},
		"no kind":           {audit.Query{Kind: "*.nothing"}, ""},
		"not a pattern":     {audit.Query{Kind: "auth.[p"}, ""},
		"since":             {audit.Query{Since: storetest.Start().Add(10 * time.Minute)}, "10 11 "},
		"until":             {audit.Query{Until: storetest.Start().Add(2 * time.Minute)}, "0 1 "},
		"login and times":   {audit.Query{Login: "ann@one.example", Since: storetest.Start().Add(4 * time.Minute), Until: storetest.Start().Add(8 * time.Minute)}, "4 7 "},
		"limit":             {audit.Query{Session: storetest.ID("SES", 2), Limit: 2}, "2 5 "},
		"nobody's":          {audit.Query{Login: "x"}, ""},
		"session, not both": {audit.Query{Session: storetest.ID("SES", 1), Submission: storetest.ID("SUB", 1)}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			text := ""
			for _, e := range expect.Got(s.Search(expect.Within(t), c.query))(t) {
				text += e.Text + " "
			}
			if text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
		})
	}
}

func searchesPage(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	events := make([]audit.Event, 1100)
	for n := range events {
		// The clock may run backwards: the order is that of appending.
		events[n] = audit.Event{At: storetest.Start().Add(-time.Duration(n) * time.Second), Login: "ann@one.example", Text: fmt.Sprint(n)}
	}
	expect.Must(t, s.Append(ctx, events))
	for what, q := range map[string]audit.Query{"all": {}, "login": {Login: "ann@one.example"}, "times": {Since: storetest.Start().Add(-time.Hour)}} {
		t.Run(what, func(t *testing.T) {
			page := expect.Got(s.Search(expect.Within(t), q))(t)
			if len(page) != 1000 {
				t.Fatalf("a search without a limit has %d events", len(page))
			}
			q.AfterSeq = page[999].Seq
			for i, e := range append(page, expect.Got(s.Search(expect.Within(t), q))(t)...) {
				if e.Text != fmt.Sprint(i) {
					t.Fatalf("event %d is number %s", i, e.Text)
				}
			}
		})
	}
}

// variedEvents makes events in which everything that a search asks for varies, with a
// clock that now and then runs backwards.
func variedEvents(count int) []audit.Event {
	random := rand.New(rand.NewPCG(7, 7))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	var all []audit.Event
	for n := range count {
		e := audit.Event{
			At:      storetest.Start().Add(time.Duration(n-random.IntN(20)) * time.Second),
			Kind:    audit.Kinds()[random.IntN(len(audit.Kinds()))].Kind,
			Session: mail.ID(pick("", string(storetest.ID("SES", 1)), string(storetest.ID("SES", 2)))), Submission: mail.ID(pick("", string(storetest.ID("SUB", 1)), string(storetest.ID("SUB", 2)))),
			Login: pick("", "ann@one.example", "bob@two.example"), Actor: pick("", "cli:root", "cli:ann"),
			Client: pick("", "192.0.2.1", "192.0.2.200", "2001:db8::1", "2001:db8:0:1::1"), Object: pick("", "account ann@one.example"),
			Reason: pick("", "auth-failed", "sender-not-owned"), Text: fmt.Sprint(n),
		}
		switch random.IntN(3) {
		case 0:
			e.Data = map[string]string{"from": pick("Ann@one.example", "ann@one.example", "Änn@one.example")}
		case 1:
			e.Data = map[string]string{"to": pick("x@dest.example", "X@dest.example", `"a b"@dest.example`), "remote": "x"}
		}
		all = append(all, e)
	}
	return all
}

// searchesCombine compares searches for many combinations with what Matches
// says of each event.
func searchesCombine(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Append(ctx, variedEvents(2500)))
	all := expect.Got(s.Search(ctx, audit.Query{Limit: 10_000}))(t)
	random := rand.New(rand.NewPCG(8, 8))
	found := 0
	for range 600 {
		q := queryLike(random, all[random.IntN(len(all))])
		var want []int64
		for _, e := range all {
			if q.Matches(&e) {
				want = append(want, e.Seq)
			}
		}
		if over := len(want) - q.Limit; over > 0 && q.Newest {
			want = want[over:]
		} else if over > 0 {
			want = want[:q.Limit]
		}
		var is []int64
		for _, e := range expect.Got(s.Search(ctx, q))(t) {
			is = append(is, e.Seq)
		}
		if !slices.Equal(is, want) {
			t.Fatalf("%+v finds\n%v, not\n%v", q, is, want)
		}
		found += len(is)
	}
	if found < 600 {
		t.Errorf("only %d events were found in all", found)
	}
}

// queryLike makes a query that asks for some of what e has.
func queryLike(random *rand.Rand, e audit.Event) audit.Query {
	some := func() bool { return random.IntN(5) == 0 }
	q := audit.Query{Limit: 1 + random.IntN(100), Newest: random.IntN(2) == 0}
	texts := []struct{ to, from *string }{{&q.Login, &e.Login}, {&q.Reason, &e.Reason}, {&q.Actor, &e.Actor}, {&q.Object, &e.Object}}
	for _, text := range texts {
		if some() {
			*text.to = *text.from
		}
	}
	if some() {
		q.Session = e.Session
	}
	if some() {
		q.Submission = e.Submission
	}
	if some() {
		q.Kind = []audit.Kind{e.Kind, e.Kind[:4] + "*", "*.*ed"}[random.IntN(3)]
	}
	if client, err := netip.ParseAddr(e.Client); err == nil && some() {
		q.Client = netip.PrefixFrom(client, []int{24, client.BitLen()}[random.IntN(2)]).Masked()
	}
	if from, err := mail.ParseAddress(e.Data["from"]); err == nil && some() {
		q.From = from
	}
	if to, err := mail.ParseAddress(e.Data["to"]); err == nil && some() {
		q.To = to
	}
	if some() {
		q.Since = e.At.Add(-time.Duration(random.IntN(1000)) * time.Second)
	}
	if some() {
		q.Until = e.At.Add(time.Duration(random.IntN(1000)) * time.Second)
	}
	if some() {
		q.AfterSeq = e.Seq - random.Int64N(500)
	}
	if some() {
		q.BeforeSeq = e.Seq + random.Int64N(500)
	}
	return q
}

func newestAreLast(t *testing.T, s storetest.Store) {
	ctx := expect.Within(t)
	expect.Must(t, s.Append(ctx, variedEvents(30)))
	text := func(q audit.Query) string {
		out := ""
		for _, e := range expect.Got(s.Search(ctx, q))(t) {
			out += e.Text + " "
		}
		return out
	}
	last := expect.Got(s.Search(ctx, audit.Query{Newest: true, Limit: 3}))(t)
	if got := text(audit.Query{Newest: true, Limit: 3}); got != "27 28 29 " {
		t.Errorf("the last three are %s", got)
	}
	if got := text(audit.Query{Newest: true, Limit: 3, BeforeSeq: last[0].Seq}); got != "24 25 26 " {
		t.Errorf("the three before are %s", got)
	}
	if got := text(audit.Query{Newest: true, Limit: 3, AfterSeq: last[1].Seq}); got != "29 " {
		t.Errorf("after the last but one there is %s", got)
	}
}
