package aligning

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/alignment"
)

func TestRules(t *testing.T) {
	c := &config.Config{Alignment: config.Alignment{
		Action: "refuse", OffFor: []string{"off.example"}, WarnFor: []string{"warn.example"}, HoldFor: []string{"hold.example"}, RefuseFor: []string{"refuse.example"},
	}}
	r := Rules(c)
	for domain, want := range map[mail.Domain]alignment.Action{
		"off.example": alignment.Off, "warn.example": alignment.Warn, "hold.example": alignment.Hold, "refuse.example": alignment.Refuse, "other.example": alignment.Refuse,
	} {
		if got := r.For(domain); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	for action, want := range map[string]alignment.Action{"off": alignment.Off, "": alignment.Off, "warn": alignment.Warn, "hold": alignment.Hold} {
		c.Alignment.Action = action
		if got := Rules(c).For("other.example"); got != want {
			t.Errorf("action %s: %q, want %q", action, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	c := &config.Config{Hostname: "gate.example.net"}
	c.DNS.Servers = []config.Resolver{{AddrPort: netip.MustParseAddrPort("127.0.0.1:53")}}
	c.Delivery.SourceIPv6 = netip.MustParseAddr("2001:db8::1")
	j, err := Judge(c)
	if err != nil || j.Sending.Hello != "gate.example.net" || !slices.Equal(j.Sending.Addresses, []netip.Addr{c.Delivery.SourceIPv6}) {
		t.Errorf("%+v, %v: want host name and source address", j, err)
	}
	c.Delivery.Hello, c.Alignment.SPFTerm = "out.example.net", "a:out.example.net"
	c.Alignment.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	j, err = Judge(c)
	if err != nil || j.Sending.Hello != "out.example.net" || j.Sending.Term != "a:out.example.net" || !slices.Equal(j.Sending.Addresses, c.Alignment.Addresses) {
		t.Errorf("%+v, %v: want what is set", j, err)
	}
}

func TestChecking(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{0: -1, 3 * time.Second: 3 * time.Second} {
		c := &config.Config{Alignment: config.Alignment{Wait: config.Duration(wait)}}
		if got := Checking(c).Wait; got != want {
			t.Errorf("wait %v: %v, want %v", wait, got, want)
		}
	}
}

// world is DNS, store and record in memory.
type world struct {
	mu      sync.Mutex // guards what follows
	domains []account.Domain
	good    bool // keys are published
	away    bool
	asked   map[string]int
	events  []audit.Event
	err     error
}

func (w *world) Domains(context.Context, string) ([]account.Domain, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.domains, w.err
}

func (w *world) SigningKeys(_ context.Context, d mail.Domain) ([]account.Key, error) {
	return []account.Key{{Selector: "a", Public: "v=DKIM1; k=ed25519; p=" + strings.Repeat("A", 43) + "="}}, nil
}

func (w *world) Ask(_ context.Context, name string, _ mx.Type) (mx.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[name]++
	switch {
	case w.away:
		return mx.Answer{}, fault.New("world", fault.Unavailable, "away")
	case strings.HasPrefix(name, "_dmarc."):
		return mx.Answer{Texts: []string{"v=DMARC1; p=reject"}, TTL: time.Minute}, nil
	case strings.HasPrefix(name, "a._domainkey.") && w.good:
		return mx.Answer{Texts: []string{"v=DKIM1; k=ed25519; p=" + strings.Repeat("A", 43) + "="}, TTL: time.Minute}, nil
	}
	return mx.Answer{TTL: time.Minute}, fault.New("world", fault.NotFound, "nothing")
}

// Append implements audit.Store.
func (w *world) Append(_ context.Context, events []audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, events...)
	return nil
}

// Search implements audit.Store.
func (w *world) Search(context.Context, audit.Query) ([]audit.Event, error) {
	return nil, errors.New("not asked for")
}

// kinds are those of the events so far, which are then forgotten.
func (w *world) kinds() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for _, e := range w.events {
		list = append(list, string(e.Kind)+" "+e.Object)
	}
	w.events = nil
	return strings.Join(list, ", ")
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{asked: map[string]int{}, domains: []account.Domain{
			{Name: "a.example", State: account.Active}, {Name: "suspended.example", State: account.Suspended}, {Name: "off.example", State: account.Active},
		}}
		c := &config.Config{Hostname: "gate.example.net", DKIM: config.DKIM{Sign: true}, Alignment: config.Alignment{Action: "warn", OffFor: []string{"off.example"}, CheckEvery: config.Duration(time.Hour)}}
		c.DNS.Servers = []config.Resolver{{AddrPort: netip.MustParseAddrPort("127.0.0.1:53")}}
		c.Alignment.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
		recorder := audit.NewRecorder(w, audit.RecorderOptions{Logger: slog.New(slog.DiscardHandler)})
		registry := prometheus.NewRegistry()
		watch, err := Open(Options{Config: c, Store: w, Recorder: recorder, Now: time.Now, Registry: registry, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		watch.judge.Asker = w
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); watch.Run(ctx) }()

		expect := func(when, want string) {
			t.Helper()
			time.Sleep(time.Minute) // of the bubble: a round ends
			synctest.Wait()
			if got := w.kinds(); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
			time.Sleep(time.Hour - time.Minute)
		}
		expect("at the start", "domain.unaligned domain a.example")
		expect("an hour later", "")
		w.set(func() { w.away = true })
		expect("while DNS is away", "")
		w.set(func() { w.away, w.good = false, true })
		expect("when the key is published", "domain.aligned domain a.example")
		w.set(func() { w.good = false; w.err = errors.New("the store is away") })
		expect("while the store is away", "")
		w.set(func() { w.err = nil })
		expect("when it is back", "domain.unaligned domain a.example")
		w.set(func() { w.domains[0].State = account.Suspended })
		expect("when it is suspended", "")
		w.set(func() { w.domains[0].State = account.Active })
		expect("when it is resumed", "domain.unaligned domain a.example")
		unsigned := *c
		unsigned.DKIM.Sign = false
		watch.Configure(&unsigned)
		w.set(func() { w.asked = map[string]int{} })
		expect("when nothing is signed here", "")
		w.mu.Lock()
		if w.asked["a._domainkey.a.example"] > 0 || w.asked["_dmarc.a.example"] == 0 {
			t.Errorf("asked %v, want no key", w.asked)
		}
		for name := range w.asked {
			if strings.Contains(name, "suspended") || strings.Contains(name, "off.example") {
				t.Errorf("%s is asked for", name)
			}
		}
		w.mu.Unlock()
		cancel()
		<-done
		watch.Close()
		if err := recorder.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
