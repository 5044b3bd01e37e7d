package submission

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/credentials"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// printerAddress is the alias of the fixture's account that its printer sends under.
const printerAddress = "printer@example.org"

// credentials gives and bounds the credentials of the fixture's account.
func (f *fixture) credentials() *credentials.Admin {
	return credentials.NewAdmin(credentials.Options{Store: f.store, Secrets: f.maker, IDs: f.ids, Actor: "test", Mechanisms: allMechanisms()})
}

// printer gives the fixture's account an app password for a printer, within an envelope,
// and an alias for it.
func (f *fixture) printer(e account.Envelope) (password string) {
	f.t.Helper()
	f.addAlias(printerAddress)
	password, err := f.credentials().Add(f.t.Context(), address(f.t, testLogin), credentials.New{Kind: account.AppPassword, Name: "printer", Envelope: e})
	f.must(err)
	return password
}

// only bounds a credential to senders.
func (f *fixture) only(senders ...string) (e account.Envelope) {
	f.t.Helper()
	for _, text := range senders {
		g, err := account.ParseGrant(text)
		f.must(err)
		e.Senders = append(e.Senders, g)
	}
	return e
}

// with logs in with a password of the fixture's account.
func (f *fixture) with(password string) smtpserver.Session {
	f.t.Helper()
	s := f.open()
	f.must(authenticate(f.t.Context(), s, "", testLogin, password))
	return s
}

// nothing wants no mail in the queue.
func (f *fixture) nothing() {
	f.t.Helper()
	if stats, err := f.store.Stats(f.t.Context()); err != nil || stats.Queued != 0 {
		f.t.Errorf("%d are queued (%v)", stats.Queued, err)
	}
}

// A credential with senders of its own sends under no other address of its account, as
// MAIL FROM names it or any field of the header; the account's password does.
func TestSendersOfACredential(t *testing.T) {
	f := newFixture(t)
	password := f.printer(f.only(printerAddress))
	tests := []struct {
		name, from, header string
		want               smtp.Reason
	}{
		{"envelope", testLogin, "From: printer@example.org\r\n", smtp.ESenderNotOwned},
		{"From", printerAddress, "From: shop@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{"Sender", printerAddress, "From: printer@example.org\r\nSender: shop@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{"second From", printerAddress, "From: printer@example.org, shop@example.org\r\nSender: printer@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{"Resent-From", printerAddress, "Resent-From: shop@example.org\r\nFrom: printer@example.org\r\n", smtp.EHeaderSenderNotOwned},
		{"Resent-Sender", printerAddress, "Resent-Sender: shop@example.org\r\nResent-From: printer@example.org\r\nFrom: printer@example.org\r\n", smtp.EHeaderSenderNotOwned},
	}
	for _, tt := range tests {
		// It is refused before the body is read, which would break off.
		body := io.MultiReader(strings.NewReader(tt.header+"\r\n"+largeBody), iotest.ErrReader(io.ErrUnexpectedEOF))
		_, err := f.submit(f.with(password), tt.from, body, "b@example.com")
		t.Run(tt.name, func(t *testing.T) { wantReason(t, err, tt.want) })
	}
	f.nothing()
	for _, tt := range tests {
		_, err := f.submit(f.login(), tt.from, strings.NewReader(tt.header+"\r\nx\r\n"), "b@example.com")
		if err != nil {
			t.Errorf("%s, with the account's password: %v", tt.name, err)
		}
	}
	id, err := f.submit(f.with(password), printerAddress, strings.NewReader("From: Scan <printer@example.org>\r\n\r\nx\r\n"), "b@example.com")
	f.must(err)
	items, err := f.store.List(t.Context(), queue.Filter{Submission: id})
	if err != nil || len(items) != 1 || items[0].Submission.Envelope.From.String() != printerAddress {
		t.Errorf("the printer's mail: %+v, %v", items, err)
	}
}

// A domain among the senders is all of it that the account may send under, and nothing else.
func TestADomainAsSenderOfACredential(t *testing.T) {
	f := newFixture(t)
	password := f.printer(f.only(printerAddress))
	f.addSecond("alias@second.example")
	senders := f.only("@second.example").Senders
	f.must(f.admin.SetAccount(t.Context(), address(t, testLogin), admin.AccountChange{AddGrants: []account.Granted{{Grant: senders[0], Manner: account.SendAs}}}))
	f.must(f.credentials().SetEnvelope(t.Context(), address(t, testLogin), "printer", credentials.EnvelopeChange{Senders: &senders}))
	for from, want := range map[string]smtp.Reason{"alias@second.example": "", "any@second.example": "", printerAddress: smtp.ESenderNotOwned, testLogin: smtp.ESenderNotOwned} {
		err := f.with(password).Mail(t.Context(), mail.Envelope{From: address(t, from)})
		if want == "" {
			f.must(err)
			continue
		}
		wantReason(t, err, want)
	}
}

// A credential that is bounded while a message of it is on its way does not send it, and
// leaves nothing of it behind.
func TestSendersNarrowedDuringTheBody(t *testing.T) {
	other := "other@example.org"
	for name, c := range map[string]struct {
		from, author string
		want         smtp.Reason
	}{
		"envelope":      {printerAddress, printerAddress, smtp.ESenderNotOwned},
		"header":        {other, printerAddress, smtp.EHeaderSenderNotOwned},
		"neither of it": {other, other, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addAlias(other)
			s := f.with(f.printer(account.Envelope{}))
			narrow := func() {
				senders := f.only(other).Senders
				f.must(f.credentials().SetEnvelope(t.Context(), address(t, testLogin), "printer", credentials.EnvelopeChange{Senders: &senders}))
			}
			body := &during{Reader: strings.NewReader("From: " + c.author + "\r\n\r\n" + largeBody), act: narrow}
			_, err := f.submit(s, c.from, body, "b@example.com")
			if c.want == "" {
				f.must(err)
				return
			}
			wantReason(t, err, c.want)
			f.nothing()
			f.noBodies()
		})
	}
}

// What is bounded between the last judgement and the commit is found by the store.
func TestSendersNarrowedBeforeTheCommit(t *testing.T) {
	f := newFixture(t)
	s := f.with(f.printer(account.Envelope{}))
	f.gate.opt.Queue = lateStore{f.store, func() {
		senders := f.only(printerAddress).Senders
		f.must(f.credentials().SetEnvelope(t.Context(), address(t, testLogin), "printer", credentials.EnvelopeChange{Senders: &senders}))
	}}
	_, err := f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EAccountChangedNow)
	f.nothing()
}

// A printer's password that was stolen opens nothing elsewhere; where it does not log in, the
// record says why.
func TestAPasswordFromAnotherNetwork(t *testing.T) {
	f := newFixture(t)
	e := f.only(printerAddress)
	e.Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	password := f.printer(e)
	s := f.open() // from 192.0.2.7
	err := authenticate(t.Context(), s, "", testLogin, password)
	wantReason(t, err, smtp.EAuthFailed)
	wantReason(t, s.Mail(t.Context(), mail.Envelope{From: address(t, printerAddress)}), smtp.EAuthRequired)
	s.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedAuthFailed, Text: "PLAIN", Err: err})
	f.must(f.recorder.Flush(t.Context()))
	events, err := f.store.Search(t.Context(), audit.Query{Kind: audit.AuthFailed})
	if err != nil || len(events) != 1 || events[0].Data["cause"] != "network" {
		t.Errorf("recorded %+v, %v", events, err)
	}
}

// The caps of a credential hold beside those of the plan, and the tighter one counts.
func TestCapsOfACredential(t *testing.T) {
	large := plainMail + strings.Repeat("a line of the body\r\n", 200) // 4 kB
	for name, plan := range map[string]string{"no plan": "", "a wider plan": "small"} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.must(f.admin.SetCustomerPlan(t.Context(), "acme", plan))
			s := f.with(f.printer(account.Envelope{MaxMessageBytes: 2000, MaxMessages: 2, MaxRecipients: 1}))
			wantReason(t, s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin), Size: 2001}), smtp.EMessageTooLarge)
			f.must(s.Mail(t.Context(), mail.Envelope{From: address(t, testLogin), Size: 2000}))
			_, err := f.submit(s, testLogin, strings.NewReader(large), "b@example.com")
			wantReason(t, err, smtp.EMessageTooLarge)
			_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com", "c@example.com")
			wantReason(t, err, smtp.ETooManyRecipients)
			f.nothing()
			for range 2 { // what was refused counts for nothing
				_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
				f.must(err)
			}
			_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com")
			wantReason(t, err, smtp.ETooManyMessages)

			// The password of the account has none of them.
			s = f.login()
			for range 3 {
				_, err = f.submit(s, testLogin, strings.NewReader(large), "b@example.com", "c@example.com")
				f.must(err)
			}
		})
	}
}

// A plan's caps stay in force where a credential's are wider, and one that is lowered is
// felt by an open session.
func TestCapsOfAPlanUnderACredential(t *testing.T) {
	f := newFixture(t)
	f.must(f.admin.SetCustomerPlan(t.Context(), "acme", "small")) // 400,000 octets, 3 messages, 2 recipients
	s := f.with(f.printer(account.Envelope{MaxMessageBytes: 500_000, MaxMessages: 50, MaxRecipients: 10}))
	env := mail.Envelope{From: address(t, testLogin), Size: 400_001}
	wantReason(t, s.Mail(t.Context(), env), smtp.EMessageTooLarge)
	_, err := f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com", "b@example.com", "c@example.com")
	wantReason(t, err, smtp.ETooManyRecipients)
	_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com")
	f.must(err)
	one, small := 1, int64(1000)
	f.must(f.credentials().SetEnvelope(t.Context(), address(t, testLogin), "printer", credentials.EnvelopeChange{MaxMessageBytes: &small}))
	env.Size = 1001
	wantReason(t, s.Mail(t.Context(), env), smtp.EMessageTooLarge)
	f.must(f.credentials().SetEnvelope(t.Context(), address(t, testLogin), "printer", credentials.EnvelopeChange{MaxMessages: &one}))
	env.Size = 10
	wantReason(t, s.Mail(t.Context(), env), smtp.ETooManyMessages)
}
