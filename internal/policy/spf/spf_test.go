package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mx"
	"countersign/internal/policy/inquiry"
	"countersign/internal/testkit"
)

// ours is where the mail of these tests comes from.
var ours = netip.MustParseAddr("192.0.2.1")

func TestRecordsAgainstTheGrammar(t *testing.T) {
	good := []string{
		"v=spf1", "V=SPF1 -ALL", "v=spf1  a  ", "v=spf1 a:x.example/24//64 mx//0 ?all", "v=spf1 include:_spf.%{d2}.example",
		"v=spf1 exists:%{ir}.%{l1r-}.x.example", "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32", "v=spf1 a:%{d}", "v=spf1 ptr ptr:x.example.",
		"v=spf1 redirect=x.example exp=e.example", "v=spf1 moo= moo=%{d}", "v=spf1 a:1.2.3.4a", "v=spf1 a:x.xn--p1ai",
	}
	bad := []string{
		"v=spf1 a all:x", "v=spf1 -all a:", "v=spf1 mx:/24", "v=spf1 a/33", "v=spf1 a//129", "v=spf1 a/024", "v=spf1 ip4:192.0.2", "v=spf1 ip4",
		"v=spf1 ip4:192.0.2.1/33", "v=spf1 ip4:192.0.2.1/", "v=spf1 ip4:2001:db8::1", "v=spf1 ip6:192.0.2.1", "v=spf1 ip4:192.0.2.1/08",
		"v=spf1 include", "v=spf1 include:x", "v=spf1 include:x.1", "v=spf1 include:.", "v=spf1 a:%{c}.x.example", "v=spf1 a:%{d0}.example", "v=spf1 a:50%.example",
		"v=spf1 a:x.ex\xe4mple", "v=spf1\ta", "v=spf1 -all\ta", "v=spf1 redirect=a.example redirect=b.example", "v=spf1 exp=a.example EXP=a.example",
		"v=spf1 -foo", "v=spf1 --all", "v=spf1 -moo=x", "v=spf1 moo=%x", "v=spf1 a:x.-", "v=spf1 a:x.example-", "v=spf1 " + strings.Repeat("a ", maxTerms+1),
	}
	for i, list := range [][]string{good, bad} {
		for _, text := range list {
			if _, err := parse(text); (err != nil) != (i == 1) && isRecord(text) {
				t.Errorf("parse(%.60q) = %v", text, err)
			}
		}
	}
	for text, want := range map[string]bool{"v=spf1": true, "V=spf1 ": true, "v=spf10": false, "v=spf1\t": false, " v=spf1": false, "": false, "v=spf": false} {
		if isRecord(text) != want {
			t.Errorf("isRecord(%q) = %v", text, !want)
		}
	}
}

func TestCheckTerm(t *testing.T) {
	for text, ok := range map[string]bool{
		"include:spf.example.net": true, "a:gate.example.net": true, "+mx:gate.example.net//64": true, "ip4:192.0.2.0/28": true, "ip6:2001:db8::1": true,
		"": false, "a": false, "mx/24": false, "all": false, "-include:spf.example.net": false, "?a:x.example": false, "redirect=x.example": false,
		"moo=x": false, "ip4:192.0.2": false, "include:x": false, "include:a.example include:b.example": false, "a:x.example\r\n": false,
	} {
		if err := CheckTerm(text); (err == nil) != ok {
			t.Errorf("CheckTerm(%q) = %v", text, err)
		}
	}
	if err := CheckTerm("include:a.example ip4:192.0.2.1"); err == nil || !strings.Contains(err.Error(), "one term, without blanks") {
		t.Errorf("two terms: %v", err)
	}
}

// resolve starts a name server with records and returns a client of it.
func resolve(t *testing.T, records ...string) (*testkit.DNS, *mx.Client) {
	t.Helper()
	d := testkit.NewDNS(t)
	d.Add(records...)
	c, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{d.Addr()}, Timeout: 50 * time.Millisecond, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestEvaluate(t *testing.T) {
	d, c := resolve(t,
		`pass.example. 60 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"`,
		`pass.example. 60 IN TXT "site-verification=x"`,
		`softfail.example. 60 IN TXT "v=spf1 ip4:198.51.100.1 ~all"`,
		`fail.example. 60 IN TXT "v=spf1 -all"`,
		`neutral.example. 60 IN TXT "v=spf1 a:gate.example"`,
		"gate.example. 60 IN A 192.0.2.7",
		`late.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 -al"`,
		`twice.example. 60 IN TXT "v=spf1 -all"`,
		`twice.example. 60 IN TXT "v=spf1 a"`,
		`outer.example. 60 IN TXT "v=spf1 include:late.example -all"`,
		`void.example. 60 IN TXT "v=spf1 a:1.none.example a:2.none.example a:3.none.example"`,
		`deep.example. 60 IN TXT "v=spf1 redirect=deep.example"`,
		`hollow.example. 60 IN TXT "v=spf1 include:gate.example -all"`,
		`user.example. 60 IN TXT "v=spf1 exists:%{l}.none.example ip4:192.0.2.1 -all"`,
		`gone.example. 60 IN TXT "v=spf1 include:fail.example include:Nothing.example. include:gate.example -all"`,
		"away.example. 60 IN TXT x",
		`needs.example. 60 IN TXT "v=spf1 include:away.example -all"`,
		"loop.example. 60 IN CNAME loop.example.",
		`aliased.example. 60 IN CNAME pass.example.`,
		`slash.example. 60 IN TXT "v=spf1 a:x/y.example -all"`,
		`split.example. 60 IN TXT "v=spf1 a:%{d1/}.example -all"`,
		`late-dns.example. 60 IN TXT "v=spf1 ip4:192.0.2.1 include:away.example -all"`,
	)
	d.Break("away.example.", testkit.ServFail)
	for name, tt := range map[string]struct {
		result Result
		reason string
		unsure bool
	}{
		"pass.example":     {Pass, "", false},
		"aliased.example":  {Pass, "", false},
		"late-dns.example": {Pass, "", false},
		"softfail.example": {SoftFail, "the SPF record does not allow 192.0.2.1", false},
		"fail.example":     {Fail, "the SPF record does not allow 192.0.2.1", false},
		"neutral.example":  {Neutral, "the SPF record says nothing of 192.0.2.1", false},
		"late.example":     {PermError, `the SPF record of late.example: "-al" is no mechanism of SPF`, false},
		"outer.example":    {PermError, `the SPF record of late.example: "-al" is no mechanism of SPF`, false},
		"twice.example":    {PermError, "the SPF record of twice.example: there are several, and one is allowed", false},
		"void.example":     {PermError, "the SPF record names more than 2 hosts that do not exist", false},
		"deep.example":     {PermError, "the SPF record needs more than the 10 look-ups that are allowed", false},
		"hollow.example":   {PermError, "the SPF record includes gate.example, which has none", false},
		"gone.example":     {PermError, "the SPF record includes nothing.example, which has none", false},
		"user.example":     {Pass, "", true},
		"needs.example":    {TempError, "DNS does not answer what the SPF record asks for", false},
		"away.example":     {TempError, "DNS does not answer what the SPF record asks for", false},
		"gate.example":     {None, "there is no SPF record", false},
		"none.example":     {None, "there is no SPF record", false},
		"loop.example":     {None, "there is no SPF record", false},
		"slash.example":    {Fail, "the SPF record does not allow 192.0.2.1", false},
		"split.example":    {PermError, "the SPF record cannot be evaluated", true},
		"a..example":       {None, "there is no SPF record", false},
	} {
		out := Evaluate(t.Context(), inquiry.New(c), Query{Client: ours, Hello: "gate.example", Sender: "a@" + name})
		if out.Result != tt.result || out.Reason != tt.reason || out.Unsure != tt.unsure {
			t.Errorf("%s: %+v, want %+v", name, out, tt)
		}
	}
	mapped := Evaluate(t.Context(), inquiry.New(c), Query{Client: netip.MustParseAddr("::ffff:192.0.2.1"), Hello: "x.example", Sender: "pass.example"})
	if mapped.Result != Pass || mapped.Record != "v=spf1 ip4:192.0.2.0/24 -all" {
		t.Errorf("an IPv4 address in IPv6 form: %+v", mapped)
	}
	if null := Evaluate(t.Context(), inquiry.New(c), Query{Client: ours, Hello: "fail.example"}); null.Result != Fail {
		t.Errorf("the null sender is judged by the client's name: %+v", null)
	}
}

// TestFamilies: the addresses of a host are asked for in the client's family, and those
// of exists in IPv4.
func TestFamilies(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::1")
	_, c := resolve(t,
		"both.example. 60 IN A 192.0.2.1", "both.example. 60 IN AAAA 2001:db8::1",
		`both.example. 60 IN TXT "v=spf1 a -all"`,
		`listed.example. 60 IN TXT "v=spf1 exists:four.example -all"`, "four.example. 60 IN A 127.0.0.2",
		`absent.example. 60 IN TXT "v=spf1 exists:six.example -all"`, "six.example. 60 IN AAAA 2001:db8::1",
		`empty.example. 60 IN TXT "v=spf1 a:four.example a:four.example mx a:four.example ip6:2001:db8::1 -all"`,
	)
	for _, tt := range []struct {
		client netip.Addr
		domain string
		want   Result
	}{
		{ours, "both.example", Pass}, {six, "both.example", Pass},
		{ours, "listed.example", Pass}, {six, "listed.example", Pass},
		{ours, "absent.example", Fail}, {six, "absent.example", Fail},
		{six, "empty.example", PermError}, // no host of it has an IPv6 address: void look-ups
	} {
		if out := Evaluate(t.Context(), inquiry.New(c), Query{tt.client, "x.example", "a@" + tt.domain}); out.Result != tt.want {
			t.Errorf("%s from %s: %+v, want %s", tt.domain, tt.client, out, tt.want)
		}
	}
}

// TestLongAnswers: a domain with 64 KiB of TXT records is not judged.
func TestLongAnswers(t *testing.T) {
	text := strings.Repeat(` "`+strings.Repeat("x", 250)+`"`, 255)
	_, c := resolve(t, `long.example. 60 IN TXT "v=spf1 " `+text)
	out := Evaluate(t.Context(), inquiry.New(c), Query{ours, "x.example", "a@long.example"})
	if out.Result != TempError || out.Record != "" {
		t.Errorf("%.200v, want temperror", out)
	}
}

// TestTimeEnds: an evaluation ends with its context, however much the record asks for.
func TestTimeEnds(t *testing.T) {
	d, c := resolve(t, `slow.example. 60 IN TXT "v=spf1 mx -all"`)
	for i := range 10 {
		d.Add(fmt.Sprintf("slow.example. 60 IN MX 10 m%d.example.", i))
		d.Break(fmt.Sprintf("m%d.example.", i), testkit.Silence)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := Evaluate(ctx, inquiry.New(c), Query{ours, "x.example", "a@slow.example"}); out.Result != TempError {
		t.Errorf("%+v, want temperror", out)
	}
	if out := Evaluate(t.Context(), inquiry.New(c), Query{ours, "x.example", "a@slow.example"}); out.Result != TempError {
		t.Errorf("%+v, want temperror", out)
	}
}

func TestAmend(t *testing.T) {
	terms := Terms([]netip.Addr{ours, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:192.0.2.2")})
	for record, want := range map[string]string{
		"":                               "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 ~all",
		"v=spf1":                         "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2",
		"v=spf1 -all":                    "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 -all",
		"V=SPF1  mx redirect=x.example ": "V=SPF1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 mx redirect=x.example",
		"v=spf1 -al":                     "",
		"v=DMARC1":                       "",
		// What stands there is not added again, but moved where it is of no use.
		"v=spf1 mx ip6:2001:DB8::1 -all":                                              "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 mx -all",
		"v=spf1 -ip4:192.0.2.1 -all":                                                  "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 -ip4:192.0.2.1 -all",
		"v=spf1 mx ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 -all":                  "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 mx -all",
		"v=spf1 ip4:192.0.2.1 ip4:192.0.2.1 ip4:192.0.2.1 -all":                       "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 ip4:192.0.2.2 -all",
		"v=spf1 ip6:2001:db8::1  +ip4:192.0.2.1 ip4:192.0.2.2 include:x.example ~all": "",
	} {
		if got := Amend(record, terms); got != want {
			t.Errorf("Amend(%q) = %q, want %q", record, got, want)
		}
	}
}

// TestEvaluateTerm: a term is judged without a record that has it.
func TestEvaluateTerm(t *testing.T) {
	d, c := resolve(t,
		`ours.example. 60 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"`, `theirs.example. 60 IN TXT "v=spf1 ip4:198.51.100.0/24 -all"`,
		"gate.example. 60 IN A 192.0.2.1", "away.example. 60 IN TXT x",
	)
	d.Break("away.example.", testkit.ServFail)
	for term, want := range map[string]struct {
		result Result
		reason string
	}{
		"include:ours.example":    {Pass, ""},
		"a:gate.example":          {Pass, ""},
		"ip4:192.0.2.1":           {Pass, ""},
		"include:theirs.example":  {Fail, "the SPF record does not allow 192.0.2.1"},
		"include:nothing.example": {PermError, "the SPF record includes nothing.example, which has none"},
		"include:away.example":    {TempError, "DNS does not answer what the SPF record asks for"},
	} {
		out := EvaluateTerm(t.Context(), inquiry.New(c), Query{ours, "gate.example", "a@customer.example"}, term)
		if out.Result != want.result || out.Reason != want.reason {
			t.Errorf("%s: %+v, want %+v", term, out, want)
		}
	}
	if n := d.Queries("customer.example."); n > 0 {
		t.Errorf("the sender's domain was asked for %d times", n)
	}
}

// TestRead: what keeps mail from passing wherever it comes from.
func TestRead(t *testing.T) {
	d, c := resolve(t,
		`good.example. 60 IN TXT "v=spf1 -all"`, "other.example. 60 IN TXT x", "host.example. 60 IN A 192.0.2.1", "away.example. 60 IN TXT x",
		`twice.example. 60 IN TXT "v=spf1 -all"`, `twice.example. 60 IN TXT "v=spf1 a"`, `void.example. 60 IN TXT "v=spf1 -al"`,
	)
	d.Break("away.example.", testkit.ServFail)
	for domain, want := range map[string]Outcome{
		"good.example":  {Result: Neutral, Record: "v=spf1 -all"},
		"other.example": {Result: None, Reason: "there is no SPF record"},
		"host.example":  {Result: None, Reason: "there is no SPF record"},
		"none.example":  {Result: None, Reason: "there is no SPF record"},
		"away.example":  {Result: TempError, Reason: "DNS does not answer for the SPF record"},
		"twice.example": {Result: PermError, Reason: "the SPF record of twice.example: there are several, and one is allowed"},
		"void.example":  {Result: PermError, Record: "v=spf1 -al", Reason: `the SPF record of void.example: "-al" is no mechanism of SPF`},
	} {
		if out := Read(t.Context(), inquiry.New(c), domain); out != want {
			t.Errorf("%s: %+v, want %+v", domain, out, want)
		}
	}
}

// TestAmendedRecordsPass: what is proposed does what it is to do.
func TestAmendedRecordsPass(t *testing.T) {
	for i, record := range []string{"", "v=spf1 -all", "v=spf1 -ip4:192.0.2.0/24 -all", "v=spf1 redirect=amended.example", "v=spf1 a a a a a a a a a a a -all"} {
		amended := Amend(record, Terms([]netip.Addr{ours}))
		_, c := resolve(t, `amended.example. 60 IN TXT "`+amended+`"`)
		if out := Evaluate(t.Context(), inquiry.New(c), Query{ours, "x.example", "a@amended.example"}); out.Result != Pass {
			t.Errorf("%d: %q becomes %q: %+v", i, record, amended, out)
		}
	}
}

// echo answers every question with the same, for fuzzing without sockets.
type echo struct{ answer mx.Answer }

func (e echo) Ask(_ context.Context, name string, _ mx.Type) (mx.Answer, error) {
	if len(name) > 253 {
		return mx.Answer{}, fault.New("echo", fault.NotFound, "too long")
	}
	return e.answer, nil
}

func FuzzEvaluate(f *testing.F) {
	for _, record := range []string{
		"v=spf1 a mx ptr exists:%{ir}.%{v}.example include:x.example redirect=x.example", "v=spf1 a:%{L10r-+}.%%%_%-x.example/24//64",
		"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all moo=%{s} exp=x.example", "v=spf1 ptr:%{p}", "v=spf1 a/ mx: ptr: exists: include:",
	} {
		f.Add(record, "a@b@example.org", "host.example")
	}
	f.Fuzz(func(t *testing.T, record, sender, name string) {
		answer := mx.Answer{
			Texts: []string{record}, Names: []string{name}, Addresses: []netip.Addr{ours},
			Hosts: []mx.Record{{Host: name}}, TTL: time.Minute,
		}
		for _, client := range []netip.Addr{ours, netip.MustParseAddr("2001:db8::1")} {
			q := inquiry.New(echo{answer})
			out := Evaluate(t.Context(), q, Query{client, name, sender})
			if (out.Reason == "") != (out.Result == Pass) || out.Result == "" {
				t.Errorf("%q: %+v", record, out)
			}
			if q.Asked() > inquiry.MaxQuestions {
				t.Errorf("%d questions", q.Asked())
			}
			if amended := Amend(record, Terms([]netip.Addr{client})); amended != "" && isRecord(record) {
				if _, err := parse(amended); err != nil {
					t.Errorf("Amend(%q) = %q, which is against the grammar: %v", record, amended, err)
				}
			}
		}
	})
}
