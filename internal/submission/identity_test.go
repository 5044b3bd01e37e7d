package submission

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// set changes the fixture's account.
func (f *fixture) set(change admin.AccountChange) {
	f.t.Helper()
	f.must(f.admin.SetAccount(f.t.Context(), address(f.t, testLogin), change))
}

// mode gives the fixture's account a mode of senders.
func (f *fixture) mode(m account.SenderMode) {
	f.t.Helper()
	f.set(admin.AccountChange{SenderMode: &m})
}

// granted is a grant without an end.
func (f *fixture) granted(m account.Manner, target string) account.Granted {
	f.t.Helper()
	g, err := account.ParseGrant(target)
	f.must(err)
	return account.Granted{Grant: g, Manner: m}
}

// strangers makes another customer with a domain, and one more of the fixture's own.
func (f *fixture) strangers() {
	f.t.Helper()
	f.must(f.admin.AddCustomer(f.t.Context(), "other", ""))
	for domain, customer := range map[mail.Domain]string{"other.example": "other", "third.example": "acme"} {
		key, err := dkim.Generate(domain, "ed", dkim.Ed25519, rand.Reader)
		f.must(err)
		sealed, err := key.Seal(f.gate.opt.Sealer)
		f.must(err)
		f.must(f.admin.AddDomain(f.t.Context(), domain, customer, []account.Key{{Selector: "ed", Algorithm: string(dkim.Ed25519), Public: "p", Sealed: sealed, Created: time.Now()}}))
	}
}

// stored returns the head of an accepted message as it leaves, and its envelope sender.
func (f *fixture) stored(id mail.ID) (head string, from string) {
	f.t.Helper()
	content, err := f.store.Content(f.t.Context(), id)
	f.must(err)
	items, err := f.store.List(f.t.Context(), queue.Filter{Submission: id})
	f.must(err)
	return string(content.Head), items[0].Submission.Envelope.From.String()
}

// told returns the data and text of the one event of a kind about a submission.
func (f *fixture) told(id mail.ID, kind audit.Kind) (data, text string) {
	f.t.Helper()
	events, err := f.store.Search(f.t.Context(), audit.Query{Submission: id, Kind: kind})
	f.must(err)
	if len(events) != 1 || events[0].Session == "" || events[0].Login != testLogin {
		f.t.Fatalf("%s: %+v", kind, events)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	f.must(enc.Encode(events[0].Data))
	return strings.TrimSpace(out.String()), events[0].Text
}

func TestOnBehalf(t *testing.T) {
	f := newFixture(t)
	f.set(admin.AccountChange{AddGrants: []account.Granted{f.granted(account.SendOnBehalf, "boss@example.org"), f.granted(account.SendAs, "team@example.org")}})
	for _, c := range []struct {
		from, head string
		want       smtp.Reason
	}{
		{testLogin, "From: Boss <boss@example.org>\r\nSender: shop@example.org\r\n", ""},
		{testLogin, "From: boss@example.org\r\n", smtp.ESenderMissing},
		{testLogin, "From: boss@example.org\r\nSender: team@example.org\r\n", smtp.ESenderMissing},
		{testLogin, "From: boss@example.org\r\nSender: boss@example.org\r\n", smtp.ESenderMissing},
		{"boss@example.org", "From: boss@example.org\r\nSender: shop@example.org\r\n", smtp.ESenderNotOwned},
		{testLogin, "From: shop@example.org\r\nSender: boss@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{testLogin, "Resent-From: boss@example.org\r\nResent-Sender: shop@example.org\r\nFrom: shop@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{"team@example.org", "From: team@example.org, boss@example.org\r\nSender: shop@example.org\r\n", ""},
		{"team@example.org", "From: team@example.org\r\nSender: team@example.org\r\nResent-From: team@example.org\r\n", ""},
	} {
		_, err := f.submit(f.login(), c.from, strings.NewReader(c.head+"\r\nHello\r\n"), "b@example.com")
		if c.want == "" {
			f.must(err)
			continue
		}
		if err == nil {
			t.Errorf("%q by %s is accepted", c.head, c.from)
			continue
		}
		wantReason(t, err, c.want)
	}
}

// A grant ends by itself in a session that is open, also between MAIL and the end of the
// message; what was sent before goes on.
func TestAGrantEnds(t *testing.T) {
	f := newFixture(t)
	now := time.Now()
	f.gate.opt.Now = func() time.Time { return now }
	g := f.granted(account.SendAs, "team@example.org")
	g.Until = now.Add(time.Hour).UTC().Truncate(time.Microsecond)
	f.set(admin.AccountChange{AddGrants: []account.Granted{g}})
	s := f.login()
	head := "From: team@example.org\r\n\r\nHello\r\n"
	_, err := f.submit(s, "team@example.org", strings.NewReader(head), "b@example.com")
	f.must(err)
	now = g.Until.Add(-time.Microsecond)
	_, err = f.submit(s, testLogin, &during{Reader: strings.NewReader(head), act: func() { now = g.Until }}, "b@example.com")
	wantReason(t, err, smtp.EHeaderSenderNotOwned)
	wantReason(t, s.Mail(t.Context(), mail.Envelope{From: address(t, "team@example.org")}), smtp.ESenderNotOwned)
	if due, err := f.store.Due(t.Context(), now, queue.Position{}, 10); err != nil || len(due) != 1 {
		t.Errorf("%d are due (%v)", len(due), err)
	}
}

// TestARemovedGrant: it is felt by an open session, and what waits is held.
func TestARemovedGrant(t *testing.T) {
	for _, keep := range []bool{false, true} {
		f := newFixture(t)
		g := f.granted(account.SendAs, "@example.org")
		f.set(admin.AccountChange{AddGrants: []account.Granted{g}})
		s := f.login()
		for _, from := range []string{"team@example.org", testLogin} {
			_, err := f.submit(s, from, strings.NewReader("From: "+from+"\r\n\r\nHello\r\n"), "b@example.com")
			f.must(err)
		}
		f.set(admin.AccountChange{RemoveGrants: []account.Granted{g}, KeepMail: keep})
		wantReason(t, s.Mail(t.Context(), mail.Envelope{From: address(t, "team@example.org")}), smtp.ESenderNotOwned)
		due, err := f.store.Due(t.Context(), time.Now().Add(time.Minute), queue.Position{}, 10)
		f.must(err)
		if want := map[bool]int{true: 2, false: 1}[keep]; len(due) != want || due[len(due)-1].Submission.Envelope.From.String() != testLogin {
			t.Errorf("keep %v: %d are due, want %d", keep, len(due), want)
		}
		f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}))
	}
}

func TestRewriteMode(t *testing.T) {
	f := newFixture(t)
	f.strangers()
	f.mode(account.Rewrite)
	f.setPolicy(func(p *Policy) { p.CheckNames = true })
	f.set(admin.AccountChange{AddGrants: []account.Granted{f.granted(account.SendOnBehalf, "boss@example.org")}})
	for name, c := range map[string]struct {
		from, head string
		// sender is who bounces go to, leaves what the header has of senders then.
		sender, leaves string
		data           string // of the event, "" for none
	}{
		"all theirs": {testLogin, "From: Shop <shop@example.org>\r\n", testLogin, "From: Shop <shop@example.org>\r\n", ""},
		"nothing theirs": {"x@gmail.example", "From: X <x@gmail.example>\r\nSender: y@gmail.example\r\n", testLogin,
			"From: X <shop@example.org>\r\nReply-To: X <x@gmail.example>\r\n",
			`{"from":"X <x@gmail.example>","from_now":"X <shop@example.org>","mail_from":"x@gmail.example","mail_from_now":"shop@example.org","reply_to":"","reply_to_now":"X <x@gmail.example>","sender":"y@gmail.example","sender_now":""}`},
		"the envelope alone": {"x@gmail.example", "From: shop@example.org\r\n", testLogin, "From: shop@example.org\r\n",
			`{"mail_from":"x@gmail.example","mail_from_now":"shop@example.org"}`},
		"another customer": {testLogin, "From: boss@other.example\r\nReply-To: help@other.example\r\n", testLogin,
			"From: shop@example.org\r\nReply-To: help@other.example\r\n", `{"from":"boss@other.example","from_now":"shop@example.org"}`},
		"on behalf": {testLogin, "From: Boss <boss@example.org>\r\n", testLogin, "From: Boss <boss@example.org>\r\nSender: shop@example.org\r\n",
			`{"sender":"","sender_now":"shop@example.org"}`},
		"resent": {testLogin, "Resent-From: A <a@gmail.example>\r\nFrom: shop@example.org\r\n", testLogin,
			"Resent-From: A <shop@example.org>\r\nFrom: shop@example.org\r\n", `{"resent_from":"A <a@gmail.example>","resent_from_now":"A <shop@example.org>"}`},
		"a name that shows another": {testLogin, "From: \"ceo@bank.example\" <shop@example.org>\r\nReply-To: shop@example.org\r\n", testLogin,
			"From: shop@example.org\r\nReply-To: shop@example.org\r\n", `{"from":"\"ceo@bank.example\" <shop@example.org>","from_now":"shop@example.org"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			id, err := f.submit(f.login(), c.from, strings.NewReader(c.head+"Subject: Hi\r\n\r\nHello\r\n"), "b@example.com")
			f.must(err)
			head, from := f.stored(id)
			if from != c.sender {
				t.Errorf("bounces go to %s", from)
			}
			if !strings.Contains(head, "\r\n"+c.leaves+"Subject:") {
				t.Errorf("it leaves as\n%s", head)
			}
			f.verify(head + "Hello\r\n")
			if c.data == "" {
				if events, err := f.store.Search(t.Context(), audit.Query{Submission: id}); err != nil || len(events) != 1 {
					t.Errorf("recorded is %+v (%v)", events, err)
				}
				return
			}
			if data, text := f.told(id, audit.SenderRewritten); data != c.data || text == "" {
				t.Errorf("recorded is\n%s, want\n%s\n%s", data, c.data, text)
			}
		})
	}
	f.t = t
	_, err := f.submit(f.login(), testLogin, strings.NewReader("From: a@gmail.example, b@@c\r\n\r\n"), "b@example.com")
	wantReason(t, err, smtp.EHeaderMalformed)
	wantReason(t, f.login().Mail(t.Context(), mail.Envelope{}), smtp.ENullSenderNotAllowed)

	// What has lost its right during the body is refused, as nothing can be rewritten any more.
	f.set(admin.AccountChange{AddAliases: []mail.Address{address(t, "alias@example.org")}})
	body := &during{Reader: strings.NewReader("From: alias@example.org\r\n\r\n"), act: func() { f.removeAlias("alias@example.org") }}
	_, err = f.submit(f.login(), testLogin, body, "b@example.com")
	wantReason(t, err, smtp.EHeaderSenderNotOwned)
	// And so is what was accepted at MAIL to be rewritten, where it is to be refused since.
	body = &during{Reader: strings.NewReader("From: shop@example.org\r\n\r\n")}
	s := f.login()
	f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, "x@gmail.example"), Body: mail.Body7Bit}))
	f.must(s.Rcpt(t.Context(), mail.Recipient{To: address(t, "b@example.com")}))
	f.mode(account.Enforce)
	_, err = s.Data(t.Context(), body)
	wantReason(t, err, smtp.ESenderNotOwned)
}

func TestShadowMode(t *testing.T) {
	f := newFixture(t)
	f.strangers()
	f.mode(account.Shadow)
	for name, c := range map[string]struct {
		from, author string
		want         smtp.Reason
		data, text   string
	}{
		"all theirs":      {testLogin, testLogin, "", "", ""},
		"a stranger":      {"x@gmail.example", "y@web.example", "", `{"from":"y@web.example","mail_from":"x@gmail.example"}`, "MAIL FROM x@gmail.example: not-theirs, From y@web.example: not-theirs"},
		"a colleague":     {testLogin, "bob@example.org", "", `{"from":"bob@example.org"}`, "From bob@example.org: not-theirs"},
		"another domain":  {"bob@third.example", "bob@third.example", "", `{"from":"bob@third.example","mail_from":"bob@third.example"}`, "MAIL FROM bob@third.example: not-theirs, From bob@third.example: not-theirs"},
		"a neighbour":     {testLogin, "boss@other.example", smtp.EHeaderSenderNotOwned, "", ""},
		"his envelope":    {"boss@other.example", testLogin, smtp.ESenderNotOwned, "", ""},
		"an empty sender": {"", testLogin, smtp.ENullSenderNotAllowed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f.t = t
			id, err := f.submit(f.login(), c.from, strings.NewReader("From: "+c.author+"\r\nSubject: Hi\r\n\r\nHello\r\n"), "b@example.com")
			if c.want != "" {
				wantReason(t, err, c.want)
				return
			}
			f.must(err)
			head, from := f.stored(id)
			if from != c.from || !strings.Contains(head, "\r\nFrom: "+c.author+"\r\nSubject: Hi\r\n") {
				t.Errorf("it leaves from %s as\n%s", from, head)
			}
			if strings.Contains(head, "d=example.org;") == strings.Contains(c.author, "third.example") {
				t.Errorf("it is signed by another:\n%s", head)
			}
			if c.data == "" {
				return
			}
			if data, text := f.told(id, audit.SenderShadow); data != c.data || text != c.text {
				t.Errorf("recorded is\n%s: %s, want\n%s: %s", data, text, c.data, c.text)
			}
		})
	}
	f.t = t
	// Nobody signs in a stranger's name.
	id, err := f.submit(f.login(), testLogin, strings.NewReader("From: y@web.example\r\n\r\nHello\r\n"), "b@example.com")
	f.must(err)
	if head, _ := f.stored(id); !strings.Contains(head, "d=example.org;") {
		t.Errorf("it is signed by another:\n%s", head)
	}
	// What waits does not hang on a domain that nobody here has.
	f.must(f.admin.SuspendAccount(t.Context(), address(t, testLogin)))
	f.must(f.admin.ResumeAccount(t.Context(), address(t, testLogin)))
	if items, err := f.store.List(t.Context(), queue.Filter{Submission: id}); err != nil || items[0].Delivery.State != queue.Queued {
		t.Errorf("it stands as %+v (%v)", items, err)
	}
	// A suspension is felt all the same.
	f.must(f.admin.SuspendDomain(t.Context(), "third.example"))
	_, err = f.submit(f.login(), testLogin, strings.NewReader("From: bob@third.example\r\n\r\nHello\r\n"), "b@example.com")
	wantReason(t, err, smtp.EHeaderSenderNotOwned)
	// Where nobody can say whose a domain is, it does not pass.
	f.gate.opt.Domains = nil
	_, err = f.submit(f.login(), testLogin, strings.NewReader("From: y@web.example\r\n\r\nHello\r\n"), "b@example.com")
	wantReason(t, err, smtp.EHeaderSenderNotOwned)
}

// TestRewriteBeyondASCII: an address that needs SMTPUTF8 (RFC 6531 section 3.4) takes nobody's
// place without it.
func TestRewriteBeyondASCII(t *testing.T) {
	f := newFixture(t)
	const own = "j\u00f6e@example.org"
	f.set(admin.AccountChange{AddAliases: []mail.Address{address(t, own)}})
	password := f.printer(f.only(own))
	f.mode(account.Rewrite)
	s := f.with(password)
	env := mail.Envelope{From: address(t, "x@gmail.example")}
	wantReason(t, s.Mail(t.Context(), env), smtp.ESenderNotOwned)
	env.SMTPUTF8 = true
	f.must(s.Mail(t.Context(), env))
	f.must(s.Rcpt(t.Context(), mail.Recipient{To: address(t, "b@example.com")}))
	id, err := s.Data(t.Context(), strings.NewReader("From: x@gmail.example\r\n\r\nHello\r\n"))
	f.must(err)
	if head, from := f.stored(id); from != own || !strings.Contains(head, "\r\nFrom: "+own+"\r\n") {
		t.Errorf("it leaves from %s as\n%s", from, head)
	}
}

// TestModesFollowThePlan: the account's own goes before the plan's.
func TestModesFollowThePlan(t *testing.T) {
	f := newFixture(t)
	plan, rewrite := "small", account.Rewrite
	f.set(admin.AccountChange{Plan: &plan})
	s := f.login()
	env := mail.Envelope{From: address(t, "x@gmail.example")}
	wantReason(t, s.Mail(t.Context(), env), smtp.ESenderNotOwned)
	f.must(f.admin.SetPlan(t.Context(), "small", admin.PlanChange{SenderMode: &rewrite}))
	f.must(s.Mail(t.Context(), env))
	f.mode(account.Enforce)
	wantReason(t, s.Mail(t.Context(), env), smtp.ESenderNotOwned)
}

// TestAcrossCustomers: only by a grant that says so, signed by the domain that is lent, and as
// long as its customer is there.
func TestAcrossCustomers(t *testing.T) {
	f := newFixture(t)
	f.strangers()
	send := func() (mail.ID, error) {
		return f.submit(f.login(), "boss@other.example", strings.NewReader("From: boss@other.example\r\n\r\nHello\r\n"), "b@example.com")
	}
	_, err := send()
	wantReason(t, err, smtp.ESenderNotOwned)
	g := f.granted(account.SendAs, "boss@other.example")
	g.Across = true
	f.set(admin.AccountChange{AddGrants: []account.Granted{g}})
	id, err := send()
	f.must(err)
	if head, _ := f.stored(id); !strings.Contains(head, "d=other.example;") {
		t.Errorf("it is signed by another:\n%s", head)
	}
	f.must(f.admin.SuspendCustomer(t.Context(), "other"))
	_, err = send()
	wantReason(t, err, smtp.ESenderNotOwned)
	if items, err := f.store.List(t.Context(), queue.Filter{Submission: id}); err != nil || items[0].Delivery.HoldReason != queue.HoldSuspended {
		t.Errorf("what waits stands as %+v (%v)", items, err)
	}
}
