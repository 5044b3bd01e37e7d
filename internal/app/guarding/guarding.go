// Package guarding has what a gate does about guessing beside deciding: it makes the guard
// from the configuration, reads what is stored of it before the first client comes, and
// has it share what it counts, and set bans.
//
// Main types: Set.
package guarding

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/enforcing"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/mail"
)

// Store is what is needed of an engine.
type Store interface {
	access.Store
	guard.Store
}

// Options are what a Set is made of. All fields but Node are needed.
type Options struct {
	Config config.Guard
	Store  Store
	// Lasting makes octets of names, the same on all gates of the store.
	Lasting func(names ...string) []byte
	IDs     *mail.IDSource
	// Record takes events.
	Record func(audit.Event)
	// Node is the gate's, for the record; "" where there is one alone.
	Node string
	// Now is the clock.
	Now func() time.Time
	// Registry gets the figures.
	Registry prometheus.Registerer
	// Logger gets what no caller is told.
	Logger *slog.Logger
}

// Set is the guard of a gate. It is safe for concurrent use.
type Set struct {
	*guard.Guard
	opt      Options
	sharer   *guard.Sharer
	enforcer *enforcing.Enforcer
	lengths  atomic.Pointer[enforcing.Lengths]
	turned   *prometheus.CounterVec
	delayed  prometheus.Counter
}

// Open makes a guard and tells it what is stored. Errors are those of the store.
func Open(ctx context.Context, o Options) (*Set, error) {
	s := &Set{opt: o}
	s.enforcer = enforcing.New(enforcing.Options{Bans: o.Store, IDs: o.IDs, Now: o.Now, Record: o.Record, Node: o.Node, Logger: o.Logger})
	acts := s.counters()
	s.Guard = guard.New(guard.Options{Rules: Rules(&o.Config), Now: o.Now, Draw: s.draw, Device: Device(o.Lasting), Act: func(a guard.Action) {
		acts.WithLabelValues(string(a.Rule), does(a)).Inc()
		s.enforcer.Do(a)
	}})
	s.SetConfig(&o.Config)
	s.sharer = guard.NewSharer(guard.SharerOptions{Guard: s.Guard, Store: o.Store, Now: o.Now, Logger: o.Logger})
	if err := s.sharer.Load(ctx); err != nil {
		return nil, err
	}
	s.gauges()
	return s, nil
}

// does names what an action does.
func does(a guard.Action) string {
	switch {
	case a.Shadow:
		return "shadow"
	case a.Ban:
		return "ban"
	}
	return "close"
}

// counters registers what is counted, and returns that of actions.
func (s *Set) counters() *prometheus.CounterVec {
	acts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_guard_actions_total",
		Help: "What the guard has decided, by rule and by what it did: ban, close, or nothing (shadow).",
	}, []string{"rule", "does"})
	s.turned = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_guard_turned_away_total",
		Help: "Logins that the guard turned away before anything was verified, by why.",
	}, []string{"why"})
	for _, why := range guard.All() {
		s.turned.WithLabelValues(why.Error()) // at 0 from the start
	}
	s.delayed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "countersign_guard_delayed_total",
		Help: "Failed logins whose answer waited.",
	})
	s.opt.Registry.MustRegister(acts, s.turned, s.delayed)
	return acts
}

// Enter is that of guard.Guard, counted.
func (s *Set) Enter(client netip.Addr, login, device string) error {
	err := s.Guard.Enter(client, login, device)
	if err != nil {
		s.turned.WithLabelValues(err.Error()).Inc()
	}
	return err
}

// Failed is that of guard.Guard, counted.
func (s *Set) Failed(f guard.Failure) time.Duration {
	wait := s.Guard.Failed(f)
	if wait > 0 {
		s.delayed.Inc()
	}
	return wait
}

func (s *Set) gauges() {
	for name, of := range map[string]func() float64{
		"failures": func() float64 { marks, _ := s.Size(); return float64(marks) },
		"known":    func() float64 { _, known := s.Size(); return float64(known) },
	} {
		s.opt.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_guard_" + name, Help: "Logins from networks that the guard has in memory: failures, and known where they came in.",
		}, of))
	}
}

// SetConfig takes changed options, as far as a reload does.
func (s *Set) SetConfig(c *config.Guard) {
	s.SetRules(Rules(c))
	l := Lengths(c)
	s.lengths.Store(&l)
}

// Lengths say what the configuration says of bans.
func Lengths(c *config.Guard) enforcing.Lengths {
	return enforcing.Lengths{First: c.BanFor.Std(), Longest: c.MaxBan.Std()}
}

// Rules are what the configuration says.
func Rules(c *config.Guard) guard.Rules {
	var allow []netip.Prefix
	for _, p := range c.Allow {
		allow = append(allow, p.Prefix)
	}
	return guard.Rules{
		Off: c.Mode == "off", Shadow: c.Mode == "shadow", Allow: allow, Window: c.Window.Std(), Secrets: c.Secrets, Names: c.Names,
		LoginSecrets: c.LoginSecrets, LoginNetworks: c.LoginNetworks, Close: c.CloseFor.Std(),
		Free: c.FreeSecrets, Delay: c.Delay.Std(), MaxDelay: c.MaxDelay.Std(), Known: c.KnownFor.Std(),
		MaxMarks: c.MaxFailures, MaxKnown: c.MaxKnown,
	}
}

// Digest implements submission.Guard: two octets of a keyed digest, of which nobody finds
// the secret.
func (s *Set) Digest(login, secret string) uint16 {
	return binary.BigEndian.Uint16(s.opt.Lasting("guard", login, secret))
}

// draw makes a number of a network and a window.
func (s *Set) draw(network, window string) uint16 {
	return binary.BigEndian.Uint16(s.opt.Lasting("guard", "draw", network, window))
}

// Device returns what makes of a login, and of what its client calls itself, what stands for it in
// the guard; lasting is Options.Lasting. Whoever has the store finds a name by trying it, for each login
// anew.
func Device(lasting func(names ...string) []byte) func(login, name string) uint32 {
	return func(login, name string) uint32 {
		return max(1, binary.BigEndian.Uint32(lasting("guard", "device", login, strings.ToLower(name))))
	}
}

// Run shares and bans until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	var working sync.WaitGroup
	working.Go(func() { s.sharer.Run(ctx) })
	working.Go(func() { s.enforcer.Run(ctx, s.Guard, func() enforcing.Lengths { return *s.lengths.Load() }) })
	working.Wait()
}
