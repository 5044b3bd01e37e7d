package submission

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/hash"
	"countersign/internal/account/senders"
	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/login"
	"countersign/internal/login/secrets"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/sasl"
	"countersign/internal/seal"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/store/sqlite"
)

const (
	testLogin    = "shop@example.org"
	testPassword = "correct horse battery"
)

// fixture is a gate over a real SQLite store with one customer, one domain
// and one account.
type fixture struct {
	t        *testing.T
	dir      string // of the store
	gate     *Gate
	store    *sqlite.Store
	admin    *admin.Admin
	maker    *secrets.Maker
	recorder *audit.Recorder
	offered  []*queue.Acceptance
	ids      *mail.IDSource
	figures  *prometheus.Registry // of a gate that counts
	rules    []limit.Rule         // those of limits
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(dir, "test.db"), Server: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	hasher, err := secrets.NewHasher(secrets.HasherOptions{Params: hash.Params{MemoryKiB: 8 << 10, Iterations: 1, Parallelism: 1}})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "seal.key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	maker, err := secrets.NewMaker(secrets.MakerOptions{Hasher: hasher, Sealer: sealer, Salt: []byte("a salt of this store"), Realm: "gate.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, dir: dir, store: store, maker: maker, ids: &mail.IDSource{}}
	f.admin = admin.New(admin.Options{Store: store, Secrets: maker, IDs: f.ids, Actor: "test"})
	f.recorder = audit.NewRecorder(store, audit.RecorderOptions{Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() { f.recorder.Close(context.Background()) })
	f.gate = New(Options{
		Hostname: "gate.example.org",
		Verifier: login.New(login.Options{Store: store, Hasher: hasher, Maker: maker}),
		Senders:  senders.New(store, senders.Options{}),
		Accounts: store, Domains: store, Queue: store, Recorder: f.recorder, Sealer: sealer,
		Offer: func(a *queue.Acceptance) { f.offered = append(f.offered, a) },
		IDs:   f.ids, Now: time.Now,
		Policy: Policy{Mechanisms: allMechanisms(), EncodeHeaders: true, MaxHeaderBytes: 128 << 10, MaxReceived: 50, Lifetime: 120 * time.Hour, Sign: true},
	})
	t.Cleanup(f.gate.Close)
	f.seed(sealer)
	return f
}

// seed makes customer, domain with keys, and account.
func (f *fixture) seed(sealer *seal.Sealer) {
	f.t.Helper()
	ctx := f.t.Context()
	f.must(f.admin.AddPlan(ctx, account.Plan{Name: "small", MaxRecipients: 2, MaxMessageBytes: 400_000, MaxMessages: 3}))
	f.must(f.admin.AddCustomer(ctx, "acme", ""))
	key, err := dkim.Generate("example.org", "ed", dkim.Ed25519, rand.Reader)
	f.must(err)
	sealed, err := key.Seal(sealer)
	f.must(err)
	record, err := key.Record()
	f.must(err)
	f.must(f.admin.AddDomain(ctx, "example.org", "acme", []account.Key{{
		Selector: "ed", Algorithm: string(dkim.Ed25519), Public: record.Value, Sealed: sealed, Created: time.Now(),
	}}))
	address, err := mail.ParseAddress(testLogin)
	f.must(err)
	f.must(f.admin.AddAccount(ctx, admin.NewAccount{Address: address, Password: testPassword}))
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// allMechanisms are those of the table.
func allMechanisms() (names []string) {
	for _, m := range sasl.Mechanisms() {
		names = append(names, m.Name)
	}
	return names
}

// open starts a session over TLS; login authenticates it.
func (f *fixture) open() smtpserver.Session {
	f.t.Helper()
	s := f.connect()
	s.Observe(f.t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedTLS, TLS: &tls.ConnectionState{Version: tls.VersionTLS13}})
	return s
}

// connect starts a session without TLS.
func (f *fixture) connect() smtpserver.Session {
	f.t.Helper()
	s, err := f.gate.Open(f.t.Context(), smtpserver.Peer{
		ID: f.ids.New(), Listener: "test", Client: netip.MustParseAddrPort("192.0.2.7:4711"), Local: netip.MustParseAddrPort("192.0.2.1:465"),
	})
	f.must(err)
	return s
}

func (f *fixture) login() smtpserver.Session {
	f.t.Helper()
	s := f.open()
	f.must(authenticate(f.t.Context(), s, "", testLogin, testPassword))
	return s
}

func authenticate(ctx context.Context, s smtpserver.Session, authzid, login, password string) error {
	x, err := s.Auth("PLAIN")
	if err != nil {
		return err
	}
	_, done, err := x.Next(ctx, []byte(authzid+"\x00"+login+"\x00"+password))
	if err == nil && !done {
		return sasl.ErrSyntax
	}
	return err
}

func address(t *testing.T, s string) mail.Address {
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

// submit sends one message in an open session.
func (f *fixture) submit(s smtpserver.Session, from string, body io.Reader, to ...string) (mail.ID, error) {
	f.t.Helper()
	ctx := f.t.Context()
	if err := s.Mail(ctx, mail.Envelope{From: address(f.t, from), Body: mail.Body7Bit}); err != nil {
		return "", err
	}
	for _, r := range to {
		if err := s.Rcpt(ctx, mail.Recipient{To: address(f.t, r)}); err != nil {
			return "", err
		}
	}
	return s.Data(ctx, body)
}

// wantReason fails unless err is answered with that reason.
func wantReason(t *testing.T, err error, want smtp.Reason) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want %s", want)
	}
	if got := smtp.ReplyFor(err).Reason; got != want {
		t.Fatalf("refused with %s (%v), want %s", got, err, want)
	}
}

const plainMail = "From: Shop <shop@example.org>\r\nTo: b@example.com\r\nSubject: Hi\r\n\r\nHello\r\n"

func TestAcceptedMessageIsStoredSignedAndRecorded(t *testing.T) {
	f := newFixture(t)
	s := f.login()
	id, err := f.submit(s, testLogin, strings.NewReader(plainMail), "b@example.com", "c@example.net", "b@example.com")
	f.must(err)
	content, err := f.store.Content(t.Context(), id)
	f.must(err)
	text := string(content.Head) + string(content.Body)
	for _, want := range []string{"DKIM-Signature:", "Received: by gate.example.org", "Date: ", "Message-ID: <" + string(id) + "@gate.example.org>", "\r\n\r\nHello\r\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "192.0.2.7") || strings.Contains(string(content.Head[:strings.Index(text, "From:")]), "shop@") {
		t.Errorf("the client or the account stands in the trace:\n%s", text)
	}
	f.verify(text)
	items, err := f.store.List(t.Context(), queue.Filter{Submission: id})
	f.must(err)
	if len(items) != 2 { // the recipient named twice is delivered to once
		t.Errorf("%d deliveries, want 2", len(items))
	}
	if got := items[0].Submission; got.Login != testLogin || got.Customer != "acme" || got.Domain != "example.org" {
		t.Errorf("attributed to %+v", got)
	}
	if len(f.offered) != 1 || f.offered[0].Submission.ID != id {
		t.Errorf("offered for delivery: %d", len(f.offered))
	}
	events, err := f.store.Search(t.Context(), audit.Query{Submission: id})
	f.must(err)
	if len(events) != 1 || events[0].Kind != audit.Accepted || events[0].Client != "192.0.2.7" || events[0].Login != testLogin {
		t.Errorf("events: %+v", events)
	}
}

// verify checks the signature with the library.
func (f *fixture) verify(text string) {
	f.t.Helper()
	keys, err := f.store.SigningKeys(f.t.Context(), "example.org")
	f.must(err)
	results, err := dkim.Verify(strings.NewReader(text), func(string) ([]string, error) { return []string{keys[0].Public}, nil })
	f.must(err)
	if len(results) != 1 || results[0].Err != nil {
		f.t.Errorf("signature: %+v", results)
	}
}

func TestLargeBodyGoesToAFileAndIsSigned(t *testing.T) {
	f := newFixture(t)
	line := "0123456789 the same line again and again\r\n"
	for _, octets := range []int{queue.InlineMax - 2, queue.InlineMax, queue.InlineMax + 1, 5*queue.InlineMax + 17} {
		body := strings.Repeat(line, octets/len(line)+1)[:octets-2] + "\r\n"
		message := "From: shop@example.org\r\n\r\n" + body
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(message), "halves": iotest.HalfReader(strings.NewReader(message)),
		} {
			id, err := f.submit(f.login(), testLogin, r, "b@example.com")
			f.must(err)
			content, err := f.store.Content(t.Context(), id)
			f.must(err)
			stored := content.Body
			if (content.Large != nil) != (octets > queue.InlineMax) {
				t.Errorf("%d octets, %s: in a file: %v", octets, name, content.Large != nil)
			}
			if content.Large != nil {
				file, err := content.Large.Open()
				f.must(err)
				stored, err = io.ReadAll(file)
				f.must(err)
				f.must(file.Close())
			}
			if string(stored) != body {
				t.Errorf("%d octets, %s: stored %d octets, or others", octets, name, len(stored))
			}
			f.verify(string(content.Head) + string(stored))
		}
	}
}

func TestLastLineWithoutCRLFIsEnded(t *testing.T) {
	f := newFixture(t)
	id, err := f.submit(f.login(), testLogin, strings.NewReader(strings.TrimSuffix(plainMail, "\r\n")), "b@example.com")
	f.must(err)
	content, err := f.store.Content(t.Context(), id)
	f.must(err)
	if !bytes.HasSuffix(content.Body, []byte("Hello\r\n")) {
		t.Errorf("stored %q", content.Body)
	}
	f.verify(string(content.Head) + string(content.Body))
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, from, message string
		want                smtp.Reason
	}{
		{"foreign envelope", "x@elsewhere.example", plainMail, smtp.ESenderNotOwned},
		{"neighbour in the domain", "boss@example.org", plainMail, smtp.ESenderNotOwned},
		{"null sender", "", plainMail, smtp.ENullSenderNotAllowed},
		{"foreign From", testLogin, "From: boss@example.org\r\n\r\nx\r\n", smtp.EHeaderSenderNotOwned},
		{"foreign Sender", testLogin, "From: shop@example.org\r\nSender: boss@example.org\r\n\r\nx\r\n", smtp.EHeaderSenderNotOwned},
		{"foreign Resent-From", testLogin, "Resent-From: a@b.example\r\nFrom: shop@example.org\r\n\r\nx\r\n", smtp.EHeaderSenderNotOwned},
		{"no From", testLogin, "Subject: x\r\n\r\nx\r\n", smtp.EHeaderFromMissing},
		{"two From fields", testLogin, "From: shop@example.org\r\nFrom: boss@example.org\r\n\r\nx\r\n", smtp.EHeaderFromMultiple},
		{"broken header", testLogin, "From: shop@example.org\r\nno colon here\r\n\r\nx\r\n", smtp.EHeaderMalformed},
		{"long header", testLogin, "From: shop@example.org\r\n" + strings.Repeat("X-Fill: "+strings.Repeat("x", 900)+"\r\n", 200) + "\r\nx\r\n", smtp.EHeaderTooLarge},
		{"loop", testLogin, strings.Repeat("Received: by x; Tue, 24 Nov 2026 12:00:00 +0000\r\n", 51) + "From: shop@example.org\r\n\r\nx\r\n", smtp.ELoopDetected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.submit(f.login(), tt.from, strings.NewReader(tt.message), "b@example.com")
			wantReason(t, err, tt.want)
		})
	}
	if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued != 0 {
		t.Errorf("after refusals %d are queued (%v)", stats.Queued, err)
	}
	if len(f.offered) != 0 {
		t.Errorf("%d refused messages were offered for delivery", len(f.offered))
	}
}

func TestBrokenConnectionStoresNothing(t *testing.T) {
	f := newFixture(t)
	whole := "From: shop@example.org\r\n\r\n" + strings.Repeat("x\r\n", 60_000)
	for _, at := range []int{0, 5, 24, 26, 30, 1000, 65_600, 170_000} {
		r := io.MultiReader(strings.NewReader(whole[:at]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if id, err := f.submit(f.login(), testLogin, r, "b@example.com"); err == nil {
			t.Errorf("cut at %d: accepted as %s", at, id)
		}
	}
	if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued != 0 {
		t.Errorf("%d are queued (%v)", stats.Queued, err)
	}
}

func TestPlanLimits(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.must(f.admin.SetCustomerPlan(ctx, "acme", "small"))

	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "a@example.com", "b@example.com", "c@example.com")
	wantReason(t, err, smtp.ETooManyRecipients)
	_, err = f.submit(f.login(), testLogin, strings.NewReader(plainMail+strings.Repeat("x\r\n", 140_000)), "a@example.com")
	wantReason(t, err, smtp.EMessageTooLarge)
	wantReason(t, f.login().Mail(ctx, mail.Envelope{From: address(t, testLogin), Size: 400_001}), smtp.EMessageTooLarge)
	s := f.login()
	for range 3 {
		_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com")
		f.must(err)
	}
	_, err = f.submit(s, testLogin, strings.NewReader(plainMail), "a@example.com")
	wantReason(t, err, smtp.ETooManyMessages)
}

func TestOpenSessionFeelsSuspensionAndPasswordChange(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	s := f.login()
	env := mail.Envelope{From: address(t, testLogin)}
	f.must(s.Mail(ctx, env))
	f.must(s.Rcpt(ctx, mail.Recipient{To: address(t, "b@example.com")}))
	f.must(f.admin.SuspendAccount(ctx, address(t, testLogin)))
	_, err := s.Data(ctx, strings.NewReader(plainMail))
	wantReason(t, err, smtp.EAccountSuspended)
	wantReason(t, s.Mail(ctx, env), smtp.EAccountSuspended)
	f.must(f.admin.ResumeAccount(ctx, address(t, testLogin)))
	f.must(s.Mail(ctx, env))
	f.must(f.admin.SetPassword(ctx, address(t, testLogin), "another long password", false))
	wantReason(t, s.Mail(ctx, env), smtp.EAccountChanged)
	wantReason(t, authenticate(ctx, f.open(), "", testLogin, testPassword), smtp.EAuthFailed)
	f.must(authenticate(ctx, f.open(), "", testLogin, "another long password"))
}

// A login that renews the hash of its password leaves other sessions of the
// account, and their open transactions, alone.
func TestOpenSessionSurvivesARenewedHash(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	open := f.login()
	env := mail.Envelope{From: address(t, testLogin)}
	f.must(open.Mail(ctx, env))
	f.must(open.Rcpt(ctx, mail.Recipient{To: address(t, "b@example.com")}))

	old, err := hash.New(hash.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}, testPassword, rand.Reader)
	f.must(err)
	acc, err := f.store.Account(ctx, testLogin)
	f.must(err)
	before := acc.Password()
	f.must(f.store.RenewSecret(ctx, testLogin, before.ID, before.Secret.Hash,
		account.Secret{Hash: old.Text(), Cost: old.Cost().String()}, audit.Event{At: time.Now(), Kind: audit.AdminChanged}))

	f.login()
	acc, err = f.store.Account(ctx, testLogin)
	f.must(err)
	if now := acc.Password().Secret; now.Cost != "argon2id m=8192,t=1,p=1" || now.Key("SCRAM-SHA-256") == "" {
		t.Fatalf("the password costs %q, with keys %v", now.Cost, now.Keys)
	}
	_, err = open.Data(ctx, strings.NewReader(plainMail))
	f.must(err)
	f.must(open.Mail(ctx, env))

	events, err := f.store.Search(ctx, audit.Query{Login: testLogin})
	f.must(err)
	if !slices.ContainsFunc(events, func(e audit.Event) bool {
		return e.Kind == audit.AdminChanged && e.Actor == "gate" && e.Session != "" && e.Client == "192.0.2.7"
	}) {
		t.Errorf("no event of the renewal in %+v", events)
	}
}

func TestAuthorizationIdentityIsTheAccountItselfOnly(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.must(authenticate(ctx, f.open(), testLogin, testLogin, testPassword))
	wantReason(t, authenticate(ctx, f.open(), "boss@example.org", testLogin, testPassword), smtp.EAuthFailed)
}

func TestMailWithoutLoginIsRefused(t *testing.T) {
	f := newFixture(t)
	wantReason(t, f.open().Mail(t.Context(), mail.Envelope{From: address(t, testLogin)}), smtp.EAuthRequired)
}

func TestUnopenableKeyIsATemporaryRefusal(t *testing.T) {
	f := newFixture(t)
	other, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "other.key"), rand.Reader)
	f.must(err)
	f.gate.keys = newKeyring(withSealer(f.gate.opt, other))
	_, err = f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.ESigningUnavailable)
	if !smtp.ReplyFor(err).Temporary() {
		t.Error("it is permanent")
	}
	if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued != 0 {
		t.Errorf("an unsigned message is queued: %d (%v)", stats.Queued, err)
	}
}

// TestColdKeyWithoutAStore: where the store cannot be asked for a key, that is what the
// client is told, and not that something is wrong with signing.
func TestColdKeyWithoutAStore(t *testing.T) {
	for kind, want := range map[fault.Kind]struct {
		reason smtp.Reason
		code   int
		status string
	}{
		fault.Unavailable: {smtp.EUnavailable, 451, "4.3.0"},
		fault.Fenced:      {smtp.EUnavailable, 451, "4.3.0"},
		fault.Busy:        {smtp.EBusy, 451, "4.3.2"},
		fault.Canceled:    {smtp.ECanceled, 451, "4.3.2"},
		fault.Corrupt:     {smtp.ESigningUnavailable, 451, "4.7.5"},
		fault.Conflict:    {smtp.ESigningUnavailable, 451, "4.7.5"},
	} {
		f := newFixture(t)
		o := f.gate.opt
		o.Accounts = keylessStore{f.store, kind}
		f.gate.keys = newKeyring(o)
		_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
		wantReason(t, err, want.reason)
		if r := smtp.ReplyFor(err); int(r.Code) != want.code || r.Enhanced.String() != want.status {
			t.Errorf("%v is answered with %d %v", kind, r.Code, r.Enhanced)
		}
	}
}

// keylessStore is a store that cannot be asked for keys.
type keylessStore struct {
	account.Directory
	kind fault.Kind
}

func (s keylessStore) SigningKeys(context.Context, mail.Domain) ([]account.Key, error) {
	return nil, fault.New("test", s.kind, "no keys")
}

func TestFaultsOfTheStoreAreTemporary(t *testing.T) {
	f := newFixture(t)
	f.gate.opt.Queue = failingStore{f.store}
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EStoreFull)
	if r := smtp.ReplyFor(err); r.Code != 452 {
		t.Errorf("a full disk is answered with %d", r.Code)
	}
	if len(f.offered) != 0 {
		t.Error("it was offered for delivery all the same")
	}
}

// failingStore is a store whose disk is full at the commit.
type failingStore struct{ queue.Store }

func (failingStore) Accept(context.Context, *queue.Acceptance) error {
	return fault.New("test", fault.Full, "no space")
}

// TestRecordSaysWhyALoginFailed: the client learns nothing, the helpdesk all.
func TestRecordSaysWhyALoginFailed(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	tries := []struct{ login, password, cause string }{
		{testLogin, "not the password", "wrong-password"},
		{"nobody@example.org", testPassword, "unknown"},
		{testLogin, testPassword, "suspended"},
	}
	var replies []string
	for _, try := range tries {
		if try.cause == "suspended" {
			f.must(f.admin.SuspendAccount(ctx, address(t, testLogin)))
		}
		s := f.open().(*session)
		err := authenticate(ctx, s, "", try.login, try.password)
		wantReason(t, err, smtp.EAuthFailed)
		replies = append(replies, string(smtp.ReplyFor(err).AppendTo(nil)))
		s.Observe(ctx, smtpserver.Observation{Kind: smtpserver.ObservedAuthFailed, Text: "PLAIN", Err: err})
		f.must(f.recorder.Flush(ctx))
		events, err := f.store.Search(ctx, audit.Query{Session: s.peer.ID, Kind: audit.AuthFailed})
		f.must(err)
		if len(events) != 1 || events[0].Data["cause"] != try.cause || events[0].Login != try.login {
			t.Errorf("%s: recorded %+v", try.cause, events)
		}
	}
	if replies[0] != replies[1] || replies[1] != replies[2] {
		t.Errorf("the replies differ: %q", replies)
	}
}
