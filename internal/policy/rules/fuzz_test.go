package rules

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/mail"
)

// largest is the largest of everything that an expression may see.
func largest() *Facts {
	f := usual()
	long := strings.Repeat("a", 64)
	domain := mail.Domain(strings.Repeat("x", 60) + "." + strings.Repeat("y", 60) + "." + strings.Repeat("z", 60))
	f.Recipients = nil
	for range maxRecipients {
		f.Recipients = append(f.Recipients, mail.Recipient{To: mail.Address{Local: long, Domain: domain}})
	}
	for range maxSenders - 2 {
		f.Message.Senders = append(f.Message.Senders, mail.Address{Local: long, Domain: domain})
	}
	f.Envelope.From, f.Recipient = f.Recipients[0].To, f.Recipients[0].To
	var h fields
	for range maxFields {
		h = append(h, [2]string{"Received", strings.Repeat("casino ", maxField/7+1)}, [2]string{"Subject", strings.Repeat("vi", maxField)})
	}
	f.Message.Header = h
	return f
}

// bound is how long one evaluation may take, on a machine that does something else beside: many
// times of what it does take.
const bound = 5 * time.Second

// held evaluates a rule with all kinds of facts and holds it against what was promised of it.
func held(t *testing.T, set *Set, s Spec) {
	t.Helper()
	c := &compiler{set: set}
	env, err := c.environment(s.At)
	if err != nil {
		t.Fatal(err)
	}
	checked, issues := env.Compile(s.When)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(checked, limited(math.MaxUint64)...)
	if err != nil {
		t.Fatal(err)
	}
	rule := set.rules[s.At][0]
	most := rule.most
	unknown := usual()
	unknown.Unknown = map[string]bool{"message.subject": true, "principal.plan": true, "envelope.recipients": true}
	for _, f := range []*Facts{{}, usual(), largest(), crowd(), unknown} {
		began := time.Now()
		d := set.Judge(s.At, f)
		if took := time.Since(began); took > bound {
			t.Errorf("%s took %v", s.When, took)
		}
		if d.Verdict != Allow && d.Rule == nil {
			t.Errorf("%s: %+v", s.When, d)
		}
		if len(f.Unknown) == 0 {
			alike(t, rule, f)
		}
		_, details, _ := program.Eval(&activation{facts: f, known: set.known})
		if cost := details.ActualCost(); cost != nil && *cost > most {
			t.Errorf("%s costs %d, more than %d", s.When, *cost, most)
		}
	}
}

// seeds are expressions of every kind, by stage.
var seeds = [...]struct {
	at   Stage
	when string
}{
	{Connect, `connection.client.in_network("10.0.0.0/8") || connection.client == address("::1")`},
	{Mail, `principal.plan == "trial" && counters.account_days < 7`},
	{Mail, `string(connection.client).startsWith("192.") ? envelope.size > 5 : principal.login.domain() in ["a.example", "b.example"]`},
	{Recipient, `envelope.recipient.domain().lower().endsWith(".example") && counters.recipients > 20`},
	{Data, `envelope.recipients.exists(r, r.domain() == principal.domain)`},
	{Data, `envelope.recipients.filter(r, r.domain() != "x.example").map(r, r.local()).size() > 3`},
	{Data, `message.senders.all(s, s.local().lower().contains("shop"))`},
	{Data, `message.header.values("Received").exists(v, v.matches("(?i)casino.*viagra"))`},
	{Data, `message.header.first("Subject").lower().matches("^(a|vi)*$") && message.header.count("Subject") > 1`},
	{Data, `message.subject + message.from == "x" || message.subject.size() > 4000 || {"a": 1}["b"] == 1`},
	{Data, `now.getHours("Europe/Berlin") < 6 || timestamp("2096-01-01T00:00:00Z") - now < duration("24h")`},
	{Data, `envelope.recipients[message.size] == "x"`},
	{Data, `has({"a": 1}.a) && [1, 2, 3].map(x, x * (message.size + 9000000000000000000)).size() == message.senders.size() % 0`},
}

// TestPromises holds the seeds against what is promised.
func TestPromises(t *testing.T) {
	for _, s := range seeds {
		rule := spec(s.at, s.when)
		held(t, compiled(t, rule), rule)
	}
}

// FuzzCompile looks for expressions that are not survived, or cost more than was said.
func FuzzCompile(f *testing.F) {
	for i, s := range seeds {
		f.Add(uint8(i), s.when)
	}
	f.Fuzz(func(t *testing.T, at uint8, when string) {
		rule := spec(Stages()[int(at)%len(Stages())], when)
		set, found := Compile([]Spec{rule})
		for _, m := range found {
			if m.Text == "" || m.Row < 0 || m.Column < 0 || m.Row > strings.Count(when, "\n")+1 {
				t.Errorf("%q: %+v", when, m)
			}
		}
		switch {
		case set == nil && len(found) == 0:
			t.Errorf("%q is refused without a word", when)
		case set != nil:
			held(t, set, rule)
		}
	})
}

// FuzzFacts looks for what clients send that is not survived.
func FuzzFacts(f *testing.F) {
	f.Add("a", "b.example", "Hello", []byte{127, 0, 0, 1})
	f.Add("\xff\x00", "", strings.Repeat("casino", 1000), []byte{})
	var specs []Spec
	for i, s := range seeds {
		rule := spec(s.at, s.when)
		rule.Name, rule.OnError = "r"+strings.Repeat("x", i), Skip
		specs = append(specs, rule)
	}
	set := compiled(f, specs...)
	f.Fuzz(func(t *testing.T, local, domain, text string, ip []byte) {
		facts := usual()
		facts.Connection.Client, _ = netip.AddrFromSlice(ip)
		a := mail.Address{Local: local, Domain: mail.Domain(domain)}
		facts.Envelope.From, facts.Recipient = a, a
		facts.Connection.Hello = text
		facts.Message.Senders = []mail.Address{a}
		facts.Message.Header = fields{{"Subject", text[:min(len(text), maxField)]}, {local, domain}}
		for _, at := range Stages() {
			if d := set.Judge(at, facts); d.Verdict != Allow && d.Rule == nil {
				t.Errorf("%+v", d)
			}
		}
	})
}
