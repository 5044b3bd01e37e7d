package submission

import (
	"fmt"
	"strings"
	"testing"

	"countersign/internal/account/admin"
	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// send submits a message with an envelope of its own and returns what was
// stored of it.
func (f *fixture) send(env mail.Envelope, message string, to ...string) (queue.Submission, queue.Content, error) {
	f.t.Helper()
	ctx := f.t.Context()
	s := f.login()
	if err := s.Mail(ctx, env); err != nil {
		return queue.Submission{}, queue.Content{}, err
	}
	for _, r := range to {
		f.must(s.Rcpt(ctx, mail.Recipient{To: address(f.t, r)}))
	}
	id, err := s.Data(ctx, strings.NewReader(message))
	if err != nil {
		return queue.Submission{}, queue.Content{}, err
	}
	items, err := f.store.List(ctx, queue.Filter{Submission: id})
	f.must(err)
	content, err := f.store.Content(ctx, id)
	f.must(err)
	if content.Large == nil {
		f.verify(string(content.Head) + string(content.Body))
	}
	return *items[0].Submission, *content, nil
}

// setPolicy changes the policy of the fixture's gate.
func (f *fixture) setPolicy(change func(*Policy)) {
	p := *f.gate.policy.Load()
	change(&p)
	f.gate.SetPolicy(p)
}

// addAlias gives the fixture's account another address.
func (f *fixture) addAlias(alias string) {
	f.t.Helper()
	f.must(f.admin.SetAccount(f.t.Context(), address(f.t, testLogin), admin.AccountChange{AddAliases: []mail.Address{address(f.t, alias)}}))
}

func TestRawHeaderTextIsEncodedOrRefused(t *testing.T) {
	f := newFixture(t)
	env := mail.Envelope{From: address(t, testLogin), Body: mail.Body8Bit}
	const message = "From: J\u00f6rg <shop@example.org>\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nx\r\n"
	_, content, err := f.send(env, message, "b@example.com")
	f.must(err)
	head := string(content.Head)
	if strings.ContainsFunc(head, func(r rune) bool { return r >= 0x80 }) || !strings.Contains(head, "Subject: =?utf-8?") {
		t.Errorf("not encoded:\n%s", head)
	}
	f.setPolicy(func(p *Policy) { p.EncodeHeaders = false })
	_, _, err = f.send(env, message, "b@example.com")
	wantReason(t, err, smtp.EHeader8Bit)
	// With SMTPUTF8 there is nothing to encode or refuse.
	env.SMTPUTF8 = true
	_, content, err = f.send(env, message, "b@example.com")
	f.must(err)
	if !strings.Contains(string(content.Head), "Subject: Gr\u00fc\u00dfe\r\n") {
		t.Errorf("changed in spite of SMTPUTF8:\n%s", content.Head)
	}
}

func TestNamesThatShowAnAddress(t *testing.T) {
	f := newFixture(t)
	env := mail.Envelope{From: address(t, testLogin)}
	for _, field := range []string{
		`From: "visitor@elsewhere.example" <shop@example.org>`,
		"From: shop@example.org (visitor@elsewhere.example)",
	} {
		message := field + "\r\n\r\nx\r\n"
		f.setPolicy(func(p *Policy) { p.CheckNames = false })
		_, _, err := f.send(env, message, "b@example.com")
		f.must(err)
		f.setPolicy(func(p *Policy) { p.CheckNames = true })
		_, _, err = f.send(env, message, "b@example.com")
		wantReason(t, err, smtp.EHeaderSenderNotOwned)
	}
	_, _, err := f.send(env, "From: \"shop@example.org\" <shop@example.org>\r\n\r\nx\r\n", "b@example.com")
	if err != nil {
		t.Errorf("the account's own address in its name: %v", err)
	}
}

// beyond is an address that needs SMTPUTF8.
const beyond = "gr\u00fc\u00dfe@example.org"

// TestSenderBeyondASCII: such an address may stand in a header with SMTPUTF8
// only (RFC 6532 section 3), and belongs to its account like any other.
func TestSenderBeyondASCII(t *testing.T) {
	f := newFixture(t)
	plain := mail.Envelope{From: address(t, testLogin)}
	international := mail.Envelope{From: address(t, testLogin), SMTPUTF8: true}
	_, _, err := f.send(international, "From: <"+beyond+">\r\n\r\nx\r\n", "b@example.com")
	wantReason(t, err, smtp.EHeaderSenderNotOwned)
	_, _, err = f.send(mail.Envelope{From: address(t, beyond), SMTPUTF8: true}, plainMail, "b@example.com")
	wantReason(t, err, smtp.ESenderNotOwned)
	f.addAlias(beyond)
	for _, field := range []string{
		"From: <" + beyond + ">", "From: Shop <" + beyond + ">", "From: \"gr\u00fc\u00dfe\"@example.org",
		"From: shop@example.org\r\nSender: " + beyond,
	} {
		message := field + "\r\n\r\nx\r\n"
		_, _, err = f.send(plain, message, "b@example.com")
		wantReason(t, err, smtp.EHeader8Bit)
		_, content, err := f.send(international, message, "b@example.com")
		f.must(err)
		if !strings.Contains(string(content.Head), field+"\r\n") {
			t.Errorf("stored without %q:\n%s", field, content.Head)
		}
	}
	// Shown in a name it is encoded: such a header is ASCII.
	f.setPolicy(func(p *Policy) { p.CheckNames = true })
	_, _, err = f.send(plain, "From: =?utf-8?q?gr=C3=BC=C3=9Fe=40example=2Eorg?= <shop@example.org>\r\n\r\nx\r\n", "b@example.com")
	f.must(err)
}

// TestBodyTypeIsWhatTheBodyIs: who does not announce 8-bit text sends it all
// the same, in a small body and in a large one.
func TestBodyTypeIsWhatTheBodyIs(t *testing.T) {
	f := newFixture(t)
	const eight = "na\u00efve\r\n"
	tests := []struct {
		name, body      string
		announced, want mail.BodyType
	}{
		{"plain", "x\r\n", mail.Body7Bit, mail.Body7Bit},
		{"eight bit", "x\r\n" + eight, mail.Body7Bit, mail.Body8Bit},
		{"eight bit behind much else", strings.Repeat("x\r\n", queue.InlineMax) + eight, mail.Body7Bit, mail.Body8Bit},
		{"announced", eight, mail.Body8Bit, mail.Body8Bit},
		{"announced in vain", "x\r\n", mail.Body8Bit, mail.Body8Bit},
	}
	for _, tt := range tests {
		stored, _, err := f.send(mail.Envelope{From: address(t, testLogin), Body: tt.announced}, "From: shop@example.org\r\n\r\n"+tt.body, "b@example.com")
		if err != nil || stored.Envelope.Body != tt.want {
			t.Errorf("%s: stored as %q, want %q (%v)", tt.name, stored.Envelope.Body, tt.want, err)
		}
	}
}

// TestSMTPUTF8IsKeptWhereItIsNeeded, and only there: without, any server can
// be delivered to.
func TestSMTPUTF8IsKeptWhereItIsNeeded(t *testing.T) {
	f := newFixture(t)
	f.addAlias(beyond)
	tests := []struct {
		name, from, to, message string
		asked, want             bool
	}{
		{"not needed", testLogin, "b@example.com", plainMail, true, false},
		{"not asked for", testLogin, "b@example.com", plainMail, false, false},
		{"body only", testLogin, "b@example.com", plainMail + "na\u00efve\r\n", true, false},
		{"domain only", testLogin, "b@b\u00fccher.example", plainMail, true, false},
		{"header", testLogin, "b@example.com", "Comments: Gr\u00fc\u00dfe\r\n" + plainMail, true, true},
		{"sender", beyond, "b@example.com", plainMail, true, true},
		{"recipient", testLogin, "j\u00f6rg@example.com", plainMail, true, true},
	}
	for _, tt := range tests {
		stored, _, err := f.send(mail.Envelope{From: address(t, tt.from), SMTPUTF8: tt.asked}, tt.message, "a@example.com", tt.to)
		if err != nil || stored.Envelope.SMTPUTF8 != tt.want {
			t.Errorf("%s: stored with SMTPUTF8 %v, want %v (%v)", tt.name, stored.Envelope.SMTPUTF8, tt.want, err)
		}
	}
}

func TestSizeThatWasAnnounced(t *testing.T) {
	f := newFixture(t)
	large := plainMail + strings.Repeat("a line of the body\r\n", 1000) // 20 kB
	for announced, want := range map[int64]smtp.Reason{
		0:      "",
		10:     smtp.ESizeExceeded,
		5_000:  smtp.ESizeExceeded,
		12_000: "",
		19_900: "",
		50_000: "",
	} {
		_, _, err := f.send(mail.Envelope{From: address(t, testLogin), Size: announced}, large, "b@example.com")
		switch {
		case want != "":
			wantReason(t, err, want)
		case err != nil:
			t.Errorf("announced as %d: %v", announced, err)
		}
	}
}

// TestOnlyAddressesAreRecordedOfLogins: people type their password into the
// wrong field.
func TestOnlyAddressesAreRecordedOfLogins(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	for _, login := range []string{"my secret password", "hunter2", "Nobody@Example.ORG"} {
		s := f.open()
		wantReason(t, authenticate(ctx, s, "", login, "x"), smtp.EAuthFailed)
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedAuthFailed, Text: "PLAIN", Code: 535})
	}
	f.must(f.recorder.Flush(ctx))
	events, err := f.store.Search(ctx, audit.Query{Kind: audit.AuthFailed})
	f.must(err)
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	for i, want := range []string{"", "", address(t, "Nobody@Example.ORG").Key()} {
		if events[i].Login != want {
			t.Errorf("recorded %q, want %q", events[i].Login, want)
		}
	}
	all, err := f.store.Search(ctx, audit.Query{})
	f.must(err)
	if text := fmt.Sprintf("%+v", all); strings.Contains(text, "secret") || strings.Contains(text, "hunter2") {
		t.Errorf("the record holds what was typed: %s", text)
	}
}
