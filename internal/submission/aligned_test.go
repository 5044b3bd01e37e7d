package submission

import (
	"context"
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/domainkey"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/testkit"
)

// aligning has the gate ask a name server double, in which example.org wants mail that fails
// turned away, and does what the action says.
func (f *fixture) aligning(action alignment.Action) *testkit.DNS {
	f.t.Helper()
	d := testkit.NewDNS(f.t)
	d.Add(`_dmarc.example.org. 60 IN TXT "v=DMARC1\; p=reject"`, `example.org. 60 IN TXT "v=spf1 -all"`)
	client, err := mx.NewClient(mx.ClientOptions{Servers: []netip.AddrPort{d.Addr()}, Timeout: time.Second, Rounds: 1, CacheSize: -1})
	f.must(err)
	checker := alignment.New(alignment.Options{Wait: time.Minute, Judge: &alignment.Judge{
		Asker: client, Sending: alignment.Sending{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Hello: "gate.example.org"},
	}})
	f.t.Cleanup(checker.Close)
	f.gate.opt.Alignment = checker
	f.setPolicy(func(p *Policy) { p.Alignment = alignment.Rules{Default: action} })
	return d
}

// public is the record of the domain's key.
func (f *fixture) public() string {
	f.t.Helper()
	keys, err := f.store.SigningKeys(f.t.Context(), "example.org")
	f.must(err)
	return keys[0].Public
}

// sent sends a plain message and returns its delivery and the events of its acceptance.
func (f *fixture) sent() (queue.Delivery, []audit.Event) {
	f.t.Helper()
	id, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	f.must(err)
	items, err := f.store.List(f.t.Context(), queue.Filter{Submission: id})
	f.must(err)
	events, err := f.store.Search(f.t.Context(), audit.Query{Submission: id})
	f.must(err)
	return items[0].Delivery, events
}

func kinds(events []audit.Event) (list []audit.Kind) {
	for _, e := range events {
		list = append(list, e.Kind)
	}
	return list
}

const whyNot = "DKIM: nothing is published at ed._domainkey.example.org; SPF: example.org: the SPF record does not allow 192.0.2.1"

func TestUnalignedIsRefused(t *testing.T) {
	f := newFixture(t)
	f.aligning(alignment.Refuse)
	_, err := f.submit(f.login(), testLogin, strings.NewReader(plainMail), "b@example.com")
	wantReason(t, err, smtp.EUnaligned)
	reply := smtp.ReplyFor(err)
	if want := "publish at ed._domainkey.example.org the TXT record " + f.public(); reply.Code != 550 || reply.Enhanced.String() != "5.7.26" || !strings.HasSuffix(reply.Text, want) {
		t.Errorf("%s, want 550 5.7.26 and %q", reply.Error(), want)
	}
	if stats, err := f.store.Stats(t.Context()); err != nil || stats.Queued+stats.Held != 0 || len(f.offered) != 0 {
		t.Errorf("%+v, %v, %d offered: something is left", stats, err, len(f.offered))
	}
}

func TestUnalignedIsHeld(t *testing.T) {
	f := newFixture(t)
	f.aligning(alignment.Hold)
	d, events := f.sent()
	if d.State != queue.Held || d.HoldReason != queue.HoldAlignment {
		t.Errorf("%+v, want it held", d)
	}
	if !slices.Equal(kinds(events), []audit.Kind{audit.Accepted, audit.Unaligned, audit.DeliveryHeld}) {
		t.Errorf("events %v", kinds(events))
	}
	due, err := f.store.Due(t.Context(), time.Now().Add(time.Hour), queue.Position{}, 10)
	if err != nil || len(due) != 0 {
		t.Errorf("%v, %v: it is due", due, err)
	}
	n, err := f.store.Release(t.Context(), queue.Filter{Submission: d.Submission}, audit.Event{At: time.Now(), Kind: audit.DeliveryReleased, Actor: "test"})
	if err != nil || n != 1 {
		t.Errorf("released %d, %v", n, err)
	}
}

func TestUnalignedIsWarnedOf(t *testing.T) {
	f := newFixture(t)
	f.aligning(alignment.Warn)
	d, events := f.sent()
	if d.State != queue.Queued || !slices.Equal(kinds(events), []audit.Kind{audit.Accepted, audit.Unaligned}) {
		t.Fatalf("%s, events %v", d.State, kinds(events))
	}
	e := events[1]
	if e.Text != whyNot || e.Login != testLogin || e.Data["policy"] != "reject" || e.Data["action"] != "warn" || !strings.Contains(e.Data["publish"], "ed._domainkey.example.org. IN TXT") {
		t.Errorf("%+v", e)
	}
}

// published gives example.org an RSA key, with its record in DNS.
func (f *fixture) published(d *testkit.DNS) {
	f.t.Helper()
	key, err := dkim.Generate("example.org", "rsa", dkim.RSA, rand.Reader)
	f.must(err)
	sealed, err := key.Seal(f.gate.opt.Sealer)
	f.must(err)
	record, err := key.Record()
	f.must(err)
	domain, err := f.store.Domain(f.t.Context(), "example.org")
	f.must(err)
	f.must(f.admin.RekeyDomain(f.t.Context(), domain, []account.Key{{
		Selector: "rsa", Algorithm: string(dkim.RSA), Public: record.Value, Sealed: sealed, Created: time.Now(),
	}}))
	d.Add(record.ZoneLine())
}

// TestStrangersFromIsNotAligned: a key of the account's own domain, however well it is published,
// lets no message pass under a stranger's From, also where that is one of several.
func TestStrangersFromIsNotAligned(t *testing.T) {
	const ceo = "ceo@foreign.example"
	alone, second := "From: "+ceo+"\r\n\r\nHello\r\n", "From: "+testLogin+", "+ceo+"\r\nSender: "+testLogin+"\r\n\r\nHello\r\n"
	const why = "DKIM: example.org signs, which is not aligned with foreign.example: use an address of example.org in From; SPF: "
	for _, tt := range []struct {
		action         alignment.Action
		mailFrom, text string
		spf            string
	}{
		{alignment.Refuse, ceo, alone, "foreign.example: the SPF record does not allow 192.0.2.1"},
		{alignment.Warn, ceo, alone, "foreign.example: the SPF record does not allow 192.0.2.1"},
		{alignment.Refuse, testLogin, second, "the MAIL FROM domain example.org is not aligned with foreign.example"},
		{alignment.Warn, testLogin, second, "the MAIL FROM domain example.org is not aligned with foreign.example"},
	} {
		f := newFixture(t)
		d := f.aligning(tt.action)
		f.published(d)
		d.Add(`_dmarc.foreign.example. 60 IN TXT "v=DMARC1\; p=reject"`, `foreign.example. 60 IN TXT "v=spf1 -all"`)
		f.mode(account.Shadow)
		id, err := f.submit(f.login(), tt.mailFrom, strings.NewReader(tt.text), "b@example.com")
		if tt.action == alignment.Refuse {
			wantReason(t, err, smtp.EUnaligned)
			if got := smtp.ReplyFor(err).Text; !strings.Contains(got, "DMARC of foreign.example asks for reject, and "+why+tt.spf) || strings.Contains(got, "publish at") {
				t.Errorf("%s: %q", tt.mailFrom, got)
			}
			continue
		}
		f.must(err)
		events, err := f.store.Search(t.Context(), audit.Query{Submission: id, Kind: audit.Unaligned})
		f.must(err)
		if len(events) != 1 || events[0].Text != why+tt.spf || events[0].Data["domain"] != "foreign.example" || events[0].Data["publish"] != "" {
			t.Errorf("%s: %+v", tt.mailFrom, events)
		}
	}
}

func TestAlignedPasses(t *testing.T) {
	f := newFixture(t)
	f.published(f.aligning(alignment.Refuse))
	if delivery, events := f.sent(); delivery.State != queue.Queued || len(events) != 1 {
		t.Errorf("%s, events %v", delivery.State, kinds(events))
	}
	if a := f.gate.opt.Alignment.Look(t.Context(), alignment.Question{From: "example.org", MailFrom: "example.org", Keys: f.keys()}); a.Verdict != alignment.Pass {
		t.Errorf("%+v, want it to pass and not to be unknown", a)
	}
}

// keys are those that sign mail of example.org.
func (f *fixture) keys() []domainkey.Key {
	f.t.Helper()
	sender, err := f.store.Sender(f.t.Context(), testLogin)
	f.must(err)
	keys, err := f.gate.keys.Published(f.t.Context(), "example.org", sender.Generation)
	f.must(err)
	return keys
}

// TestUnknownIsNeverRefused: DNS that is away keeps nobody from sending.
func TestUnknownIsNeverRefused(t *testing.T) {
	f := newFixture(t)
	d := f.aligning(alignment.Refuse)
	d.Break("ed._domainkey.example.org.", testkit.ServFail)
	if delivery, events := f.sent(); delivery.State != queue.Queued || len(events) != 1 {
		t.Errorf("%s, events %v", delivery.State, kinds(events))
	}
}

func TestNothingIsAskedWithoutARule(t *testing.T) {
	f := newFixture(t)
	d := f.aligning(alignment.Refuse)
	f.setPolicy(func(p *Policy) { p.Alignment.Domains = map[mail.Domain]alignment.Action{"example.org": alignment.Off} })
	f.sent()
	if n := d.Queries("_dmarc.example.org."); n != 0 {
		t.Errorf("%d questions, want none", n)
	}
}

// TestUnsignedIsNotRefused: where nothing is signed here, the next server may do it.
func TestUnsignedIsNotRefused(t *testing.T) {
	f := newFixture(t)
	f.aligning(alignment.Refuse)
	f.setPolicy(func(p *Policy) { p.Sign = false })
	if delivery, events := f.sent(); delivery.State != queue.Queued || len(events) != 1 {
		t.Errorf("%s, events %v", delivery.State, kinds(events))
	}
}

// asking keeps what is asked, and knows nothing.
type asking struct{ asked []alignment.Question }

func (a *asking) Look(_ context.Context, q alignment.Question) alignment.Assessment {
	a.asked = append(a.asked, q)
	return alignment.Assessment{Question: q, Verdict: alignment.Unknown}
}

// TestAlignmentIsToldTheCustomer, by whom it divides its places.
func TestAlignmentIsToldTheCustomer(t *testing.T) {
	f := newFixture(t)
	a := &asking{}
	f.gate.opt.Alignment = a
	f.setPolicy(func(p *Policy) { p.Alignment = alignment.Rules{Default: alignment.Refuse} })
	f.sent()
	sender, err := f.store.Sender(t.Context(), testLogin)
	f.must(err)
	if len(a.asked) != 1 || a.asked[0].Customer == "" || a.asked[0].Customer != sender.Customer.Name {
		t.Errorf("asked %+v, want the customer %q", a.asked, sender.Customer.Name)
	}
}
