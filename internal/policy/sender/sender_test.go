package sender

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/message"
)

func at(t testing.TB, s string) mail.Address {
	t.Helper()
	if s == "" {
		return mail.Address{}
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func now() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }

func granted(t testing.TB, m account.Manner, target string) account.Granted {
	t.Helper()
	g, err := account.ParseGrant(target)
	if err != nil {
		t.Fatal(err)
	}
	return account.Granted{Grant: g, Manner: m}
}

// ann is an account of customer acme, which has one.example, two.example and the suspended
// three.example; lent.example is another customer's.
func ann(t testing.TB) *account.Sender {
	ended := granted(t, account.SendAs, "ended@one.example")
	ended.Until = now()
	soon := granted(t, account.SendAs, "soon@one.example")
	soon.Until = now().Add(time.Microsecond)
	lent := granted(t, account.SendAs, "boss@lent.example")
	lent.Across = true
	return &account.Sender{
		Account: account.Account{
			Address: at(t, "Ann@one.example"), Aliases: []mail.Address{at(t, "alias@two.example"), at(t, "stopped@three.example")},
			Grants: []account.Granted{
				granted(t, account.SendAs, "shop@one.example"), granted(t, account.SendOnBehalf, "chief@one.example"),
				granted(t, account.SendOnBehalf, "shop@one.example"), granted(t, account.SendAs, "@two.example"), ended, soon, lent,
				granted(t, account.SendAs, "plain@lent.example"), granted(t, account.SendAs, "@three.example"),
			},
		},
		Customer: account.Customer{Name: "acme"},
		Domains:  map[mail.Domain]bool{"one.example": true, "two.example": true},
		Lent:     map[mail.Domain]bool{"lent.example": true},
	}
}

// hosted are the domains that the gate has, but for ann's.
func hosted() map[mail.Domain]account.Domain {
	return map[mail.Domain]account.Domain{
		"three.example": {Name: "three.example", Customer: "acme", State: account.Suspended},
		"four.example":  {Name: "four.example", Customer: "acme", State: account.Active},
		"lent.example":  {Name: "lent.example", Customer: "other", State: account.Active},
		"other.example": {Name: "other.example", Customer: "other", State: account.Active},
	}
}

func TestOf(t *testing.T) {
	for address, want := range map[string]Reason{
		"ann@one.example": OwnAddress, "ANN@ONE.example": OwnAddress, "alias@two.example": Alias, "Alias@Two.Example": Alias,
		"shop@one.example": SendAs, "chief@one.example": SendOnBehalf, "any@two.example": SendAs, "soon@one.example": SendAs,
		"ended@one.example": GrantEnded, "boss@lent.example": SendAs, "plain@lent.example": DomainStopped, "x@lent.example": NotTheirs,
		"stopped@three.example": DomainStopped, "any@three.example": DomainStopped, "bob@one.example": NotTheirs, "ann@other.example": NotTheirs,
		"ann@sub.one.example": NotTheirs, "ann@one.example.org": NotTheirs, "\"ann@one.example\"@other.example": NotTheirs,
		"änn@one.example": NotTheirs, "\u0430nn@one.example": NotTheirs, // the first letter is Cyrillic
	} {
		got, grant := Of(ann(t), at(t, address), now())
		if got != want {
			t.Errorf("%s: %v, want %v", address, string(got), string(want))
		}
		if about := slices.Contains([]Reason{SendAs, SendOnBehalf, GrantEnded}, got); about != (grant != nil) && got != DomainStopped {
			t.Errorf("%s: grant %v", address, grant)
		}
	}
	if r, _ := Of(ann(t), at(t, "soon@one.example"), now().Add(time.Microsecond)); r != GrantEnded {
		t.Errorf("a grant does not end by itself: %v", string(r))
	}
}

// ask judges a message; header is "From a, Sender b", with "~" in front of what is shown alone.
func ask(t testing.TB, s *account.Sender, from, header string, change func(*Question)) Verdict {
	t.Helper()
	q := Question{Account: s, Envelope: &account.Envelope{}, MailFrom: at(t, from), Now: now(), Hosted: hosted()}
	for i, part := range strings.Split(header, ", ") {
		if field, address, found := strings.Cut(part, " "); found {
			text, shown := strings.CutPrefix(address, "~")
			q.Header = append(q.Header, message.Identity{Field: field, At: i, Address: at(t, text), Shown: shown})
		}
	}
	if change != nil {
		change(&q)
	}
	return Judge(q)
}

func TestJudge(t *testing.T) {
	bound := func(list ...string) func(*Question) {
		return func(q *Question) {
			for _, s := range list {
				g, err := account.ParseGrant(s)
				if err != nil {
					t.Fatal(err)
				}
				q.Envelope.Senders = append(q.Envelope.Senders, g)
			}
		}
	}
	null := func(q *Question) { q.Account.Account.NullSender = true }
	for name, c := range map[string]struct {
		from, header string
		change       func(*Question)
		// What each mode comes to: pass, or what is not theirs.
		enforce, rewrite, shadow string
	}{
		"own": {"ann@one.example", "From ann@one.example", nil, "pass", "pass", "pass"},
		"all that is theirs": {"any@two.example", "From shop@one.example, From alias@two.example, Sender shop@one.example, Resent-From any@two.example, Resent-Sender ann@one.example", nil,
			"pass", "pass", "pass"},
		"not theirs": {"bob@one.example", "From ann@one.example", nil,
			"refuse MAIL FROM bob@one.example: not-theirs", "rewrite MAIL FROM bob@one.example: not-theirs", "shadow MAIL FROM bob@one.example: not-theirs"},
		"author not theirs": {"ann@one.example", "From ann@one.example, From x@gmail.example, Sender ann@one.example", nil,
			"refuse From x@gmail.example: not-theirs", "rewrite From x@gmail.example: not-theirs", "shadow From x@gmail.example: not-theirs"},
		"another customer": {"ann@one.example", "From x@other.example", nil,
			"refuse From x@other.example: not-theirs", "rewrite From x@other.example: not-theirs", "refuse From x@other.example: another-customer"},
		"another customer's that is shown": {"ann@one.example", "From ann@one.example, From ~x@other.example", nil,
			"refuse From x@other.example: not-theirs", "rewrite From x@other.example: not-theirs", "shadow From x@other.example: not-theirs"},
		"another customer, of whom one address is lent": {"x@lent.example", "From boss@lent.example", nil,
			"refuse MAIL FROM x@lent.example: not-theirs", "rewrite MAIL FROM x@lent.example: not-theirs", "refuse MAIL FROM x@lent.example: another-customer"},
		"a domain that is stopped": {"ann@one.example", "From any@three.example", nil,
			"refuse From any@three.example: domain-stopped", "rewrite From any@three.example: domain-stopped", "refuse From any@three.example: domain-stopped"},
		"another domain of the customer": {"x@four.example", "From ann@one.example", nil,
			"refuse MAIL FROM x@four.example: not-theirs", "rewrite MAIL FROM x@four.example: not-theirs", "shadow MAIL FROM x@four.example: not-theirs"},
		"nobody has looked": {"x@gmail.example", "From ann@one.example", func(q *Question) { q.Hosted = nil },
			"refuse MAIL FROM x@gmail.example: not-theirs", "rewrite MAIL FROM x@gmail.example: not-theirs", "refuse MAIL FROM x@gmail.example: another-customer"},
		"a grant that ended": {"ann@one.example", "From ended@one.example", nil,
			"refuse From ended@one.example: grant-ended", "rewrite From ended@one.example: grant-ended", "shadow From ended@one.example: grant-ended"},
		"on behalf": {"ann@one.example", "From chief@one.example, Sender ann@one.example", nil, "pass", "pass", "pass"},
		"on behalf by an alias, with another author": {"alias@two.example", "From chief@one.example, From shop@one.example, Sender alias@two.example", nil, "pass", "pass", "pass"},
		"on behalf without sender": {"ann@one.example", "From chief@one.example", nil,
			"refuse From chief@one.example: on-behalf-without-sender", "rewrite From chief@one.example: on-behalf-without-sender", "shadow From chief@one.example: on-behalf-without-sender"},
		"on behalf with a granted sender": {"ann@one.example", "From chief@one.example, Sender shop@one.example", nil,
			"refuse From chief@one.example: on-behalf-without-sender", "rewrite From chief@one.example: on-behalf-without-sender", "shadow From chief@one.example: on-behalf-without-sender"},
		"on behalf with a sender that is shown": {"ann@one.example", "From chief@one.example, Sender shop@one.example, Sender ~ann@one.example", nil,
			"refuse From chief@one.example: on-behalf-without-sender", "rewrite From chief@one.example: on-behalf-without-sender", "shadow From chief@one.example: on-behalf-without-sender"},
		"on behalf in the envelope": {"chief@one.example", "From chief@one.example, Sender ann@one.example", nil,
			"refuse MAIL FROM chief@one.example: on-behalf-not-here", "rewrite MAIL FROM chief@one.example: on-behalf-not-here", "shadow MAIL FROM chief@one.example: on-behalf-not-here"},
		"on behalf as sender": {"ann@one.example", "From ann@one.example, Sender chief@one.example", nil,
			"refuse Sender chief@one.example: on-behalf-not-here", "rewrite Sender chief@one.example: on-behalf-not-here", "shadow Sender chief@one.example: on-behalf-not-here"},
		"on behalf, resent": {"ann@one.example", "From chief@one.example, Sender ann@one.example, Resent-From chief@one.example, Resent-Sender ann@one.example", nil,
			"refuse Resent-From chief@one.example: on-behalf-not-here", "rewrite Resent-From chief@one.example: on-behalf-not-here", "shadow Resent-From chief@one.example: on-behalf-not-here"},
		"a bound credential": {"shop@one.example", "From shop@one.example", bound("shop@one.example"), "pass", "pass", "pass"},
		"beyond the bounds": {"shop@one.example", "From ann@one.example", bound("shop@one.example"),
			"refuse From ann@one.example: credential-bound", "rewrite From ann@one.example: credential-bound", "refuse From ann@one.example: credential-bound"},
		"a stranger's, beyond the bounds": {"shop@one.example", "From x@gmail.example", bound("shop@one.example"),
			"refuse From x@gmail.example: not-theirs", "rewrite From x@gmail.example: not-theirs", "refuse From x@gmail.example: credential-bound"},
		"on behalf, the sender beyond the bounds": {"shop@one.example", "From chief@one.example, Sender ann@one.example", bound("shop@one.example", "chief@one.example"),
			"refuse From chief@one.example: on-behalf-without-sender", "rewrite From chief@one.example: on-behalf-without-sender", "refuse Sender ann@one.example: credential-bound"},
		"nothing to take its place": {"x@gmail.example", "From ann@one.example", bound("chief@one.example"),
			"refuse MAIL FROM x@gmail.example: not-theirs", "refuse MAIL FROM x@gmail.example: not-theirs", "refuse MAIL FROM x@gmail.example: credential-bound"},
		"null sender": {"", "From ann@one.example", null, "pass", "pass", "pass"},
		"null sender, not allowed": {"", "From ann@one.example", nil,
			"refuse MAIL FROM <>: no-null-sender", "refuse MAIL FROM <>: no-null-sender", "refuse MAIL FROM <>: no-null-sender"},
	} {
		for mode, want := range map[account.SenderMode]string{account.Enforce: c.enforce, account.Rewrite: c.rewrite, account.Shadow: c.shadow} {
			s := ann(t)
			s.Account.SenderMode = mode
			v := ask(t, s, c.from, c.header, c.change)
			got := string(v.Action)
			if v.Decisive != nil {
				got += " " + v.Decisive.String()
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", name, mode, got, want)
			}
			if v.Mode != mode || (v.Action == Pass) != (v.Text() == "") {
				t.Errorf("%s, %s: mode %s, text %q", name, mode, v.Mode, v.Text())
			}
		}
	}
}

func TestRewriting(t *testing.T) {
	for name, c := range map[string]struct {
		from, header string
		bound        string
		own          string
		fields       []int
		sender       bool
		envelope     bool
	}{
		"author":        {"ann@one.example", "From x@gmail.example", "", "Ann@one.example", []int{0}, false, false},
		"everything":    {"x@gmail.example", "From x@gmail.example, From y@gmail.example, Sender x@gmail.example, Resent-From ann@one.example, Resent-Sender z@gmail.example", "", "Ann@one.example", []int{0, 1, 2, 4}, false, true},
		"on behalf":     {"ann@one.example", "From chief@one.example", "", "Ann@one.example", nil, true, false},
		"half of it":    {"ann@one.example", "From chief@one.example, From x@gmail.example", "", "Ann@one.example", []int{1}, false, false},
		"bound to one":  {"x@gmail.example", "From ann@one.example", "shop@one.example", "shop@one.example", []int{0}, false, true},
		"bound, behalf": {"shop@one.example", "From shop@one.example, From ann@one.example", "shop@one.example", "shop@one.example", []int{1}, false, false},
	} {
		s := ann(t)
		s.Account.SenderMode = account.Rewrite
		v := ask(t, s, c.from, c.header, func(q *Question) {
			if c.bound != "" {
				q.Envelope.Senders = []account.Grant{{Address: at(t, c.bound)}}
			}
		})
		r := v.Rewriting()
		if v.Action != Rewritten || r.Own.String() != c.own || !slices.Equal(r.Fields, c.fields) || r.Sender != c.sender || v.Envelope() != c.envelope {
			t.Errorf("%s: %s %+v, envelope %v", name, v.Action, r, v.Envelope())
		}
	}
}

func TestStrange(t *testing.T) {
	s := ann(t)
	q := Question{Account: s, Envelope: &account.Envelope{}, MailFrom: at(t, "x@gmail.example"), Now: now(), Header: []message.Identity{
		{Field: "From", Address: at(t, "y@gmail.example")}, {Field: "From", Address: at(t, "bob@one.example")},
		{Field: "From", Address: at(t, "any@three.example")}, {Field: "From", Address: at(t, "z@shown.example"), Shown: true},
	}}
	if list := Strange(q); list != nil {
		t.Errorf("strange without shadow mode: %v", list)
	}
	s.Account.SenderMode = account.Shadow
	if list := Strange(q); !slices.Equal(list, []mail.Domain{"gmail.example", "three.example"}) {
		t.Errorf("got %v", list)
	}
	q.Hosted = hosted()
	delete(q.Hosted, "three.example")
	if v := Judge(q); v.Action != Shadowed || !slices.Equal(v.Outside, []mail.Domain{"gmail.example", "three.example"}) {
		t.Errorf("got %s, outside %v", v.Action, v.Outside)
	}
}

func TestEachReasonHasAMeaning(t *testing.T) {
	seen := map[Reason]bool{}
	for i, m := range Reasons() {
		if m.Text == "" || seen[m.Reason] || m.Reason.String() != m.Text || m.Reason.Theirs() != (i < 5) {
			t.Errorf("%+v", m)
		}
		seen[m.Reason] = true
	}
}

// TestNoCustomerWritesInAnothersName: whatever accounts of one customer have, in whatever
// mode, and whatever a message names: it does not leave under an address of another customer,
// unless a grant across customers covers just that.
func TestNoCustomerWritesInAnothersName(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	domains := []mail.Domain{"one.example", "two.example", "other.example", "lent.example", "gmail.example"}
	customers := map[mail.Domain]string{"one.example": "acme", "two.example": "acme", "other.example": "other", "lent.example": "third"}
	pick := func() mail.Address {
		return mail.Address{Local: string(rune('a' + random.IntN(3))), Domain: domains[random.IntN(len(domains))]}
	}
	refused, left := 0, 0
	for range 50_000 {
		s := &account.Sender{
			Account:  account.Account{Address: mail.Address{Local: "a", Domain: "one.example"}, NullSender: random.IntN(2) == 0},
			Customer: account.Customer{Name: "acme"}, Domains: map[mail.Domain]bool{"one.example": true}, Lent: map[mail.Domain]bool{},
		}
		s.Account.SenderMode = []account.SenderMode{"", account.Enforce, account.Rewrite, account.Shadow}[random.IntN(4)]
		for range random.IntN(4) {
			g := account.Granted{Grant: account.Grant{Address: pick()}, Manner: account.Manners()[random.IntN(2)], Across: random.IntN(3) == 0}
			if random.IntN(3) == 0 {
				g.Grant = account.Grant{Domain: g.Address.Domain}
			}
			if random.IntN(3) == 0 {
				g.Until = now().Add(time.Duration(random.IntN(3)-1) * time.Hour)
			}
			s.Account.Grants = append(s.Account.Grants, g)
			owner := customers[g.Under()]
			s.Domains[g.Under()] = owner == "acme" || s.Domains[g.Under()]
			s.Lent[g.Under()] = owner != "" && g.Across || s.Lent[g.Under()]
		}
		if random.IntN(2) == 0 {
			s.Account.Aliases = []mail.Address{pick()}
		}
		q := Question{Account: s, Envelope: &account.Envelope{}, MailFrom: pick(), Now: now(), Hosted: map[mail.Domain]account.Domain{}}
		for field := range 1 + random.IntN(4) {
			q.Header = append(q.Header, message.Identity{Field: []string{"From", "Sender", "Resent-From", "Resent-Sender"}[field], At: field, Address: pick()})
		}
		for _, d := range Strange(q) {
			if customers[d] != "" {
				q.Hosted[d] = account.Domain{Name: d, Customer: customers[d], State: account.Active}
			}
		}
		v := Judge(q)
		if v.Action == Refuse {
			refused++
			continue
		}
		q = leaves(q, &v)
		left++
		for _, a := range append([]mail.Address{q.MailFrom}, addresses(q.Header)...) {
			if owner := customers[a.Domain]; owner != "" && owner != "acme" && !lends(s, a) {
				t.Fatalf("%v leaves under %s of customer %s\n%+v\n%+v", s.Account.SenderMode, a, owner, s.Account, q)
			}
		}
	}
	if refused < 1000 || left < 1000 {
		t.Errorf("%d were refused and %d left, which shows little", refused, left)
	}
}

// leaves is the question about a message as it leaves.
func leaves(q Question, v *Verdict) Question {
	if v.Action != Rewritten {
		return q
	}
	if v.Envelope() {
		q.MailFrom = v.Own
	}
	q.Header = slices.Clone(q.Header)
	for i := range q.Header {
		if slices.Contains(v.Rewriting().Fields, q.Header[i].At) {
			q.Header[i].Address = v.Own
		}
	}
	return q
}

func addresses(list []message.Identity) (out []mail.Address) {
	for _, id := range list {
		out = append(out, id.Address)
	}
	return out
}

// lends reports whether a grant across customers covers an address at the moment.
func lends(s *account.Sender, a mail.Address) bool {
	return slices.ContainsFunc(s.Account.Grants, func(g account.Granted) bool { return g.Across && g.Covers(a) && !g.Ended(now()) })
}

func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{0, 10, account.MaxGrants} {
		b.Run(fmt.Sprint(n, " grants"), func(b *testing.B) {
			s := ann(b)
			for i := range n {
				s.Account.Grants = append(s.Account.Grants, granted(b, account.SendAs, fmt.Sprintf("x%d@one.example", i)))
			}
			q := Question{Account: s, Envelope: &account.Envelope{}, MailFrom: at(b, "Ann@one.example"), Now: now(), Header: []message.Identity{{Field: "From", Address: at(b, "shop@one.example")}}}
			b.ReportAllocs()
			for b.Loop() {
				if v := Judge(q); v.Action != Pass {
					b.Fatal(v.Text())
				}
			}
		})
	}
}
