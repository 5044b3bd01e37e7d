package submission

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"countersign/internal/account/admin"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// during runs act when a reader gets to its end, in the middle of a message.
type during struct {
	io.Reader
	act func()
}

func (d *during) Read(p []byte) (int, error) {
	n, err := d.Reader.Read(p)
	if err == io.EOF && d.act != nil {
		d.act()
		d.act = nil
	}
	return n, err
}

// TestRightsLostDuringTheBodyAreLost: a client may stretch a body for half an
// hour; what counts is what the account may do at the end of it.
func TestRightsLostDuringTheBodyAreLost(t *testing.T) {
	alias := "alias@second.example"
	tests := []struct {
		name string
		act  func(f *fixture)
		// from is in the envelope, author in the header.
		from, author string
		want         smtp.Reason
	}{
		{"password changed", func(f *fixture) {
			f.must(f.admin.SetPassword(f.t.Context(), address(f.t, testLogin), "another long password", false))
		}, testLogin, testLogin, smtp.EAccountChanged},
		{"suspended", func(f *fixture) { f.must(f.admin.SuspendAccount(f.t.Context(), address(f.t, testLogin))) }, testLogin, testLogin, smtp.EAccountSuspended},
		{"alias removed", func(f *fixture) { f.removeAlias(alias) }, alias, alias, smtp.ESenderNotOwned},
		{"alias of the header removed", func(f *fixture) { f.removeAlias(alias) }, testLogin, alias, smtp.EHeaderSenderNotOwned},
		{"domain suspended", func(f *fixture) { f.must(f.admin.SuspendDomain(f.t.Context(), "second.example")) }, alias, alias, smtp.ESenderNotOwned},
		{"domain of the header suspended", func(f *fixture) { f.must(f.admin.SuspendDomain(f.t.Context(), "second.example")) }, testLogin, alias, smtp.EHeaderSenderNotOwned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.addSecond(alias)
			body := &during{Reader: strings.NewReader("From: " + tt.author + "\r\n\r\n" + largeBody), act: func() { tt.act(f) }}
			_, err := f.submit(f.login(), tt.from, body, "b@example.com")
			wantReason(t, err, tt.want)
			f.noBodies()
		})
	}
}

// lateStore runs act when everything has been judged, before the commit.
type lateStore struct {
	queue.Store
	act func()
}

// Accept implements queue.Store.
func (s lateStore) Accept(ctx context.Context, a *queue.Acceptance) error {
	s.act()
	return s.Store.Accept(ctx, a)
}

// TestRightsLostBeforeTheCommitAreLost: between the last judgement of the
// session and the commit a right may be lost as well; then the store refuses,
// the address of the header alone included.
func TestRightsLostBeforeTheCommitAreLost(t *testing.T) {
	alias := "alias@second.example"
	for name, act := range map[string]func(f *fixture){
		"alias removed":    func(f *fixture) { f.removeAlias(alias) },
		"domain suspended": func(f *fixture) { f.must(f.admin.SuspendDomain(f.t.Context(), "second.example")) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.addSecond(alias)
			f.setPolicy(func(p *Policy) { p.Sign = false })
			f.gate.opt.Queue = lateStore{f.store, func() { act(f) }}
			_, err := f.submit(f.login(), testLogin, strings.NewReader("From: "+alias+"\r\n\r\n"+largeBody), "b@example.com")
			wantReason(t, err, smtp.EAccountChangedNow)
			if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued != 0 {
				t.Errorf("%d are queued (%v)", stats.Queued, err)
			}
			f.noBodies()
		})
	}
}

// largeBody is kept in a file.
var largeBody = strings.Repeat("0123456789\r\n", queue.InlineMax/6)

// addSecond gives the fixture's account an address of a second domain, which
// has the keys of the first.
func (f *fixture) addSecond(alias string) {
	f.t.Helper()
	keys, err := f.store.SigningKeys(f.t.Context(), "example.org")
	f.must(err)
	f.must(f.admin.AddDomain(f.t.Context(), "second.example", "acme", keys))
	f.addAlias(alias)
}

// removeAlias takes an address away again.
func (f *fixture) removeAlias(alias string) {
	f.t.Helper()
	f.must(f.admin.SetAccount(f.t.Context(), address(f.t, testLogin), admin.AccountChange{RemoveAliases: []mail.Address{address(f.t, alias)}}))
}

// noBodies wants no file of a large body.
func (f *fixture) noBodies() {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.dir, "bodies", "*", "*"))
	if err != nil || len(files) > 0 {
		f.t.Errorf("bodies were left: %q, %v", files, err)
	}
}

// TestRefusedLargeMessageLeavesNoFile: whenever a large message is refused
// after its file was begun, the file goes, and that of one that was accepted
// stays.
func TestRefusedLargeMessageLeavesNoFile(t *testing.T) {
	head := "From: shop@example.org\r\n\r\n"
	for name, submit := range map[string]func(f *fixture) error{
		"connection lost": func(f *fixture) error {
			r := io.MultiReader(strings.NewReader(head+largeBody), iotest.ErrReader(io.ErrUnexpectedEOF))
			_, err := f.submit(f.login(), testLogin, r, "b@example.com")
			return err
		},
		"over its announced size": func(f *fixture) error {
			env := mail.Envelope{From: address(f.t, testLogin), Body: mail.Body7Bit, Size: 1000}
			_, _, err := f.send(env, head+largeBody, "b@example.com")
			return err
		},
		"no room for the commit": func(f *fixture) error {
			f.gate.opt.Queue = failingStore{f.store}
			defer func() { f.gate.opt.Queue = f.store }()
			_, err := f.submit(f.login(), testLogin, strings.NewReader(head+largeBody), "b@example.com")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if err := submit(f); err == nil {
				t.Error("accepted")
			}
			f.noBodies()
			_, err := f.submit(f.login(), testLogin, strings.NewReader(head+largeBody), "b@example.com")
			f.must(err)
			if files, err := filepath.Glob(filepath.Join(f.dir, "bodies", "*", "*")); err != nil || len(files) != 1 {
				t.Errorf("of an accepted message there are %q, %v", files, err)
			}
		})
	}
}

// TestOneLookForOneCommand: what Standing has found goes for the command before which it was asked, once, and not
// for longer than a moment.
func TestOneLookForOneCommand(t *testing.T) {
	f := newFixture(t)
	s := f.login().(*session)
	envelope := mail.Envelope{From: address(t, testLogin)}
	stand := func(at time.Time) { // as if the session had been asked then, and may go on
		f.must(s.Standing(t.Context()))
		s.stoodAt = at
	}
	soon := time.Now().Add(time.Hour) // so that a busy machine does not let it pass
	stand(soon)
	found := s.stood
	f.must(s.Mail(t.Context(), envelope))
	if s.tx.who != found {
		t.Error("MAIL has looked at the account again")
	}
	stand(soon)
	f.must(f.admin.SuspendAccount(t.Context(), address(t, testLogin)))
	f.must(s.Mail(t.Context(), envelope)) // the look is of before
	wantReason(t, s.Mail(t.Context(), envelope), smtp.EAccountSuspended)
	s.stood, s.stoodAt = found, time.Now().Add(-moment)
	wantReason(t, s.Mail(t.Context(), envelope), smtp.EAccountSuspended)
	s.stood, s.stoodAt = found, soon
	wantReason(t, s.Standing(t.Context()), smtp.EAccountSuspended)
	wantReason(t, s.Mail(t.Context(), envelope), smtp.EAccountSuspended)
}
