package rules

import "testing"

// ten are rules as hosters have them.
func ten() []Spec {
	var specs []Spec
	for _, r := range []struct {
		name string
		at   Stage
		when string
	}{
		{"office", Mail, `principal.customer == "bank" && !connection.client.in_network("198.51.100.0/24")`},
		{"old-tls", Mail, `connection.tls == "1.2" && principal.plan != "legacy"`},
		{"young", Mail, `counters.account_days < 3 && counters.session_messages > 20`},
		{"trial", Recipient, `principal.plan == "small" && counters.recipients > 20`},
		{"typos", Recipient, `envelope.recipient.domain() in ["gmial.com", "gmail.con", "hotmial.com"]`},
		{"large", Data, `message.size > 20000000 && principal.plan != "large"`},
		{"many", Data, `counters.recipients > 50 && !(principal.login in ["news@example.org"])`},
		{"subject", Data, `message.subject.matches("(?i)^(invoice|rechnung) [0-9]+$") && principal.plan == "small"`},
		{"mailer", Data, `message.header.first("X-Mailer").startsWith("Bulk 9")`},
		{"inside", Data, `principal.customer == "school" && envelope.recipients.exists(r, r.domain() != principal.domain)`},
	} {
		specs = append(specs, Spec{Name: r.name, At: r.at, When: r.when, Verdict: Refuse, Because: "No"})
	}
	return specs
}

// BenchmarkTenRules is what ten rules cost for a message with two recipients.
func BenchmarkTenRules(b *testing.B) {
	set := compiled(b, ten()...)
	f := usual()
	for b.Loop() {
		for _, at := range []Stage{Connect, Mail, Recipient, Recipient, Data} {
			if d := set.Judge(at, f); d.Rule != nil {
				b.Fatal(d)
			}
		}
	}
}

// BenchmarkElevenRules is what ten such rules cost with one that matches, which lets the recipient pass, for a
// message with one recipient: what test/gates has a gate ask.
func BenchmarkElevenRules(b *testing.B) {
	everybody := Spec{Name: "everybody", At: Recipient, When: `principal.domain != "" && counters.recipients < 1000000`, Verdict: Allow}
	set := compiled(b, append(ten(), everybody)...)
	f := usual()
	b.ReportAllocs()
	for b.Loop() {
		for _, at := range []Stage{Mail, Recipient, Data} {
			if d := set.Judge(at, f); (d.Rule != nil) != (at == Recipient) {
				b.Fatal(d)
			}
		}
	}
}

// BenchmarkEach is what each of them costs.
func BenchmarkEach(b *testing.B) {
	for _, s := range ten() {
		set := compiled(b, s)
		f := usual()
		b.Run(s.Name, func(b *testing.B) {
			for b.Loop() {
				set.Judge(s.At, f)
			}
		})
	}
}

// BenchmarkUnit is what a unit of cost is in the worst cases.
func BenchmarkUnit(b *testing.B) {
	f := largest()
	for _, when := range []string{
		`envelope.recipients.exists(r, r.endsWith("@gmail.com"))`, `envelope.recipients.exists(r, r.domain() == principal.domain)`,
		`message.header.values("Received").exists(r, r.matches("(?i)viagra|casing"))`, `message.subject.matches("(?i)(v|i|s)*x(a?a?a?a?a?a?){4}x[0-9]{10}y")`,
		`message.subject.lower().lower().lower().lower().contains("xxxxxxxxxxxxxxxxxxxxxx")`, `envelope.recipients.map(r, r.domain()).filter(d, d == "x").size() > 1001`,
	} {
		set := compiled(b, spec(Data, when))
		b.Run(when, func(b *testing.B) {
			for b.Loop() {
				set.Judge(Data, f)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(set.rules[Data][0].most), "ns/unit")
		})
	}
}

// BenchmarkCompile is what a reload costs.
func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		compiled(b, ten()...)
	}
}
