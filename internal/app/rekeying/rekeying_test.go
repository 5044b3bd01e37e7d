package rekeying

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/dnsupdate"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/turnover"
	"countersign/internal/seal"
)

// world is one domain in a store, the DNS that the gate asks, and the operator's zone.
type world struct {
	Store
	t  *testing.T
	mu sync.Mutex // guards what follows
	// d is the domain as it is stored.
	d      account.Domain
	events []string
	// texts has the records of names, aliases where they point to.
	texts, aliases map[string]string
	// noted has what the store knows of the zone.
	noted   map[account.ZoneRecord]bool
	asked   int
	refuses error // what the zone answers
	raced   bool  // another gate changes the domain before the next change
	log     bytes.Buffer
}

func (w *world) Turning(_ context.Context, selectors []string, made time.Time) ([]mail.Domain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.d.Keys {
		of := false
		for _, s := range selectors {
			of = of || s == k.Selector
		}
		if k.Stage != account.Signing || of && (k.Turned.IsZero() || k.Created.Before(made)) {
			return []mail.Domain{w.d.Name}, nil
		}
	}
	return nil, nil
}

func (w *world) Domain(context.Context, mail.Domain) (account.Domain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.d
	d.Keys = append([]account.Key(nil), w.d.Keys...)
	return d, nil
}

func (w *world) PutDomain(_ context.Context, d account.Domain, e audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.raced || d.Revision != w.d.Revision {
		w.raced = false
		return fault.New("test", fault.Conflict, "changed meanwhile")
	}
	if e.Kind != audit.DomainKeys || e.Actor != "gate" || e.Object != "domain example.org" {
		w.t.Errorf("the event is %+v", e)
	}
	d.Revision++
	w.d, w.events = d, append(w.events, e.Text)
	return nil
}

func (w *world) NoteZoneRecord(_ context.Context, r account.ZoneRecord) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted[r] = true
	return nil
}

func (w *world) UnheldZoneRecords(_ context.Context, limit int) (list []account.ZoneRecord, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.noted {
		if !slices.ContainsFunc(w.d.Keys, func(k account.Key) bool {
			return r == account.ZoneRecord{Domain: w.d.Name, Selector: k.Selector, Text: k.Public}
		}) {
			list = append(list, r)
		}
	}
	return list[:min(limit, len(list))], nil
}

func (w *world) ForgetZoneRecord(_ context.Context, r account.ZoneRecord) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.noted, r)
	return nil
}

func (w *world) Ask(_ context.Context, name string, kind mx.Type) (mx.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	target, ok := w.aliases[name]
	if kind == mx.CNAME {
		if !ok {
			return mx.Answer{}, nil
		}
		return mx.Answer{Names: []string{target}}, nil
	}
	for ok {
		name = target
		target, ok = w.aliases[name]
	}
	if text, ok := w.texts[name]; ok {
		return mx.Answer{Texts: []string{text}}, nil
	}
	return mx.Answer{}, fault.New("test", fault.NotFound, "no such name")
}

func (w *world) Set(_ context.Context, name, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses == nil {
		w.texts[name] = text
	}
	return w.refuses
}

func (w *world) Remove(_ context.Context, name, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses == nil && w.texts[name] == text {
		delete(w.texts, name)
	}
	return w.refuses
}

// do changes the world.
func (w *world) do(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// keys lists the keys as "selector stage", and what was recorded since the last call.
func (w *world) state() (keys, events string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, k := range w.d.Keys {
		list = append(list, strings.TrimSpace(k.Selector+" "+string(k.Stage)))
	}
	events = strings.Join(w.events, " / ")
	w.events = nil
	return strings.Join(list, ", "), events
}

// expect compares both.
func (w *world) expect(what, keys, events string) {
	w.t.Helper()
	gotKeys, gotEvents := w.state()
	if gotKeys != keys || gotEvents != events {
		w.t.Errorf("%s: keys %q, events %q; want %q, %q", what, gotKeys, gotEvents, keys, events)
	}
}

// start makes a world with a domain whose keys sign, and has a Turner run in it.
func start(t *testing.T, change func(*Options)) (*world, *Turner) {
	sealer, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, texts: map[string]string{}, aliases: map[string]string{}, noted: map[account.ZoneRecord]bool{}}
	opt := Options{
		Store: w, Asker: w, Every: 10 * time.Minute, Timing: turnover.Timing{Settle: time.Hour, Keep: 8 * 24 * time.Hour},
		Now: time.Now, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Maker: turnover.Maker{Sealer: sealer},
	}
	if change != nil {
		change(&opt)
	}
	if opt.Delegate != "" {
		opt.Maker.Delegated, opt.Zone = true, w
	}
	keys, err := opt.Maker.Make("example.org", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.d = account.Domain{Name: "example.org", State: account.Active, Keys: keys}
	turner := New(opt)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { turner.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w, turner
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d) // of the bubble
	synctest.Wait()
}

// TestNewKeysWaitUntilTheyAreFound goes the whole way of a domain whose owner publishes.
func TestNewKeysWaitUntilTheyAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := start(t, nil)
		pass(24 * time.Hour)
		if w.asked > 0 {
			t.Errorf("DNS is asked %d times about keys that stay", w.asked)
		}
		w.do(func() {
			next, err := (turnover.Maker{Sealer: sealerOf(t)}).Make("example.org", w.d.Keys, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			w.d.Keys = append(turnover.Wait(next), w.d.Keys...)
			w.d.Revision++
		})
		first := w.d.Keys[2].Selector + ", " + w.d.Keys[3].Selector
		rsa, ed := w.d.Keys[0], w.d.Keys[1]
		waiting := rsa.Selector + " waiting, " + ed.Selector + " waiting, " + first
		pass(24 * time.Hour)
		w.expect("nothing is published", waiting, "")
		w.do(func() { w.texts[rsa.Selector+"._domainkey.example.org"] = rsa.Public })
		pass(24 * time.Hour)
		w.expect("one is published", waiting, rsa.Selector+" found in DNS")
		w.do(func() { w.texts[ed.Selector+"._domainkey.example.org"] = ed.Public })
		pass(50 * time.Minute)
		w.expect("both are published", waiting, ed.Selector+" found in DNS")
		w.do(func() { w.raced = true }) // another gate may do it too
		pass(30 * time.Minute)
		past := strings.ReplaceAll(first, ",", " past,") + " past"
		w.expect("they have settled", rsa.Selector+", "+ed.Selector+", "+past,
			rsa.Selector+", "+ed.Selector+" signing from now on; "+first+" not signing any more")
		pass(7 * 24 * time.Hour)
		w.expect("a week later", rsa.Selector+", "+ed.Selector+", "+past, "")
		pass(25 * time.Hour)
		w.expect("eight days later", rsa.Selector+", "+ed.Selector, first+" removed; what is published of them may go")
		if w.log.Len() > 0 {
			t.Errorf("the log says %s", w.log.String())
		}
	})
}

func sealerOf(t *testing.T) *seal.Sealer {
	s, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "other"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDelegatedKeysRenewThemselves: the gate publishes the keys of a domain that has
// delegated its selectors, and renews them, but for one that has not.
func TestDelegatedKeysRenewThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, turner := start(t, func(o *Options) { o.Delegate, o.Renew = "dkim.example.net", 20*24*time.Hour })
		const at = ".example.org.dkim.example.net"
		pass(time.Minute)
		w.expect("at first", "cs-rsa-a, cs-ed25519-a", "cs-rsa-a published at cs-rsa-a"+at+"; cs-ed25519-a published at cs-ed25519-a"+at)
		pass(23 * 24 * time.Hour)
		w.expect("as long as the domain does not point to us", "cs-rsa-a, cs-ed25519-a", "")
		if w.asked > 4*2 {
			t.Errorf("%d questions within three days", w.asked)
		}
		w.do(func() {
			for _, s := range turnover.Slots() {
				w.aliases[s+"._domainkey.example.org"] = s + at
			}
			w.refuses = errors.New("the zone is read-only")
		})
		pass(25 * time.Hour)
		w.expect("while the zone cannot be written", "cs-rsa-b waiting, cs-ed25519-b waiting, cs-rsa-a, cs-ed25519-a", "new keys that wait: cs-rsa-b, cs-ed25519-b")
		if p := turner.Problem(); p != "the keys of example.org could not be turned: the zone is read-only" || !strings.Contains(w.log.String(), "read-only") {
			t.Errorf("the problem is %q, the log %s", p, w.log.String())
		}
		w.do(func() { w.refuses = nil })
		pass(2 * time.Hour)
		signing := "cs-rsa-b, cs-ed25519-b, cs-rsa-a past, cs-ed25519-a past"
		keys, events := w.state()
		if keys != signing || !strings.HasPrefix(events, "cs-rsa-b, cs-ed25519-b found in DNS / ") || !strings.HasSuffix(events, "cs-rsa-a, cs-ed25519-a not signing any more") {
			t.Errorf("keys %s, events %s", keys, events)
		}
		pass(9 * 24 * time.Hour)
		w.expect("nine days later", "cs-rsa-b, cs-ed25519-b", "cs-rsa-a, cs-ed25519-a removed; what is published of them may go")
		if _, there := w.texts["cs-rsa-a"+at]; there || len(w.texts) != 2 || turner.Problem() != "" {
			t.Errorf("the zone has %v; problem %q", w.texts, turner.Problem())
		}
	})
}

// replace has the domain another set of keys at once, as "domain rekey --replace" does, or none.
func (w *world) replace(m turnover.Maker) []account.Key {
	w.t.Helper()
	keys, err := m.Make("example.org", w.d.Keys, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(func() { w.d.Keys, w.d.Revision = keys, w.d.Revision+1 })
	return keys
}

// TestWhatNoKeyHoldsLeavesTheZone: a key that is replaced, dropped or gone with its domain is
// not published any more, also where the zone could not be written at first or the gate has
// been started anew, and what took its name since stays.
func TestWhatNoKeyHoldsLeavesTheZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, turner := start(t, func(o *Options) { o.Delegate = "dkim.example.net" })
		maker := turnover.Maker{Sealer: sealerOf(t), Delegated: true}
		const a, b = "cs-rsa-a.example.org.dkim.example.net", "cs-rsa-b.example.org.dkim.example.net"
		pass(time.Minute)
		w.replace(maker)
		pass(10 * time.Minute)
		if len(w.texts) != 2 || w.texts[a] != "" || w.texts[b] != w.d.Keys[0].Public || len(w.noted) != 2 {
			t.Errorf("after a replacement the zone has %v, noted %d", w.texts, len(w.noted))
		}
		// The first selectors again, with other keys, while the zone cannot be written.
		w.do(func() { w.refuses = errors.New("the zone is read-only") })
		keys := w.replace(maker)
		pass(10 * time.Minute)
		if p := turner.Problem(); len(w.texts) != 2 || !strings.Contains(p, "read-only") {
			t.Errorf("the zone that cannot be written has %v, problem %q", w.texts, p)
		}
		w.do(func() { w.refuses = nil })
		pass(10 * time.Minute)
		if len(w.texts) != 2 || w.texts[a] != keys[0].Public || turner.Problem() != "" {
			t.Errorf("when it can be again: %v, problem %q", w.texts, turner.Problem())
		}
		// What is noted of a key that had the name earlier takes nothing away.
		w.do(func() {
			w.noted[account.ZoneRecord{Domain: "example.org", Selector: "cs-rsa-a", Text: "earlier"}] = true
		})
		pass(10 * time.Minute)
		if len(w.texts) != 2 || len(w.noted) != 2 {
			t.Errorf("the zone has %v, noted %d", w.texts, len(w.noted))
		}
		w.do(func() { w.d = account.Domain{Name: "other.example"} })
		pass(10 * time.Minute)
		if len(w.texts) != 0 || len(w.noted) != 0 {
			t.Errorf("after the domain the zone has %v, noted %d", w.texts, len(w.noted))
		}
	})
}

// TestNoRenewalButByTheAliases: keys that are found, but not in the zone, are not renewed, and
// it is said; so it is of keys that wait.
func TestNoRenewalButByTheAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, turner := start(t, func(o *Options) { o.Delegate, o.Renew = "dkim.example.net", 20*24*time.Hour })
		const at = ".example.org.dkim.example.net"
		w.do(func() {
			for _, k := range w.d.Keys {
				w.texts[k.Selector+"._domainkey.example.org"] = k.Public // as a TXT record, as is not wanted
			}
		})
		pass(23 * 24 * time.Hour)
		keys, _ := w.state()
		if keys != "cs-rsa-a, cs-ed25519-a" || turner.Problem() != "the keys of example.org cannot be renewed: cs-rsa-a._domainkey.example.org is no CNAME of cs-rsa-a"+at {
			t.Errorf("keys %s, problem %q", keys, turner.Problem())
		}
		w.do(func() { // those that sign alone, and by way of another name
			for _, k := range w.d.Keys {
				w.aliases[k.Selector+"._domainkey.example.org"] = k.Selector + ".keys.example.org"
				w.aliases[k.Selector+".keys.example.org"] = k.Selector + at
			}
		})
		pass(2 * time.Hour)
		if keys, _ = w.state(); keys != "cs-rsa-a, cs-ed25519-a" || !strings.Contains(turner.Problem(), "cs-rsa-b._domainkey.example.org is no CNAME of cs-rsa-b"+at) {
			t.Errorf("keys %s, problem %q", keys, turner.Problem())
		}
		w.do(func() {
			for _, s := range turnover.Slots() {
				w.aliases[s+"._domainkey.example.org"] = s + at
			}
		})
		pass(70 * time.Minute)
		if keys, _ = w.state(); keys != "cs-rsa-b waiting, cs-ed25519-b waiting, cs-rsa-a, cs-ed25519-a" || turner.Problem() != "" {
			t.Errorf("keys %s, problem %q", keys, turner.Problem())
		}
		pass(10 * 24 * time.Hour)
		w.do(func() { // new keys, which DNS does not have
			clear(w.aliases)
			k := w.d.Keys[0]
			k.Selector, k.Stage, k.Created, k.Turned = "own", account.Waiting, time.Now(), time.Time{}
			w.d.Keys, w.d.Revision = append([]account.Key{k}, w.d.Keys...), w.d.Revision+1
		})
		pass(25 * time.Hour)
		if p := turner.Problem(); p != "" {
			t.Errorf("within a day: %q", p)
		}
		pass(20 * time.Minute)
		if p := turner.Problem(); !strings.HasPrefix(p, "the keys of example.org wait since ") || !strings.HasSuffix(p, ", as not all are found in DNS") {
			t.Errorf("after a day: %q", p)
		}
	})
}

// TestSecretOfUpdates: the key file has the secret in base64, and no error shows it.
func TestSecretOfUpdates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dns.key")
	c := &config.Config{Rekey: config.Rekey{Delegate: "dkim.example.net", Zone: "example.net", KeyName: "gate", KeyFile: path}}
	c.Rekey.Server.AddrPort = netip.MustParseAddrPort("192.0.2.53:53")
	for text, want := range map[string]string{"QUJDREVGR0hJSktMTU5PUA==\n": "ABCDEFGHIJKLMNOP", "not base64!\n": ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := Configured(c, time.Now)
		if want == "" {
			if err == nil || strings.Contains(err.Error(), "not base64!") {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if z, ok := o.Zone.(*dnsupdate.Zone); err != nil || !ok || string(z.Secret) != want || z.Name != "example.net" || z.Key != "gate" {
			t.Errorf("%q: %+v, %v", text, o.Zone, err)
		}
	}
}
