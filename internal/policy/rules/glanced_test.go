package rules

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/cel"

	"countersign/internal/mail"
	"countersign/internal/policy/rules/glance"
)

// alike returns what a glance tells of facts, which CEL has to say, too.
func alike(t *testing.T, r *Rule, f *Facts) glance.Truth {
	t.Helper()
	if r.look == nil {
		return glance.Open
	}
	got := r.look(f)
	if is, err := r.evaluate(f, newSet().known); got != glance.Open && (err != nil || is != (got == glance.Yes)) {
		t.Errorf("%s: at a glance %d, CEL says %v, %v: %+v", r.When, got, is, err, f)
	}
	return got
}

// writer writes expressions, the same ones each time.
type writer struct{ *rand.Rand }

func (w writer) one(of ...string) string { return of[w.IntN(len(of))] }

// claim is true or false of a message at Data.
func (w writer) claim(depth int) string {
	if depth > 0 {
		switch w.IntN(5) {
		case 0, 1:
			return "(" + w.claim(depth-1) + " && " + w.claim(depth-1) + ")"
		case 2, 3:
			return "(" + w.claim(depth-1) + " || " + w.claim(depth-1) + ")"
		}
		return "!" + w.claim(depth-1)
	}
	switch w.IntN(8) {
	case 0:
		return "(" + w.text() + w.one(" == ", " != ") + w.text() + ")"
	case 1:
		return "(" + w.text() + " in [" + w.literal() + ", " + w.literal() + "])"
	case 2, 3:
		return "(" + w.number() + w.one(" == ", " != ", " < ", " <= ", " > ", " >= ") + w.number() + ")"
	case 4:
		return w.text() + w.one(".startsWith(", ".endsWith(", ".contains(", ".matches(") + w.literal() + ")"
	case 5:
		return "connection.client.in_network(" + w.one(`"192.0.2.0/24"`, `"2001:db8::/32"`, `"0.0.0.0/0"`) + ")"
	}
	return w.one( // what is for CEL, and fails at times
		`envelope.recipients.exists(r, r.domain() == principal.domain)`, `(1 / counters.session_messages > 0)`, `(counted.used("account recipients/hour") > 50)`,
		`(size(envelope.recipients) > 2)`, `(int(message.subject) > 0)`, `envelope.smtputf8`, `(now.getMinutes() < 30)`,
	)
}

func (w writer) text() string {
	return w.one(
		w.literal(), "principal.plan", "principal.login", "connection.hello", "connection.hello", "envelope.from", "envelope.from.domain()", "principal.login.local()",
		"message.subject", "message.subject.lower()", `message.header.first("X-Mailer")`, "message.from", "connection.hello.lower()", "envelope.body",
	)
}

func (w writer) literal() string {
	return w.one(`""`, `"a"`, `"A"`, `"example.com"`, `"ann"`, `"ann@example.com"`, `"8BITMIME"`)
}

func (w writer) number() string {
	return w.one("message.size", "envelope.size", "counters.recipients", "counters.session_messages", "counters.account_days", "envelope.recipients.size()", "message.senders.size()",
		`message.header.count("X-Mailer")`, "now.getHours()", `now.getHours("Europe/Berlin")`, `now.getHours("+01:00")`, `now.getDayOfWeek("America/New_York")`, "now.getDayOfWeek()", "0", "-1", "3", "50")
}

// TestGlanceAlike: whatever is told of made up messages without CEL, CEL says as well.
func TestGlanceAlike(t *testing.T) {
	c := &compiler{set: newSet(), total: map[Stage]uint64{}, envs: map[Stage]*cel.Env{}, words: glanced()}
	w := writer{rand.New(rand.NewPCG(3, 4))}
	many := crowd()
	told := map[glance.Truth]int{}
	for i := range 600 {
		s := spec(Data, w.claim(i%4))
		s.Shadow = true
		if !c.compile(0, s) {
			continue // it always fails, or may cost too much
		}
		checked, _ := c.envs[Data].Compile(s.When)
		m := newMaker(checked.NativeRep())
		all := c.set.rules[Data]
		for range 20 {
			f := m.facts()
			f.Message.Header = fields{{"Subject", m.Text()}, {"X-Mailer", m.Text()}}
			used := m.Number(0)
			f.Used = func(Used) (int64, error) { return used, nil }
			f.Now = f.Now.In(time.FixedZone("", 3600*m.IntN(12)))
			switch m.IntN(6) {
			case 0: // more than expressions see
				f.Connection.Hello = strings.Repeat("a", maxText+1)
			case 1:
				f.Recipients = many.Recipients
			case 2:
				f.Recipients = many.Recipients[1:]
			case 3:
				f.Connection.Hello = strings.Repeat("A", maxText)
			}
			told[alike(t, all[len(all)-1], f)]++
		}
	}
	if told[glance.Yes] < 1000 || told[glance.No] < 1000 || told[glance.Open] < 1000 {
		t.Errorf("told %v", told)
	}
}

// TestGlanceIsEnough: of usual rules CEL is not asked, whether they match or not.
func TestGlanceIsEnough(t *testing.T) {
	matching := usual()
	matching.Connection.TLS, matching.Principal.Plan, matching.Principal.Customer = "1.2", "small", "bank"
	matching.Counters.SessionMessages, matching.Principal.Created = 21, matching.Now
	matching.Counters.Recipients, matching.Message.Size = 51, 20000001
	matching.Recipient.Domain = "gmial.com"
	matching.Message.Header = fields{{"Subject", "Invoice 7"}, {"X-Mailer", "Bulk 9"}}
	for _, s := range ten() {
		r := compiled(t, s).rules[s.At][0]
		if got := alike(t, r, usual()); got != glance.No {
			t.Errorf("%s: %d of a usual message", s.Name, got)
		}
		if got := alike(t, r, matching); got != glance.Yes && s.Name != "inside" {
			t.Errorf("%s: %d of one that matches", s.Name, got)
		}
	}
}

// TestGlanceCounts: so it is with what is counted, and with the time.
func TestGlanceCounts(t *testing.T) {
	for when, want := range map[string]glance.Truth{
		`envelope.recipients.size() == 2`: glance.Yes, `message.senders.size() > 2`: glance.No, `message.header.count("received") == 2`: glance.Yes,
		`now.getHours() == 3`: glance.Yes, `now.getHours("Europe/Berlin") == 4`: glance.Yes, `now.getHours("America/New_York") < 22`: glance.No, `now.getDayOfWeek() == 5`: glance.Yes,
		`now.getDayOfWeek("America/New_York") == 4`: glance.Yes, `now.getHours("+01:00") == 4`: glance.Open, `envelope.recipients.exists(r, r == "bob@example.org")`: glance.Open,
	} {
		for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 7*3600)} {
			f := usual()
			f.Now = f.Now.In(zone)
			if got := alike(t, compiled(t, spec(Data, when)).rules[Data][0], f); got != want {
				t.Errorf("%s: %d, want %d", when, got, want)
			}
		}
	}
	set := compiled(t, spec(Data, `envelope.recipients.size() > 5`))
	if d := set.Judge(Data, crowd()); !d.Failed || d.Faults[0].Cause() != "envelope.recipients has more than 1000 elements" {
		t.Errorf("%+v", d)
	}
}

// TestUnknownIsNotGlancedAt: where something is not known, CEL says what follows, whatever stands there.
func TestUnknownIsNotGlancedAt(t *testing.T) {
	set := compiled(t, spec(Mail, `principal.plan == "trial"`))
	f := usual()
	f.Unknown = map[string]bool{"principal.plan": true}
	if d := set.Judge(Mail, f); d.Rule != nil || len(d.Doubts) != 1 {
		t.Errorf("%+v", d)
	}
}

// TestNow: each time that rules are asked they see the facts as they are then, of the same message at another
// stage and of another message alike.
func TestNow(t *testing.T) {
	message := func() Facts {
		f := usual()
		f.Used = func(Used) (int64, error) { return 7, nil }
		return *f
	}
	f := new(Facts)
	for _, v := range variables {
		at := v.stages[len(v.stages)-1]
		change, changes := changed[v.name]
		if !changes {
			t.Errorf("%s: how does it change?", v.name)
			continue
		}
		for _, when := range []string{change.when, "(" + change.when + ") && [1].exists(x, x == 1)"} { // at a glance, and by CEL
			set := compiled(t, spec(at, when))
			*f = message()
			before := set.Judge(at, f)
			change.to(f)
			after := set.Judge(at, f)
			*f = message()
			again := set.Judge(at, f)
			if before.Rule == nil || after.Rule != nil || again.Rule == nil || len(before.Faults)+len(after.Faults)+len(again.Faults) > 0 {
				t.Errorf("%s: %v, after a change %v, and back %v", when, before.Verdict, after.Verdict, again.Verdict)
			}
		}
	}
}

// changed has for each variable a claim that is true of a usual message, and what makes it untrue.
var changed = map[string]struct {
	when string
	to   func(*Facts)
}{
	"connection.client":         {`connection.client.in_network("192.0.2.0/24")`, func(f *Facts) { f.Connection.Client = netip.MustParseAddr("198.51.100.1") }},
	"connection.listener":       {`connection.listener == "submission"`, func(f *Facts) { f.Connection.Listener = "other" }},
	"connection.tls":            {`connection.tls == "1.3"`, func(f *Facts) { f.Connection.TLS = "1.2" }},
	"connection.hello":          {`connection.hello == "pc.example.org"`, func(f *Facts) { f.Connection.Hello = "other" }},
	"principal.login":           {`principal.login == "shop@example.org"`, func(f *Facts) { f.Principal.Login = "bob@example.org" }},
	"principal.domain":          {`principal.domain == "example.org"`, func(f *Facts) { f.Principal.Domain = "example.com" }},
	"principal.customer":        {`principal.customer == "acme"`, func(f *Facts) { f.Principal.Customer = "bank" }},
	"principal.plan":            {`principal.plan == "trial"`, func(f *Facts) { f.Principal.Plan = "" }},
	"principal.credential":      {`principal.credential == "phone"`, func(f *Facts) { f.Principal.Credential = "password" }},
	"principal.credential_kind": {`principal.credential_kind == "app-password"`, func(f *Facts) { f.Principal.Kind = "password" }},
	"principal.mechanism":       {`principal.mechanism == "PLAIN"`, func(f *Facts) { f.Principal.Mechanism = "LOGIN" }},
	"envelope.from":             {`envelope.from == "shop@example.org"`, func(f *Facts) { f.Envelope.From = mail.Address{} }},
	"envelope.size":             {`envelope.size == 5000`, func(f *Facts) { f.Envelope.Size = 0 }},
	"envelope.body":             {`envelope.body == "8BITMIME"`, func(f *Facts) { f.Envelope.Body = mail.Body7Bit }},
	"envelope.smtputf8":         {`!envelope.smtputf8`, func(f *Facts) { f.Envelope.SMTPUTF8 = true }},
	"envelope.ret":              {`envelope.ret == "HDRS"`, func(f *Facts) { f.Envelope.Return = mail.ReturnFull }},
	"envelope.recipient":        {`envelope.recipient == "Ann@there.example"`, func(f *Facts) { f.Recipient.Local = "ann" }},
	"envelope.recipients":       {`envelope.recipients.size() == 2`, func(f *Facts) { f.Recipients = f.Recipients[:1] }},
	"message.from":              {`message.from == "shop@example.org"`, func(f *Facts) { f.Message.Senders = nil }},
	"message.senders":           {`message.senders.size() == 2`, func(f *Facts) { f.Message.Senders = nil }},
	"message.subject":           {`message.subject == "Your INVOICE"`, func(f *Facts) { f.Message.Header = nil }},
	"message.size":              {`message.size == 4321`, func(f *Facts) { f.Message.Size++ }},
	"message.header":            {`message.header.first("X-Mailer") == "Bulk 3"`, func(f *Facts) { f.Message.Header = fields{{"X-Mailer", "Bulk 4"}} }},
	"counters.session_messages": {`counters.session_messages == 3`, func(f *Facts) { f.Counters.SessionMessages++ }},
	"counters.recipients":       {`counters.recipients == 2`, func(f *Facts) { f.Counters.Recipients++ }},
	"counters.account_days":     {`counters.account_days == 6`, func(f *Facts) { f.Now = f.Now.Add(24 * time.Hour) }},
	"counters.customer_days":    {`counters.customer_days == 330`, func(f *Facts) { f.Principal.CustomerCreated = time.Time{} }},
	"counted":                   {`counted.used("account recipients/hour") == 7`, func(f *Facts) { f.Used = func(Used) (int64, error) { return 8, nil } }},
	"now":                       {`now.getHours() == 3`, func(f *Facts) { f.Now = f.Now.Add(time.Hour) }},
}
