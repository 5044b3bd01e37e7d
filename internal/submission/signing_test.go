package submission

import (
	"bytes"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/seal"
	"countersign/internal/smtp"
)

// withSealer returns o with another sealer.
func withSealer(o Options, s *seal.Sealer) Options {
	o.Sealer = s
	return o
}

// key makes a sealed key of example.org.
func (f *fixture) key(sealer *seal.Sealer, selector string) account.Key {
	f.t.Helper()
	return f.keyOf("example.org", sealer, selector)
}

// keyOf makes a sealed key of a domain.
func (f *fixture) keyOf(domain mail.Domain, sealer *seal.Sealer, selector string) account.Key {
	f.t.Helper()
	key, err := dkim.Generate(domain, selector, dkim.Ed25519, rand.Reader)
	f.must(err)
	sealed, err := key.Seal(sealer)
	f.must(err)
	record, err := key.Record()
	f.must(err)
	return account.Key{Selector: selector, Algorithm: string(dkim.Ed25519), Public: record.Value, Sealed: sealed, Created: time.Now()}
}

// TestSigningFailsLoudly: when the keys of a domain come to be sealed with another
// key file while the gate runs, the log says so at ERROR once, and the check until
// they can be opened again, whether or not anybody sends mail then.
func TestSigningFailsLoudly(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	var log bytes.Buffer
	f.gate.opt.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f.gate.keys = newKeyring(f.gate.opt)
	own := f.gate.opt.Sealer
	other, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "other.key"), rand.Reader)
	f.must(err)
	send := func() error {
		_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
		return err
	}
	rekey := func(k account.Key) {
		t.Helper()
		d, err := f.store.Domain(ctx, "example.org")
		f.must(err)
		f.must(f.admin.RekeyDomain(ctx, d, []account.Key{k}))
	}
	wantHealth := func(when, word string, others bool) {
		t.Helper()
		problem, signs := f.gate.SigningHealth(ctx)
		if signs != others || (problem == "") != (word == "") || !strings.Contains(problem, word) {
			t.Errorf("%s: %q, signs for others: %v; want %q, %v", when, problem, signs, word, others)
		}
	}
	wantHealth("at first", "", false)
	f.must(send())
	wantHealth("when all is well", "", true)

	rekey(f.key(other, "wrong"))
	for range 3 {
		wantReason(t, send(), smtp.ESigningUnavailable)
	}
	if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "domain=example.org reason=signing-unavailable") {
		t.Errorf("the log has\n%s", text)
	}
	wantHealth("with keys that are sealed otherwise", "mail of example.org is refused", false)
	f.must(f.admin.AddDomain(ctx, "example.net", "acme", []account.Key{f.keyOf("example.net", own, "other")}))
	_, err = f.gate.keys.Published(ctx, "example.net", 1)
	f.must(err)
	wantHealth("when others can sign", "mail of example.org is refused", true)

	rekey(f.key(own, "right"))
	wantHealth("when it has been mended", "", true)
	f.must(send())
	rekey(f.key(other, "wrong2"))
	wantReason(t, send(), smtp.ESigningUnavailable)
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
		t.Errorf("%d lines of the second time, want another one", n)
	}
}

// TestSessionNamesItsNode: where several gates share a record, it says which of them a
// client was connected to.
func TestSessionNamesItsNode(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"", "gate-1"} {
		opt := f.gate.opt
		opt.Node = id
		f.gate = New(opt)
		f.open()
	}
	f.must(f.recorder.Flush(t.Context()))
	found, err := f.store.Search(t.Context(), audit.Query{Kind: audit.SessionOpened})
	f.must(err)
	if len(found) != 2 {
		t.Fatalf("%d sessions", len(found))
	}
	if _, alone := found[0].Data["node"]; alone || found[1].Data["node"] != "gate-1" {
		t.Errorf("the record has %v and %v", found[0].Data, found[1].Data)
	}
}
