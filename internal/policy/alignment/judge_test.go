package alignment

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/domainkey"
	"countersign/internal/testkit"
)

// keyOf makes an RSA key of a domain.
func keyOf(t *testing.T, domain mail.Domain, selector string) domainkey.Key {
	return keyFor(t, domain, selector, dkim.RSA)
}

func keyFor(t *testing.T, domain mail.Domain, selector string, algorithm dkim.Algorithm) domainkey.Key {
	t.Helper()
	k, err := dkim.Generate(domain, selector, algorithm, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	record, err := k.Record()
	if err != nil {
		t.Fatal(err)
	}
	return domainkey.Key{Domain: domain, Selector: selector, Record: record.Value}
}

// ours is where the mail of these tests comes from.
var ours = Sending{
	Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, Hello: "gate.example.net",
}

// judge returns a Judge that asks a name server double.
func judge(t *testing.T, s Sending, records ...string) (*Judge, *testkit.DNS) {
	t.Helper()
	d := testkit.NewDNS(t)
	d.Add(records...)
	c, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{d.Addr()}, Timeout: time.Second, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	return &Judge{Asker: c, Sending: s}, d
}

// text writes a TXT record.
func text(name, value string) string {
	var parts []string
	for part := range slices.Chunk([]byte(value), 255) {
		parts = append(parts, `"`+strings.ReplaceAll(string(part), ";", `\;`)+`"`)
	}
	return name + ". 60 IN TXT " + strings.Join(parts, " ")
}

func TestAssess(t *testing.T) {
	first, second := keyOf(t, "example.org", "a"), keyOf(t, "example.org", "b")
	const reject = "v=DMARC1; p=reject"
	good := "v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all"
	name := first.Name()
	long := `example.org. 60 IN TXT "v=spf1"` + strings.Repeat(` " ip4:198.51.100.1"`, maxValue/17) + ` " -all"`
	for title, tt := range map[string]struct {
		mailFrom mail.Domain
		keys     []domainkey.Key // without any, the first one, which is not published
		unsigned bool
		zone     []string
		broken   []string
		sending  *Sending

		verdict, dkim, spf Verdict
		policy             dmarc.Policy
		refusable          bool
		says               string   // in the reason
		notes              string   // in a note
		publish            []string // "name value"
	}{
		"all is well": {
			mailFrom: "example.org", keys: []domainkey.Key{first},
			zone:    []string{text("_dmarc.example.org", reject), text(name, first.Record), text("example.org", good)},
			verdict: Pass, dkim: Pass, spf: Pass, policy: dmarc.Reject,
		},
		"nothing is published": {
			mailFrom: "example.org", keys: []domainkey.Key{first, second},
			zone:    []string{text("_dmarc.example.org", reject)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			says:    "DKIM: nothing is published at a._domainkey.example.org; SPF: example.org: there is no SPF record",
			publish: []string{name + " " + first.Record, second.Name() + " " + second.Record, "example.org v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all"},
		},
		"DKIM alone": {
			mailFrom: "example.org", keys: []domainkey.Key{first, second},
			zone:    []string{text("_dmarc.example.org", reject), text(second.Name(), second.Record), text("example.org", "v=spf1 a -all")},
			verdict: Pass, dkim: Pass, spf: WillFail, policy: dmarc.Reject,
			publish: []string{name + " " + first.Record, "example.org v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 a -all"},
		},
		"SPF alone, by the organisation": {
			mailFrom: "bounces.example.org", keys: []domainkey.Key{first},
			zone:    []string{text("_dmarc.example.org", "v=DMARC1; p=quarantine"), text("bounces.example.org", good)},
			verdict: Pass, dkim: WillFail, spf: Pass, policy: dmarc.Quarantine,
			publish: []string{name + " " + first.Record},
		},
		"SPF is strict": {
			mailFrom: "bounces.example.org", keys: []domainkey.Key{first},
			zone:    []string{text("_dmarc.example.org", "v=DMARC1; p=quarantine; aspf=s"), text("bounces.example.org", good)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Quarantine, refusable: true,
			says:    "SPF: the MAIL FROM domain bounces.example.org is not aligned with example.org",
			publish: []string{name + " " + first.Record},
		},
		"one address is missing": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", "v=DMARC1; p=none"), text("example.org", "v=spf1 ip4:192.0.2.1 -all")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.None,
			says:    "SPF: example.org: the SPF record does not allow 2001:db8::1",
			publish: []string{"example.org v=spf1 ip6:2001:db8::1 ip4:192.0.2.1 -all"},
		},
		"no policy": {
			mailFrom: "example.org", keys: []domainkey.Key{first},
			verdict: WillFail, dkim: WillFail, spf: WillFail, notes: "example.org has no DMARC record",
			publish: []string{name + " " + first.Record, "example.org v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all"},
		},
		"a term of its own": {
			mailFrom: "example.org", sending: &Sending{Addresses: ours.Addresses, Hello: ours.Hello, Term: "include:spf.example.net"},
			zone:    []string{text("_dmarc.example.org", reject), text("spf.example.net", good)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			publish: []string{"example.org v=spf1 include:spf.example.net ~all"},
		},
		"the null sender": {
			keys: []domainkey.Key{first}, zone: []string{text("_dmarc.example.org", reject), text("gate.example.net", good)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			says:    "SPF: the MAIL FROM domain gate.example.net is not aligned",
			publish: []string{name + " " + first.Record},
		},
		"several SPF records cannot be amended": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", reject), text("example.org", good), text("example.org", "v=spf1 a")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, says: "there are several, and one is allowed",
		},
		"an SPF record with a mistake cannot be amended": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", reject), text("example.org", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 al")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, says: `"al" is no mechanism of SPF`,
		},
		"a record that would be too long to keep": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", reject), long},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, says: "the SPF record does not allow 192.0.2.1",
		},
		"an SPF record that asks for the user": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", reject), text("example.org", "v=spf1 exists:%{l}.users.example.org -all")},
			verdict: Unknown, dkim: WillFail, spf: Unknown, policy: dmarc.Reject, says: "asks for more than the sender's domain",
		},
		"our addresses are not known": {
			mailFrom: "example.org", sending: &Sending{Hello: ours.Hello}, zone: []string{text("_dmarc.example.org", reject), text("example.org", "v=spf1 -all")},
			verdict: Unknown, dkim: WillFail, spf: Unknown, policy: dmarc.Reject, says: "not configured which addresses the mail comes from: set alignment.addresses",
		},
		"our addresses are not known, and no SPF record is there": {
			mailFrom: "example.org", sending: &Sending{Hello: ours.Hello}, zone: []string{text("_dmarc.example.org", reject)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, says: "SPF: example.org: there is no SPF record", notes: "set alignment.addresses",
		},
		"our addresses are not known, but our term": {
			mailFrom: "example.org", sending: &Sending{Hello: ours.Hello, Term: "include:spf.example.net"}, zone: []string{text("_dmarc.example.org", reject)},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, notes: "set alignment.addresses",
			publish: []string{"example.org v=spf1 include:spf.example.net ~all"},
		},
		"our addresses are not known, and several SPF records are there": {
			mailFrom: "example.org", sending: &Sending{Hello: ours.Hello}, zone: []string{text("_dmarc.example.org", reject), text("example.org", good), text("example.org", "v=spf1 a")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true, says: "there are several", notes: "set alignment.addresses",
		},
		"our addresses are not known, and DNS is away": {
			mailFrom: "example.org", sending: &Sending{Hello: ours.Hello}, broken: []string{"example.org."}, zone: []string{text("_dmarc.example.org", reject)},
			verdict: Unknown, dkim: WillFail, spf: Unknown, policy: dmarc.Reject, says: "SPF: example.org: DNS does not answer for the SPF record",
		},
		"our term names a domain that has no record": {
			mailFrom: "example.org", sending: &Sending{Addresses: ours.Addresses, Hello: ours.Hello, Term: "include:spf.example.net"},
			zone:    []string{text("_dmarc.example.org", reject), text("example.org", "v=spf1 include:spf.example.net -all")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			says:  "SPF: example.org: the SPF record includes spf.example.net, which has none",
			notes: "alignment.spf_term include:spf.example.net does not allow 192.0.2.1: the SPF record includes spf.example.net, which has none",
		},
		"our term lacks an address": {
			mailFrom: "example.org", sending: &Sending{Addresses: ours.Addresses, Hello: ours.Hello, Term: "include:spf.example.net"},
			zone:    []string{text("_dmarc.example.org", reject), text("spf.example.net", "v=spf1 ip4:192.0.2.1 -all")},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			notes: "alignment.spf_term include:spf.example.net does not allow 2001:db8::1",
		},
		"our term's DNS is away": {
			mailFrom: "example.org", sending: &Sending{Addresses: ours.Addresses, Hello: ours.Hello, Term: "include:spf.example.net"},
			zone: []string{text("_dmarc.example.org", reject)}, broken: []string{"spf.example.net."},
			verdict: WillFail, dkim: WillFail, spf: WillFail, policy: dmarc.Reject, refusable: true,
			publish: []string{"example.org v=spf1 include:spf.example.net ~all"},
		},
		"the key's DNS is away": {
			mailFrom: "other.example", keys: []domainkey.Key{first}, broken: []string{name + "."}, zone: []string{text("_dmarc.example.org", reject)},
			verdict: Unknown, dkim: Unknown, spf: WillFail, policy: dmarc.Reject, says: "DKIM: DNS does not answer for a._domainkey.example.org",
		},
		"one key's DNS is away, the other key is there": {
			mailFrom: "example.org", keys: []domainkey.Key{first, second}, broken: []string{name + "."},
			zone:    []string{text("_dmarc.example.org", reject), text(second.Name(), second.Record), text("example.org", good)},
			verdict: Pass, dkim: Pass, spf: Pass, policy: dmarc.Reject,
		},
		"SPF's DNS is away": {
			mailFrom: "example.org", broken: []string{"example.org."}, zone: []string{text("_dmarc.example.org", reject)},
			verdict: Unknown, dkim: WillFail, spf: Unknown, policy: dmarc.Reject, says: "SPF: example.org: DNS does not answer",
		},
		"DMARC's DNS is away": {
			mailFrom: "bounces.example.org", broken: []string{"_dmarc.example.org."}, zone: []string{text("bounces.example.org", good)},
			verdict: Unknown, dkim: WillFail, spf: Unknown, notes: "DNS does not answer for the DMARC record of example.org",
		},
		"DMARC's DNS is away, and neither way passes": {
			mailFrom: "example.org", broken: []string{"_dmarc.example.org."},
			verdict: WillFail, dkim: WillFail, spf: WillFail, publish: []string{"example.org v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all"},
		},
		"signed elsewhere, if at all": {
			mailFrom: "example.org", unsigned: true, zone: []string{text("_dmarc.example.org", reject), text(name, first.Record)},
			verdict: Unknown, dkim: Unknown, spf: WillFail, policy: dmarc.Reject, says: "DKIM: mail of example.org is not signed here",
			publish: []string{"example.org v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ~all"},
		},
		"two keys where one belongs": {
			mailFrom: "other.example", keys: []domainkey.Key{first}, zone: []string{text("_dmarc.example.org", reject), text(name, first.Record), text(name, second.Record)},
			verdict: Unknown, dkim: Unknown, spf: WillFail, policy: dmarc.Reject, publish: []string{name + " " + first.Record},
		},
		"several DMARC records": {
			mailFrom: "example.org", zone: []string{text("_dmarc.example.org", reject), text("_dmarc.example.org", "v=DMARC1; p=none"), text("example.org", good)},
			verdict: Pass, dkim: WillFail, spf: Pass, notes: "there are several DMARC records at _dmarc.example.org",
		},
		"DKIM is tested": {
			mailFrom: "example.org", keys: []domainkey.Key{first}, zone: []string{text("_dmarc.example.org", reject), text(name, first.Record+"; t=y"), text("example.org", good)},
			verdict: Pass, dkim: Pass, spf: Pass, policy: dmarc.Reject, notes: "says that the domain is testing DKIM",
		},
	} {
		s := ours
		if tt.sending != nil {
			s = *tt.sending
		}
		j, d := judge(t, s, append(tt.zone, "_dmarc.org. 60 IN A 192.0.2.1")...)
		for _, b := range tt.broken {
			d.Break(b, testkit.ServFail)
		}
		if tt.keys == nil && !tt.unsigned {
			tt.keys, tt.publish = []domainkey.Key{first}, append([]string{name + " " + first.Record}, tt.publish...)
		}
		a := j.Assess(t.Context(), Question{From: "example.org", MailFrom: tt.mailFrom, Keys: tt.keys})
		if a.Verdict != tt.verdict || a.DKIM.State != tt.dkim || a.SPF.State != tt.spf || a.Policy != tt.policy || a.Refusable() != tt.refusable {
			t.Errorf("%s: %s (DKIM %s, SPF %s), %q, refusable %v; want %s (%s, %s), %q, %v", title,
				a.Verdict, a.DKIM.State, a.SPF.State, a.Policy, a.Refusable(), tt.verdict, tt.dkim, tt.spf, tt.policy, tt.refusable)
		}
		if !strings.Contains(a.Reason(), tt.says) || (a.Reason() == "") != (a.Verdict == Pass) {
			t.Errorf("%s: reason %q, want %q", title, a.Reason(), tt.says)
		}
		if !strings.Contains(strings.Join(a.Notes, "|"), tt.notes) || tt.notes == "" && len(a.Notes) > 0 && len(tt.broken) == 0 {
			t.Errorf("%s: notes %q, want %q", title, a.Notes, tt.notes)
		}
		away := slices.ContainsFunc(tt.broken, func(name string) bool { return strings.HasPrefix(name, "_dmarc.") })
		if a.PolicyUnknown != away {
			t.Errorf("%s: that the policy is unknown is %v", title, a.PolicyUnknown)
		}
		var publish []string
		for _, r := range a.Publish {
			publish = append(publish, r.Name+" "+r.Value)
		}
		if strings.Join(publish, "\n") != strings.Join(tt.publish, "\n") {
			t.Errorf("%s: publish %q, want %q", title, publish, tt.publish)
		}
	}
}

// TestDelegatedSelectorsAreAliases: where a domain has delegated a selector, it is not told to
// publish the key itself.
func TestDelegatedSelectorsAreAliases(t *testing.T) {
	first, second := keyOf(t, "example.org", "a"), keyOf(t, "example.org", "b")
	j, _ := judge(t, Sending{Hello: "gate.example.net"}, "_dmarc.org. 60 IN A 192.0.2.1")
	j.Target = func(selector string, domain mail.Domain) string {
		if selector == "b" {
			return ""
		}
		return selector + "." + domain.String() + ".dkim.example.net"
	}
	a := j.Assess(t.Context(), Question{From: "example.org", MailFrom: "example.org", Keys: []domainkey.Key{first, second}})
	want := []dkim.Record{{Name: first.Name(), Target: "a.example.org.dkim.example.net"}, {Name: second.Name(), Value: second.Record}}
	if len(a.Publish) < 2 || !slices.Equal(a.Publish[:2], want) {
		t.Errorf("publish %+v, want %+v", a.Publish, want)
	}
}

// TestProposedRecordsMend: a domain that publishes what it is told to passes by both ways.
func TestProposedRecordsMend(t *testing.T) {
	key := keyOf(t, "example.org", "a")
	question := Question{From: "example.org", MailFrom: "example.org", Keys: []domainkey.Key{key}}
	for _, record := range []string{"", "v=spf1 -all", "v=spf1 mx redirect=gone.example.org"} {
		zone := []string{text("_dmarc.example.org", "v=DMARC1; p=reject")}
		if record != "" {
			zone = append(zone, text("example.org", record))
		}
		j, _ := judge(t, ours, zone...)
		before := j.Assess(t.Context(), question)
		mended := zone[:1]
		for _, r := range before.Publish {
			mended = append(mended, r.ZoneLine())
		}
		j, _ = judge(t, ours, mended...)
		after := j.Assess(t.Context(), question)
		if before.Verdict != WillFail || after.DKIM.State != Pass || after.SPF.State != Pass || len(after.Publish) > 0 {
			t.Errorf("%q: before %+v, after %+v", record, before, after)
		}
	}
}

// TestRSAIsProposedFirst: where there is room for one record alone, it is the one that every
// receiver understands.
func TestRSAIsProposedFirst(t *testing.T) {
	j, _ := judge(t, ours)
	keys := []domainkey.Key{keyFor(t, "example.org", "a", dkim.Ed25519), keyOf(t, "example.org", "z")}
	a := j.Assess(t.Context(), Question{From: "example.org", MailFrom: "other.example", Keys: keys})
	if len(a.Publish) != 2 || a.Publish[0] != (dkim.Record{Name: keys[1].Name(), Value: keys[1].Record}) || keys[0].Selector != "a" {
		t.Errorf("%+v", a.Publish)
	}
}

func TestLiterals(t *testing.T) {
	j, d := judge(t, ours)
	for _, from := range []mail.Domain{"", "[192.0.2.1]"} {
		if a := j.Assess(t.Context(), Question{From: from, MailFrom: from}); a.Verdict != Unknown || a.Refusable() {
			t.Errorf("%q: %+v, want unknown", from, a)
		}
	}
	if n := d.Queries("_dmarc.[192.0.2.1]."); n > 0 {
		t.Error("a literal is asked for")
	}
}

// flood answers each question with as much as it can.
type flood struct{}

func (flood) Ask(_ context.Context, name string, t mx.Type) (mx.Answer, error) {
	junk := strings.Repeat("\xff; ", 4000)
	a := mx.Answer{Texts: []string{"v=spf1 " + junk, "v=DMARC1; p=" + junk + "; sp=x", junk}, TTL: time.Hour}
	for i := range 10 {
		a.Hosts = append(a.Hosts, mx.Record{Host: fmt.Sprint(i, ".", name)})
	}
	return a, nil
}

// TestAssessmentsAreSmall: what strangers publish does not stay in memory.
func TestAssessmentsAreSmall(t *testing.T) {
	var keys []domainkey.Key
	for i := range 20 {
		keys = append(keys, keyFor(t, "example.org", fmt.Sprint("s", i), dkim.Ed25519))
	}
	j := &Judge{Asker: flood{}, Sending: ours}
	a := j.Assess(t.Context(), Question{From: "example.org", MailFrom: "example.org", Keys: keys})
	all := append(append(a.DKIM.Reasons, a.SPF.Reasons...), a.Notes...)
	for _, s := range all {
		if len(s) > maxReason || strings.ContainsAny(s, "\r\n") || strings.Contains(s, "\xff") {
			t.Errorf("%d octets: %q", len(s), s)
		}
	}
	if len(all) > 3*maxReasons || len(a.Publish) > maxPublish {
		t.Errorf("%d texts, %d records", len(all), len(a.Publish))
	}
	for s, want := range map[string]string{"ok": "ok", "a\r\nb\xffc": "a??b?c", strings.Repeat("x", 300): strings.Repeat("x", maxReason-3) + "..."} {
		if got := short(s); got != want {
			t.Errorf("short(%q) = %q", s, got)
		}
	}
}

// TestCheckTerm: the operator's part is looked at without any customer's.
func TestCheckTerm(t *testing.T) {
	const none = "the SPF record includes none.example.net, which has none"
	for term, want := range map[string]Leg{
		"":                           {},
		"include:%{d}.example.net":   {},
		"include:good.example.net":   {State: Pass},
		"include:away.example.net":   {Unknown, []string{": DNS does not answer what it asks for"}},
		"include:none.example.net":   {WillFail, []string{" does not allow 192.0.2.1: " + none, " does not allow 2001:db8::1: " + none}},
		"include:narrow.example.net": {WillFail, []string{" does not allow 2001:db8::1"}},
	} {
		s := ours
		s.Term = term
		j, d := judge(t, s, text("good.example.net", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"), text("narrow.example.net", "v=spf1 ip4:192.0.2.1 -all"))
		d.Break("away.example.net.", testkit.ServFail)
		got, ok := j.CheckTerm(t.Context())
		for i := range want.Reasons {
			want.Reasons[i] = "alignment.spf_term " + term + want.Reasons[i]
		}
		if ok != (want.State != "") || got.State != want.State || !slices.Equal(got.Reasons, want.Reasons) {
			t.Errorf("%q: %+v, want %+v", term, got, want)
		}
	}
	s := Sending{Hello: ours.Hello, Term: "include:none.example.net"}
	j, _ := judge(t, s)
	if _, ok := j.CheckTerm(t.Context()); ok {
		t.Error("a term is judged without addresses")
	}
}
