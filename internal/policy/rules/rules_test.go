package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/mail"
)

// fields is a header as a list of names and bodies.
type fields [][2]string

func (f fields) Values(name string, most, octets int) (list []string) {
	for _, field := range f {
		if strings.EqualFold(field[0], name) && len(list) < most {
			list = append(list, field[1][:min(len(field[1]), octets)])
		}
	}
	return list
}

func (f fields) Count(name string) (n int) {
	for _, field := range f {
		if strings.EqualFold(field[0], name) {
			n++
		}
	}
	return n
}

// usual is a message as most are.
func usual() *Facts {
	return &Facts{
		Now:        time.Date(2026, 11, 27, 3, 30, 0, 0, time.UTC), // a Friday
		Connection: Connection{Client: netip.MustParseAddr("192.0.2.7"), Listener: "submission", TLS: "1.3", Hello: "pc.example.org"},
		Principal: Principal{
			Login: "shop@example.org", Domain: "example.org", Customer: "acme", Plan: "trial", Credential: "phone", Kind: "app-password", Mechanism: "PLAIN",
			Created: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), CustomerCreated: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		},
		Envelope:   mail.Envelope{From: mail.Address{Local: "shop", Domain: "example.org"}, Size: 5000, Body: mail.Body8Bit, Return: mail.ReturnHeaders},
		Recipient:  mail.Address{Local: "Ann", Domain: "there.example"},
		Recipients: []mail.Recipient{{To: mail.Address{Local: "Ann", Domain: "there.example"}}, {To: mail.Address{Local: "bob", Domain: "example.org"}}},
		Message: Message{
			Senders: []mail.Address{{Local: "shop", Domain: "example.org"}, {Local: "boss", Domain: "example.org"}}, Size: 4321,
			Header: fields{{"Subject", "Your INVOICE"}, {"Received", "one"}, {"Received", "two"}, {"X-Mailer", "Bulk 3"}},
		},
		Counters: Counters{SessionMessages: 3, Recipients: 2},
	}
}

// spec is a rule that refuses.
func spec(at Stage, when string) Spec {
	return Spec{Name: "r", At: at, When: when, Verdict: Refuse, Because: "No"}
}

// compiled makes a set of rules in which nothing is wrong.
func compiled(t testing.TB, specs ...Spec) *Set {
	t.Helper()
	set, found := Compile(specs)
	if set == nil || len(found) > 0 {
		t.Fatalf("%+v", found)
	}
	return set
}

// TestExpressions: what each name and function is.
func TestExpressions(t *testing.T) {
	for at, list := range map[Stage][]string{
		Connect: {
			`connection.client.in_network("192.0.2.0/24")`, `!connection.client.in_network("2001:db8::/32")`, `connection.client == address("192.0.2.7")`,
			`connection.client == address("::ffff:192.0.2.7")`, `string(connection.client) == "192.0.2.7"`, `connection.listener == "submission"`,
			`now.getHours() == 3 && now.getHours("Europe/Berlin") == 4 && now.getDayOfWeek() == 5`, `now > timestamp("2026-01-01T00:00:00Z") && now < timestamp("2096-01-01T00:00:00Z")`,
		},
		Mail: {
			`connection.tls == "1.3" && connection.hello == "pc.example.org"`,
			`principal.login == "shop@example.org" && principal.domain == "example.org" && principal.customer == "acme" && principal.plan == "trial"`,
			`principal.credential == "phone" && principal.credential_kind == "app-password" && principal.mechanism in ["PLAIN", "LOGIN"]`,
			`envelope.from.domain() == principal.domain && envelope.from.local() == "shop"`, `envelope.size == 5000 && envelope.body == "8BITMIME"`,
			`!envelope.smtputf8 && envelope.ret == "HDRS"`, `counters.session_messages == 3 && counters.account_days == 6 && counters.customer_days == 330`,
		},
		Recipient: {`envelope.recipient == "Ann@there.example" && envelope.recipient.lower() == "ann@there.example"`, `counters.recipients == 2`},
		Data: {
			`envelope.recipients == ["Ann@there.example", "bob@example.org"]`, `envelope.recipients.exists_one(r, r.domain() != principal.domain)`,
			`message.from == envelope.from && message.senders.size() == 2 && message.size == 4321`,
			`message.subject.matches("(?i)invoice") && message.subject.startsWith("Your")`,
			`message.header.first("x-mailer") == "Bulk 3" && message.header.first("None") == ""`,
			`message.header.values("received") == ["one", "two"] && message.header.count("RECEIVED") == 2 && message.header.values("None") == []`,
		},
	} {
		for _, when := range list {
			if d := compiled(t, spec(at, when)).Judge(at, usual()); d.Rule == nil || d.Failed || d.Verdict != Refuse {
				t.Errorf("%s: %s is not true: %+v", at, when, d)
			}
		}
	}
}

// TestMistakes: where what is wrong, in which words.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		at   Stage
		when string
		want string
	}{
		{Mail, "", `0:0 must not be empty; for example connection.listener == "legacy"`},
		{Mail, "  connection.foo == \"x\"", `1:3 connection.foo is not known; connection has client, listener, tls, hello`},
		{Mail, "true &&\n  foo", `2:3 foo is not known`},
		{Connect, `principal.login == "x"`, `1:1 principal.login is not known at "connect"; it is at "mail", "rcpt", "data"`},
		{Mail, `envelope.recipients.size() > 3`, `1:1 envelope.recipients is not known at "mail"; it is at "data"`},
		{Mail, `connection.client == "192.0.2.1"`, `1:19 found no matching overload for '_==_' applied to '(address, string)'; write address("192.0.2.1"), or in_network("192.0.2.0/24")`},
		{Mail, `connection.client.in_network("192.0.2.1/24")`, `1:30 "192.0.2.1/24" is not the beginning of a network; that is 192.0.2.0/24`},
		{Mail, `connection.client.in_network("::ffff:10.0.0.0/104")`, `1:30 "::ffff:10.0.0.0/104" is an IPv4 network; write it as one`},
		{Mail, `connection.client.in_network("x")`, `1:30 "x" is not a network such as 192.0.2.0/24`},
		{Mail, `connection.client == address("x")`, `1:30 "x" is not an address`},
		{Mail, `connection.client.in_network(principal.login)`, `1:39 what in_network is given has to be a text that is written out`},
		{Data, `message.subject.matches(principal.login)`, `1:34 what matches is given has to be a text that is written out`},
		{Data, `message.subject.matches("(")`, `1:25 is not a regular expression (RE2)`},
		{Data, `now.getHours("Europe/Berli") < 6`, `1:14 the time zone "Europe/Berli" is not known here`},
		{Data, `message.header.frist("X") == ""`, `1:21 frist is not known`},
		{Mail, `message.header.first("X") == ""`, `1:1 message.header is not known at "mail"; it is at "data"|1:21 first is not known at "mail"; it is at "data"`},
		{Data, `message.subject +`, `1:18 Syntax error: mismatched input the end`},
		{Data, `message.size`, `1:1 is an int, not true or false; compare it with something`},
		{Data, `1/0 == 1`, `1:1 can never be evaluated: division by zero`},
		{Data, `envelope.recipients.exists(a, envelope.recipients.exists(b, a != b))`, `1:1 may cost 38006002, and 100000 is the most for one rule at "data"; leave out loops within loops and long patterns, or ask for each recipient at "rcpt"`},
		{Mail, "true", `1:1 is always true: everything would be met with "refuse"; put a rule that allows some of it before this one, or set shadow = true`},
		{Data, `message.size > 1 || 1 < 2`, `1:1 is always true: everything would be met with "refuse"; put a rule that allows some of it before this one, or set shadow = true`},
		{Data, `message.size > 1 && 1 > 2`, `warning 1:1 is never true, so that the rule does nothing`},
	} {
		_, found := Compile([]Spec{spec(c.at, c.when)})
		if got := words(found); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.when, got, c.want)
		}
	}
}

// words are mistakes in one line.
func words(found []Mistake) string {
	var all []string
	for _, m := range found {
		s := fmt.Sprintf("%d:%d %s", m.Row, m.Column, m.Text)
		if m.Suggestion != "" {
			s += "; " + m.Suggestion
		}
		if m.Warning {
			s = "warning " + s
		}
		all = append(all, s)
	}
	return strings.Join(all, "|")
}

// TestAlways: a rule that always matches is an end of a row, or a mistake.
func TestAlways(t *testing.T) {
	allow, shadow, end := spec(Mail, `principal.plan == "x"`), spec(Mail, "true"), spec(Mail, "true")
	allow.Verdict, allow.Name, end.Name = Allow, "a", "z"
	shadow.Shadow, shadow.Name = true, "s"
	elsewhere := allow
	elsewhere.At = Recipient
	mine := allow
	mine.Shadow = true
	deferring := end
	deferring.Verdict = Defer
	for _, c := range []struct {
		specs []Spec
		fails bool
	}{{[]Spec{end}, true}, {[]Spec{deferring}, true}, {[]Spec{elsewhere, end}, true}, {[]Spec{mine, end}, true}, {[]Spec{allow, end}, false}, {[]Spec{shadow}, false}} {
		set, found := Compile(c.specs)
		if (set == nil) != c.fails || len(found) != 1 || found[0].Warning == c.fails {
			t.Errorf("%+v: %v %+v", c.specs, set, found)
		}
	}
}

// TestEverything: of a rule that would stop all mail, though it asks for something, there is a warning; of one
// that lets any pass there is none.
func TestEverything(t *testing.T) {
	for _, c := range []struct {
		at   Stage
		when string
		all  bool
	}{
		{Data, `message.size >= 0`, true}, {Mail, `principal.login != "" || principal.login == ""`, true},
		{Recipient, `counters.recipients > 0`, true}, {Data, `envelope.recipients.size() > 0`, true}, {Mail, `connection.client != address("198.51.100.1") || connection.tls != "1.3"`, false},
		{Connect, `!connection.client.in_network("10.0.0.0/8")`, false}, {Connect, `connection.listener != "inside"`, false}, {Mail, `principal.plan != "gold"`, false},
		{Mail, `!(principal.login in ["a@one.example", "b@one.example"])`, false}, {Data, `!message.subject.startsWith("[list]")`, false},
		{Data, `!(principal.customer == "bank" && connection.listener == "office" && message.size < 1000)`, false},
		{Recipient, `envelope.recipient.domain() != "example.org"`, false}, {Recipient, `!envelope.recipient.endsWith(".example.net")`, false},
		{Data, `envelope.recipients.exists(r, r.domain() != principal.domain)`, false}, {Data, `message.header.count("X-Campaign") < 1`, false},
		{Connect, `now.getHours("Europe/Berlin") < 23`, false}, {Connect, `now < timestamp("2030-01-01T00:00:00Z")`, false},
		{Mail, `counted.used("account recipients/hour") >= 0`, true}, {Mail, `counted.used("account recipients/hour") < 7`, false}, {Mail, `!envelope.smtputf8`, false},
		{Data, `!message.subject.matches("^[A-Z]{3}-[0-9]{9}$")`, false},
		// What every mail has.
		{Mail, `principal.login != ""`, true}, {Mail, `connection.tls != "1.1"`, true}, {Mail, `connection.tls == "1.2" || connection.tls == "1.3"`, true}, {Mail, `principal.login.domain() == principal.domain`, true},
		{Data, `message.header.count("From") >= 1`, true}, {Data, `message.header.count("from") == 1 && message.header.first("From").size() > 0`, true},
		{Connect, `now > timestamp("2020-01-01T00:00:00Z")`, true}, {Connect, `now.getFullYear() > 2019`, true}, {Data, `message.size > 0`, true}, {Mail, `connection.hello != ""`, true},
		{Recipient, `envelope.recipient != ""`, true}, {Recipient, `envelope.recipient.contains("@")`, true}, {Mail, `principal.mechanism != "" || principal.credential_kind == "network"`, true},
		{Mail, `principal.credential_kind in ["password", "app-password", "oauth", "certificate", "network"]`, true}, {Mail, `envelope.body == "7BIT" || envelope.body == "8BITMIME"`, true},
		{Data, `message.header.count("X-A") > 1 || message.header.count("X-A") < 2`, true}, {Mail, `counted.used("account bytes/day") > 7 || counted.used("account bytes/day") < 8`, true},
		{Data, `message.from.matches(".*")`, true}, {Data, `message.from.matches(".")`, true}, {Data, `message.from.matches("@")`, true}, {Data, `!message.from.matches("^$")`, true},
		{Data, `message.subject.matches("(?s)^.*$")`, true},
		// What some have, and some have not.
		{Mail, `connection.tls == "1.3"`, false}, {Mail, `principal.plan != ""`, false}, {Mail, `envelope.from != ""`, false}, {Mail, `principal.mechanism != ""`, false},
		{Data, `message.subject != ""`, false}, {Data, `message.header.count("Date") >= 1`, false}, {Data, `message.header.count("List-Unsubscribe") == 0`, false},
		{Data, `message.subject.matches(".")`, false}, {Data, `message.subject.matches("^[ -~]*$")`, false}, {Data, `!message.subject.matches("(?i)invoice [0-9]+")`, false},
		{Data, `message.from.matches("^[A-Za-z0-9._+-]+@[a-z0-9.-]+[.][a-z]+$")`, false}, {Data, `message.from.matches("[.]")`, false}, {Data, `!message.from.matches("@example[.]org$")`, false},
		{Mail, `!envelope.from.matches("^sales-[0-9]+@")`, false}, {Recipient, `!envelope.recipient.domain().matches("^(?:mail|mx)[.]example[.]org$")`, false},
		{Recipient, `!envelope.recipient.local().matches("^vip")`, false}, {Data, `!(message.subject.startsWith("[list]") && message.subject.contains("unsubscribe"))`, false},
		{Mail, `!(principal.customer == "bank" && principal.plan == "gold" && connection.listener == "office")`, false}, {Mail, `!principal.login.endsWith("@shop.example.org")`, false},
		{Connect, `now > timestamp("2100-01-01T00:00:00Z")`, false}, {Connect, `now.getMonth() != 11`, false}, {Connect, `now.getDayOfMonth() != 13`, false}, {Connect, `now.getDayOfWeek() != 6`, false},
		{Connect, `now.getFullYear() < 2090`, false}, {Connect, `now.getHours() != 4`, false}, {Mail, `principal.mechanism != "NTLM"`, false}, {Data, `!message.subject.matches("[^ -~]")`, false},
		{Mail, `counters.account_days < 30`, false}, {Mail, `counters.customer_days > 30`, false}, {Data, `message.header.first("X-Mailer").matches("^PHPMailer [0-9.]+$") == false`, false},
	} {
		for _, s := range ten() { // usual rules are none of these
			if _, found := Compile([]Spec{s}); len(found) > 0 {
				t.Fatalf("%+v", found)
			}
		}
		set, found := Compile([]Spec{spec(c.at, c.when)})
		if set == nil || len(found) > 1 || len(found) == 1 && !found[0].Warning || (len(found) == 1) != c.all {
			t.Errorf("%s: %+v", c.when, found)
		}
		held, allow := spec(c.at, c.when), spec(c.at, `connection.listener == "inside"`)
		held.Shadow, allow.Verdict, allow.Name = true, Allow, "inside"
		if _, found := Compile([]Spec{held}); len(found) > 0 {
			t.Errorf("%s in shadow: %+v", c.when, found)
		}
		if _, found := Compile([]Spec{allow, spec(c.at, c.when)}); len(found) > 0 {
			t.Errorf("%s after one that allows: %+v", c.when, found)
		}
	}
}

// TestTimesToCome: a rule that lets mail pass at some time of a year, or in some year, is told from one that does
// not, whenever it is read.
func TestTimesToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		for range 40 {
			for when, all := range map[string]bool{
				`now.getMonth() != 11`: false, `now.getDayOfMonth() != 30`: false, `now.getDayOfWeek() != 6`: false, `now.getHours("Europe/Berlin") != 4`: false,
				`now.getFullYear() < 2090`: false, `now < timestamp("2090-05-06T07:08:09Z")`: false, `now > timestamp("2028-01-01T00:00:00Z")`: false,
				`now > timestamp("2025-12-31T23:59:59Z")`: true, `now.getFullYear() >= 2026`: true, `now.getMonth() < 12`: true,
			} {
				if _, found := Compile([]Spec{spec(Connect, when)}); (len(found) > 0) != all {
					t.Errorf("at %v: %s: %+v", time.Now(), when, found)
				}
			}
			time.Sleep(6*24*time.Hour + 5*time.Hour)
		}
	})
}

// TestSpecs: what is wrong with the rest of a rule.
func TestSpecs(t *testing.T) {
	good := spec(Data, `message.size > 100`)
	for field, change := range map[string]func(*Spec){
		"name":     func(s *Spec) { s.Name = "No such" },
		"at":       func(s *Spec) { s.At = "auth" },
		"verdict":  func(s *Spec) { s.Verdict = "drop" },
		"because":  func(s *Spec) { s.Because = " " },
		"on_error": func(s *Spec) { s.OnError = "allow" },
		"delay":    func(s *Spec) { s.Verdict, s.Delay = Slow, 25*time.Hour },
	} {
		s := good
		change(&s)
		_, found := Compile([]Spec{s})
		if !slices.ContainsFunc(found, func(m Mistake) bool { return m.Field == field }) {
			t.Errorf("%s: %+v", field, found)
		}
	}
	for _, because := range []string{"Grüße", "a\nb", strings.Repeat("x", MaxBecause+1)} {
		s := good
		s.Because = because
		if _, found := Compile([]Spec{s}); len(found) != 1 || found[0].Field != "because" {
			t.Errorf("%q: %+v", because, found)
		}
	}
	for _, v := range []Verdict{Hold, Slow} {
		s := spec(Mail, `envelope.size > 1`)
		s.Verdict, s.Delay = v, time.Minute
		if _, found := Compile([]Spec{s}); len(found) != 1 || found[0].Field != "verdict" {
			t.Errorf("%s at mail: %+v", v, found)
		}
	}
	if _, found := Compile([]Spec{good, good}); len(found) != 1 || found[0].Rule != 1 || found[0].Field != "name" {
		t.Errorf("two of one name: %+v", found)
	}
	if _, found := Compile(make([]Spec, MaxRules+1)); len(found) != 1 {
		t.Errorf("too many: %+v", found)
	}
}

// TestBudget: many costly rules are too many.
func TestBudget(t *testing.T) {
	var specs []Spec
	for i := range 10 {
		s := spec(Data, `envelope.recipients.exists(r, r.domain() == principal.domain)`)
		s.Name = fmt.Sprintf("r%d", i)
		specs = append(specs, s)
	}
	set, found := Compile(specs)
	if set != nil || len(found) == 0 || !strings.Contains(found[0].Text, "500000 is the most") || found[0].Rule < 2 {
		t.Errorf("%+v", found)
	}
	if most, limit, _ := Estimate(Data, specs[0].When); most == 0 || most > limit {
		t.Errorf("one costs %d of %d", most, limit)
	}
}

// TestOrder: the first that matches decides, those in shadow are told of, allow ends the row.
func TestOrder(t *testing.T) {
	rule := func(name, when string, v Verdict, shadow bool) Spec {
		return Spec{Name: name, At: Data, When: when, Verdict: v, Because: "No", Shadow: shadow, Delay: time.Minute}
	}
	set := compiled(t,
		rule("quiet", `message.size > 1`, Refuse, true), rule("no", `message.size > 1000000`, Refuse, false),
		rule("friends", `principal.customer == "friends"`, Allow, false), rule("hold", `message.subject == "x"`, Hold, false), rule("late", `message.size > 2`, Refuse, true),
	)
	for _, c := range []struct {
		change func(*Facts)
		want   string
	}{
		{func(*Facts) {}, "allow by  would quiet late"},
		{func(f *Facts) { f.Message.Size = 2_000_000 }, "refuse by no would quiet"},
		{func(f *Facts) { f.Principal.Customer, f.Message.Header = "friends", fields{{"Subject", "x"}} }, "allow by friends would quiet"},
		{func(f *Facts) { f.Message.Header = fields{{"Subject", "x"}} }, "hold by hold would quiet"},
	} {
		f := usual()
		c.change(f)
		d := set.Judge(Data, f)
		got := fmt.Sprintf("%s by %s would", d.Verdict, nameOf(d.Rule))
		for _, r := range d.Would {
			got += " " + r.Name
		}
		if got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	if d := set.Judge(Mail, usual()); d.Rule != nil || d.Verdict != Allow {
		t.Errorf("at another stage: %+v", d)
	}
	var none *Set
	if d := none.Judge(Data, usual()); d.Verdict != Allow || d.Rule != nil {
		t.Errorf("without rules: %+v", d)
	}
	only := set.Only("quiet")
	if d := only.Judge(Data, usual()); d.Verdict != Refuse || nameOf(d.Rule) != "quiet" || len(only.Rules(Data)) != 1 {
		t.Errorf("quiet alone: %+v", d)
	}
	if len(set.Rules(Data)) != 5 || !set.Rules(Data)[0].Shadow {
		t.Error("the set has changed")
	}
}

func nameOf(r *Rule) string {
	if r == nil {
		return ""
	}
	return r.Name
}

// crowd is a message to more than expressions see.
func crowd() *Facts {
	f := usual()
	f.Recipients = make([]mail.Recipient, maxRecipients+1)
	for i := range f.Recipients {
		f.Recipients[i].To = mail.Address{Local: fmt.Sprint("r", i), Domain: "there.example"}
	}
	return f
}

// TestFailures: a rule that cannot be evaluated does what is said of it.
func TestFailures(t *testing.T) {
	const when = `envelope.recipients.exists(r, r == "x@there.example")`
	for _, c := range []struct {
		verdict Verdict
		shadow  bool
		onError Failure
		defers  bool
	}{
		{Refuse, false, "", true}, {Defer, false, "", true}, {Hold, false, "", true}, {Allow, false, "", false}, {Slow, false, "", false},
		{Refuse, true, "", false}, {Refuse, true, DeferOnError, false}, {Refuse, false, Skip, false}, {Allow, false, DeferOnError, true},
	} {
		set := compiled(t, Spec{Name: "r", At: Data, When: when, Verdict: c.verdict, Because: "No", Shadow: c.shadow, OnError: c.onError, Delay: time.Minute},
			Spec{Name: "next", At: Data, When: `message.size > 100`, Verdict: Refuse, Because: "No"})
		d := set.Judge(Data, crowd())
		want, by := Refuse, "next"
		if c.defers {
			want, by = Defer, "r"
		}
		if d.Verdict != want || nameOf(d.Rule) != by || d.Failed != c.defers || len(d.Faults) != 1 || !strings.Contains(d.Faults[0].Err.Error(), "more than 1000") {
			t.Errorf("%+v: %+v", c, d)
		}
	}
}

// TestTooLong: of a text that is longer than what expressions see a rule fails that asks for it, and no other.
func TestTooLong(t *testing.T) {
	f := usual()
	f.Connection.Hello = strings.Repeat("a", maxText)
	set := compiled(t, spec(Mail, `connection.hello.endsWith("aa") && principal.plan == "trial"`))
	if d := set.Judge(Mail, f); d.Verdict != Refuse || d.Failed {
		t.Errorf("of the greatest length: %+v", d)
	}
	f.Connection.Hello += "a"
	if d := set.Judge(Mail, f); !d.Failed || d.Faults[0].Cause() != "connection.hello is longer than 320 octets" {
		t.Errorf("longer: %+v", d)
	}
	f.Principal.Plan = "other"
	if d := set.Judge(Mail, f); d.Rule != nil || len(d.Faults) > 0 {
		t.Errorf("longer, where the rest decides: %+v", d)
	}
}

// TestCostIsCutOff: what costs more at run time than it may is a failure.
func TestCostIsCutOff(t *testing.T) {
	c := &compiler{set: newSet()}
	env, err := c.environment(Data)
	if err != nil {
		t.Fatal(err)
	}
	checked, issues := env.Compile(`envelope.recipients.all(r, r != "x@there.example")`)
	if issues.Err() != nil {
		t.Fatal(issues.Err())
	}
	program, err := env.Program(checked, limited(100)...)
	if err != nil {
		t.Fatal(err)
	}
	f := crowd()
	f.Recipients = f.Recipients[:maxRecipients]
	r := &Rule{Spec: spec(Data, ""), program: program}
	if _, err := r.ask(f, c.set.known); err == nil || !strings.Contains(err.Error(), "cost limit exceeded") {
		t.Errorf("got %v", err)
	}
}

// TestUnknown: what is not known leaves open what depends on it, and nothing else.
func TestUnknown(t *testing.T) {
	set := compiled(t,
		Spec{Name: "subject", At: Data, When: `message.subject == "x" && envelope.from == "shop@example.org" || message.header.count("A") > 1`, Verdict: Refuse, Because: "No"},
		Spec{Name: "size", At: Data, When: `message.size > 10000 || envelope.size > 7`, Verdict: Hold},
	)
	f := usual()
	f.Unknown = map[string]bool{"message.subject": true, "message.header": true, "message.size": true}
	d := set.Judge(Data, f)
	if d.Verdict != Hold || len(d.Doubts) != 1 || !slices.Equal(d.Doubts[0].Needs, []string{"message.header", "message.subject"}) {
		t.Errorf("%+v", d)
	}
	f.Envelope.From = mail.Address{}
	f.Envelope.Size = 0
	d = set.Judge(Data, f)
	if d.Rule != nil || len(d.Doubts) != 2 || !slices.Equal(d.Doubts[0].Needs, []string{"message.header"}) || !slices.Equal(d.Doubts[1].Needs, []string{"message.size"}) {
		t.Errorf("%+v", d)
	}
}

// TestVocabulary: every name has words, a value, and a size if it is no number.
func TestVocabulary(t *testing.T) {
	for _, w := range Vocabulary() {
		if w.Name == "" || w.Type == "" || w.Text == "" || len(w.Stages) == 0 {
			t.Errorf("%+v", w)
		}
	}
	for _, v := range variables {
		if v.size == 0 {
			t.Errorf("%s has no size", v.name)
		}
		if got := v.get(&Facts{}); got == nil {
			t.Errorf("%s has no value without facts", v.name)
		}
		if got := v.get(usual()); got.Type().TypeName() != v.kind.TypeName() {
			t.Errorf("%s is %s, want %s", v.name, got.Type().TypeName(), v.kind)
		}
	}
}

// TestCounted: what limits have counted is asked for, and its failure is one of the rule.
func TestCounted(t *testing.T) {
	passing := func(window string) string {
		return `of "` + window + `" nothing is counted that others see; of a minute, hour, day or month it is`
	}
	for text, want := range map[string]string{
		"account recipients/hour": "", "everything bytes/month": "", "plan messages/day": "nothing is counted of a plan",
		"account new-recipients/day": "new-recipients are not counted of everybody; messages, recipients and bytes are", "account": "?", "sun messages/day": "?",
		"account recipients/message": passing("message"), "account messages/connection": passing("connection"), "account connections/at-once": passing("at-once"), "account messages/year": "?",
	} {
		_, found := Compile([]Spec{spec(Mail, `counted.used("`+text+`") > 100`)})
		if (want == "") != (len(found) == 0) || want != "" && want != "?" && found[0].Text != want {
			t.Errorf("%s: %+v", text, found)
		}
	}
	set := compiled(t, spec(Recipient, `counted.used("account recipients/hour") + counters.recipients > 100`))
	f := usual()
	if d := set.Judge(Recipient, f); !d.Failed || d.Faults[0].Cause() != "nothing is counted here" {
		t.Errorf("%+v", d)
	}
	f.Used = func(u Used) (int64, error) {
		if u.Kind.String()+" "+u.Measure.String()+"/"+u.Window.String() != "account recipients/hour" {
			t.Errorf("asked for %+v", u)
		}
		return 99, nil
	}
	if d := set.Judge(Recipient, f); d.Verdict != Refuse || d.Failed {
		t.Errorf("%+v", d)
	}
	f.Used = func(Used) (int64, error) { return 98, nil }
	if d := set.Judge(Recipient, f); d.Verdict != Allow {
		t.Errorf("%+v", d)
	}
}

// TestCause: the record has why a rule failed, and nothing that a client sent.
func TestCause(t *testing.T) {
	for when, want := range map[string]string{
		`int(message.subject) > 5`:                     "type conversion error from",
		`{"a": 1}[message.subject] == 1`:               "no such key",
		`timestamp(message.subject) > now`:             "",
		`duration(message.subject) > duration("1s")`:   "",
		`bool(message.subject)`:                        "",
		`double(message.subject) > 1.0`:                "type conversion error from",
		`envelope.recipients[7] == "x"`:                "index out of bounds",
		`message.size / counters.session_messages > 1`: "division by zero",
		`envelope.recipients == []`:                    "envelope.recipients has more than 1000 elements",
	} {
		f := usual()
		f.Counters.SessionMessages = 0
		f.Message.Header = fields{{"Subject", "private"}}
		if strings.Contains(when, "[]") {
			f.Recipients = crowd().Recipients
		}
		d := compiled(t, spec(Data, when)).Judge(Data, f)
		if len(d.Faults) != 1 {
			t.Errorf("%s: %+v", when, d)
			continue
		}
		got := d.Faults[0].Cause()
		if !strings.HasPrefix(got, want) || got == "" || strings.Contains(got, "private") {
			t.Errorf("%s: %q of %v", when, got, d.Faults[0].Err)
		}
	}
}
