package resource_test

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/limit"
	"countersign/internal/smtp"
	"countersign/internal/web/api/resource"
)

// refusal is a verdict of a refused login or message.
func refusal(kind, reason, said string, data map[string]string) *resource.Verdict {
	return &resource.Verdict{
		Verdict: "refuse", Reason: reason, Client: "192.0.2.1",
		Steps:  []resource.Step{{Command: "EHLO x", Code: 250, Answer: "ok"}, {Command: "MAIL", Code: 550, Answer: said}},
		Events: []resource.Event{{Kind: kind, Reason: reason, Data: data}},
	}
}

// TestConcealed: a client with customers is told what concerns these, and of the rest that the provider
// refuses; one without sees all.
func TestConcealed(t *testing.T) {
	w := newWorld(t)
	ban := func(body string) map[string]string {
		return map[string]string{"ban": w.does("all", "addBan", "/bans", body).member("id")}
	}
	entry := func(whom string) map[string]string {
		return map[string]string{"entry": w.does("all", "addAccessEntry", "/access/entries", `{"effect":"deny","what":"FR","for":`+whom+`,"reason":"x"}`).member("id")}
	}
	held := func(subject string) *resource.Verdict {
		return &resource.Verdict{Verdict: "hold", Reason: "over-limit", Events: []resource.Event{{Kind: "limit.held", Data: map[string]string{"subject": subject}}}}
	}
	shared := func(kind, of string) *resource.Verdict {
		v := held("account a@example.org")
		v.Events[0].Kind, v.Events[0].Data["of"] = kind, of
		return v
	}
	// over is a refusal by a limit of some kind of subject, or by an account's share of one of that kind.
	over := func(reason string, k limit.Kind, in limit.Window) *resource.Verdict {
		b := limit.Breach{Subject: limit.Subject{Kind: k, Name: "x"}, Limit: limit.Limit{Measure: limit.Recipients, Window: in, Max: 5}}
		return refusal("command.refused", reason, "SECRET "+b.Describe(), b.Data())
	}
	share := func(k limit.Kind) *resource.Verdict {
		b := limit.Breach{Subject: limit.Subject{Kind: limit.Account, Name: "a@example.org"}, Of: limit.Subject{Kind: k, Name: "x"}, Limit: limit.Limit{Measure: limit.Recipients, Window: limit.Hour, Max: 5}}
		return refusal("command.refused", "limit-reached", "SECRET "+b.Describe(), b.Data())
	}
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	// Whose a limit is does not stand in the words of the answer.
	misleading := over("limit-reached", limit.Account, limit.Hour)
	misleading.Steps[1].Answer = "SECRET: that of your network, of this server"
	for name, c := range map[string]struct {
		v   *resource.Verdict
		own bool
	}{
		"a ban of a network":         {refusal("connection.refused", "banned", "SECRET", ban(`{"network":"192.0.2.0/24","reason":"SECRET"}`)), false},
		"a ban of its login":         {refusal("command.refused", "banned-now", "SECRET", ban(`{"network":"198.51.100.0/24","login":"a@example.org","reason":"SECRET"}`)), true},
		"a ban of another's login":   {refusal("command.refused", "banned-now", "SECRET", ban(`{"network":"198.51.100.0/24","login":"r@rival.example","reason":"SECRET"}`)), false},
		"a ban that is gone":         {refusal("command.refused", "banned-now", "SECRET", map[string]string{"ban": "01JZZZZZZZZZZZZZZZZZZZZZZZ"}), false},
		"an entry for its account":   {refusal("command.refused", "network-denied-now", "SECRET", entry(`{"account":"a@example.org"}`)), true},
		"an entry for everybody":     {refusal("connection.refused", "network-denied", "SECRET", entry(`{}`)), false},
		"an entry for a listener":    {refusal("command.refused", "network-denied-now", "SECRET", entry(`{"listener":"submission"}`)), false},
		"a rule":                     {refusal("command.refused", "rule-refused", "SECRET", map[string]string{"rule": "SECRET"}), false},
		"a DNS list":                 {refusal("auth.failed", "listed", "SECRET", nil), false},
		"the guard":                  {refusal("auth.failed", "auth-failed", "SECRET", map[string]string{"cause": "guard"}), false},
		"a turn of the guard":        {refusal("auth.failed", "auth-too-many", "SECRET", map[string]string{"cause": "guard: too-soon"}), false},
		"its sender":                 {refusal("command.refused", "sender-not-owned", "SECRET", nil), true},
		"its own limit":              {over("limit-reached", limit.Account, limit.Hour), true},
		"that of its customer":       {over("limit-refused", limit.Customer, limit.Day), true},
		"a limit of a network":       {over("limit-reached", limit.Network, limit.Hour), false},
		"one message of a network":   {over("limit-recipients", limit.Network, limit.PerMessage), false},
		"a limit of a gate":          {over("limit-size", limit.Node, limit.PerMessage), false},
		"a limit of all gates":       {over("limit-refused", limit.Everything, limit.Day), false},
		"a share of its domain's":    {share(limit.Domain), true},
		"a share of a network's":     {share(limit.Network), false},
		"a share of all gates'":      {share(limit.Everything), false},
		"its own, in other words":    {misleading, true},
		"a limit of nobody":          {refusal("command.refused", "limit-reached", "SECRET", nil), false},
		"connections of a network":   {refusal("connection.refused", "connection-limit", "SECRET", map[string]string{"subject": "network 192.0.2.1"}), false},
		"what there is no reason of": {refusal("command.refused", "", "SECRET", nil), false},
		"held for its limit":         {held("domain example.org"), true},
		"held for that of all":       {held("everything"), false},
		"held for its share of it":   {shared("limit.held", "everything"), false},
		"held by a filter":           {&resource.Verdict{Verdict: "hold", Reason: "filter"}, false},
		"held for DMARC":             {&resource.Verdict{Verdict: "hold", Reason: "dmarc-will-fail"}, true},
	} {
		c.v.Unasked, c.v.Until = []string{"INNER"}, &until
		given := *c.v
		w.verdict = &given
		w.verdict.Steps = slices.Clone(c.v.Steps)
		a := w.does("reseller", "explain", "/explanations", `{"account":"a@example.org","client":"192.0.2.1"}`)
		told := a.member("reason") == c.v.Reason && (c.v.Steps == nil || a.has("SECRET")) && c.v.Reason != ""
		concealed := a.member("reason") == "provider" && !a.has("SECRET") && (c.v.Steps == nil || a.has("refused by the provider", `"answer":"ok"`))
		if told != c.own || a.has("2030-01-01") != c.own || concealed == c.own || a.member("verdict") != c.v.Verdict || a.has(`"events"`) || a.has("INNER") {
			t.Errorf("%s: %s", name, a.text)
		}
		w.verdict = c.v
		if a := w.does("all", "explain", "/explanations", `{"account":"a@example.org"}`); a.has("provider") || !a.has("INNER") || c.v.Steps != nil && !a.has("SECRET") {
			t.Errorf("%s, to the operator: %s", name, a.text)
		}
	}
}

// TestRefusedRecipientsAreConcealed: of a message that is accepted for some recipients, too, what others are
// refused for is told where it concerns the customers of the client, and concealed else.
func TestRefusedRecipientsAreConcealed(t *testing.T) {
	w := newWorld(t)
	for reason, own := range map[string]bool{"recipient-domain-not-found": true, "rule-refused": false} {
		accepted := refusal("command.refused", reason, "SECRET", nil)
		accepted.Verdict, accepted.Reason, accepted.Recipients = "accept", "", 1
		w.verdict = accepted
		a := w.does("reseller", "explain", "/explanations", `{"account":"a@example.org"}`)
		if a.has("SECRET") != own || a.has("refused by the provider") == own || a.member("verdict") != "accept" || a.has(`"reason"`) || a.has(`"events"`) {
			t.Errorf("%s: %s", reason, a.text)
		}
	}
}

// TestSlowedIsConcealed: until when a message waits is told where it is the client's limit that slows it
// down, and neither of a limit of all nor of a rule.
func TestSlowedIsConcealed(t *testing.T) {
	w := newWorld(t)
	until := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		event resource.Event
		own   bool
	}{
		"its own":       {resource.Event{Kind: "limit.slowed", Data: map[string]string{"subject": "customer acme"}}, true},
		"that of all":   {resource.Event{Kind: "limit.slowed", Data: map[string]string{"subject": "everything"}}, false},
		"a share of it": {resource.Event{Kind: "limit.slowed", Data: map[string]string{"subject": "account a@example.org", "of": "everything"}}, false},
		"a rule":        {resource.Event{Kind: "rule.slowed", Data: map[string]string{"rule": "x"}}, false},
	} {
		w.verdict = &resource.Verdict{Verdict: "slow", Reason: "slowed", Until: &until, Events: []resource.Event{c.event}}
		a := w.does("reseller", "explain", "/explanations", `{"account":"a@example.org"}`)
		if a.has("2030-01-01") != c.own || (a.member("reason") == "provider") == c.own || a.member("verdict") != "slow" {
			t.Errorf("%s: %s", name, a.text)
		}
	}
}

// TestReasonsAreKnown: what is taken to be about the message is a reason that there is.
func TestReasonsAreKnown(t *testing.T) {
	for _, reason := range resource.OwnReasons() {
		if !slices.Contains(smtp.Reasons(), reason) {
			t.Errorf("there is no reason %s", reason)
		}
	}
}

// TestListsAreConcealed: what is said for everybody is told as the provider's, what is said for its own
// as it is.
func TestListsAreConcealed(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{
		`{"effect":"deny","what":"198.51.100.0/24","reason":"SECRET"}`, `{"effect":"deny","what":"203.0.113.0/24","for":{"listener":"submission"},"reason":"SECRET"}`,
		`{"effect":"deny","what":"192.0.2.0/25","for":{"domain":"example.org"},"reason":"own"}`, `{"effect":"deny","what":"192.0.2.128/25","reason":"SECRET","shadow":true}`,
	} {
		w.does("all", "addAccessEntry", "/access/entries", body)
	}
	w.listen()
	ask := func(who, client string) answer {
		return w.does(who, "judgeClient", "/access/clients/"+client+"?login=a@example.org&listener=submission", "")
	}
	for client, reason := range map[string]string{"198.51.100.1": "refused by the provider", "203.0.113.1": "refused by the provider", "192.0.2.1": "own"} {
		a := ask("reseller", client)
		if a.member("outcome") != "denied" || a.member("reason") != reason || a.has("SECRET") || a.has("everywhere") || a.has("greeting") || a.has(`"entry"`) != (reason == "own") {
			t.Errorf("%s: %s", client, a.text)
		}
	}
	if a := ask("reseller", "192.0.2.200"); a.has("would_be_denied_by") || a.member("outcome") != "open" {
		t.Error(a.text)
	}
	w.wants(ask("all", "198.51.100.1"), `"reason":"SECRET"`, `"entry"`, `"refused_at_greeting":true`)
	w.wants(ask("all", "192.0.2.200"), `would_be_denied_by`)
}
