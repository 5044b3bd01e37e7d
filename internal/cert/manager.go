package cert

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/cert/issuer"
	"countersign/internal/fault"
)

// responderKey names a challenge listener. Several sources can share one.
type responderKey struct {
	challenge Challenge
	address   string
}

// Manager holds the certificates in force. Its methods are safe for concurrent
// use.
type Manager struct {
	o Options
	// table is what handshakes read, without a lock.
	table atomic.Pointer[table]

	// mu guards what follows, and makes reloads follow one another.
	mu sync.Mutex
	// specs are those in force, by name.
	specs map[string]Spec
	// used are the names that listeners asked for.
	used map[string]bool
	// responders are the challenge listeners by kind and address.
	responders map[responderKey]*issuer.Responder
	closed     bool
}

// Open makes a Manager whose certificates are ready: files are read,
// self-signed certificates made, challenge listeners open, and what ACME
// obtained earlier taken from the cache. What ACME has yet to obtain is asked
// for in the background and shows in Status. ctx bounds Open only. Errors:
// Invalid with all that is wrong with specs, Unavailable for a challenge
// listener or the cache. Close ends it.
func Open(ctx context.Context, specs []Spec, o Options) (*Manager, error) {
	m := &Manager{
		o:          o.withDefaults(),
		specs:      make(map[string]Spec),
		used:       make(map[string]bool),
		responders: make(map[responderKey]*issuer.Responder),
	}
	m.table.Store(&table{byName: make(map[string]source)})
	if err := m.Reload(ctx, specs); err != nil {
		return nil, err
	}
	return m, nil
}

// Reload replaces the certificates by those of specs, all or nothing: it is
// Prepare and Commit.
func (m *Manager) Reload(ctx context.Context, specs []Spec) error {
	c, err := m.Prepare(ctx, specs)
	if err != nil {
		return err
	}
	c.Commit()
	return nil
}

// Change is a prepared reload. Exactly one of Commit and Discard must be
// called; until then the Manager is locked for other reloads and for TLSConfig.
type Change struct {
	m     *Manager
	table *table
	specs map[string]Spec
	// kept are the names of sources that go on unchanged.
	kept map[string]bool
	// responders are all listeners that the new table needs, old ones and new.
	responders map[responderKey]*issuer.Responder
	// opened are those among them that this change opened.
	opened []*issuer.Responder
}

// Prepare does everything of a reload that can fail, and changes nothing that
// is in force. (A self-signed certificate for changed hosts is written to the
// data directory even if the change is then discarded.) Errors as for Open; a
// name that a listener uses must stay.
func (m *Manager) Prepare(ctx context.Context, specs []Spec) (*Change, error) {
	if err := join(Check(specs, m.o)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	c, err := m.prepare(ctx, specs)
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return c, nil
}

// prepare is Prepare under the lock.
func (m *Manager) prepare(ctx context.Context, specs []Spec) (*Change, error) {
	if m.closed {
		return nil, fault.New("cert.reload", fault.Canceled, "the certificates are closed")
	}
	c := &Change{
		m:          m,
		table:      &table{byName: make(map[string]source, len(specs))},
		specs:      make(map[string]Spec, len(specs)),
		kept:       make(map[string]bool),
		responders: make(map[responderKey]*issuer.Responder),
	}
	for _, s := range specs {
		if err := c.add(ctx, s); err != nil {
			c.undo()
			return nil, err
		}
	}
	for name := range m.used {
		if _, ok := c.specs[name]; !ok {
			c.undo()
			return nil, fault.New("cert.reload", fault.Invalid, "certificate %q is used by a listener; taking it away needs a restart", name)
		}
	}
	return c, nil
}

// add prepares one source. An ACME source whose Spec is the same as before
// goes on: it may be in the middle of an order.
func (c *Change) add(ctx context.Context, s Spec) error {
	src := c.m.table.Load().byName[s.Name]
	if s.Source == SourceACME && src != nil && reflect.DeepEqual(c.m.specs[s.Name], s) {
		c.kept[s.Name] = true
	} else {
		var err error
		if src, err = newSource(ctx, s, c.m.o); err != nil {
			return err
		}
	}
	c.specs[s.Name] = s
	c.table.byName[s.Name] = src
	c.table.order = append(c.table.order, src)
	if s.Source != SourceACME {
		return nil
	}
	return c.listen(s)
}

// listen makes sure that the challenge of s can be answered.
func (c *Change) listen(s Spec) error {
	key := responderKey{challenge: s.ACME.Challenge, address: s.ACME.listen()}
	if c.responders[key] != nil {
		return nil
	}
	if r := c.m.responders[key]; r != nil {
		c.responders[key] = r
		return nil
	}
	r, err := issuer.Listen(key.challenge, key.address, c.m.o.Logger)
	if err != nil {
		return s.unavailable("cannot answer "+string(key.challenge)+" on "+key.address, err)
	}
	c.responders[key] = r
	c.opened = append(c.opened, r)
	return nil
}

// undo closes what the change opened.
func (c *Change) undo() {
	for _, r := range c.opened {
		r.Close()
	}
	for name, src := range c.table.byName {
		if !c.kept[name] {
			src.close()
		}
	}
}

// Discard drops the change.
func (c *Change) Discard() {
	c.undo()
	c.m.mu.Unlock()
}

// Commit puts the change into force. Handshakes under way finish with what
// they had.
func (c *Change) Commit() {
	m := c.m
	before := m.table.Swap(c.table)
	old, oldSpecs := m.responders, m.specs
	m.specs, m.responders = c.specs, c.responders
	for key, r := range m.responders {
		r.Route(c.challenged(key))
	}
	for _, r := range c.opened {
		r.Start()
	}
	for name, src := range c.table.byName {
		if !c.kept[name] {
			src.start()
		}
	}
	m.mu.Unlock()

	for key, r := range old {
		if c.responders[key] == nil {
			r.Close()
		}
	}
	for name := range oldSpecs {
		if !c.kept[name] {
			before.byName[name].close()
		}
	}
}

// challenged returns the Issuers whose challenges come to a listener, by host.
func (c *Change) challenged(key responderKey) map[string]*issuer.Issuer {
	hosts := make(map[string]*issuer.Issuer)
	for _, src := range c.table.order {
		a, ok := src.(*acmeSource)
		if !ok || a.spec.ACME.Challenge != key.challenge || a.spec.ACME.listen() != key.address {
			continue
		}
		for _, h := range a.hosts {
			hosts[h] = a.issuer
		}
	}
	return hosts
}

// Watch looks every Options.PollEvery whether files have changed or a
// self-signed certificate comes near its end, until ctx is done. What cannot
// be used is logged, and what was in force stays.
func (m *Manager) Watch(ctx context.Context) {
	t := time.NewTicker(m.o.PollEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			for _, s := range m.table.Load().order {
				s.poll()
			}
		}
	}
}

// Status tells about every certificate, in the order of the Specs.
func (m *Manager) Status() []Status {
	var all []Status
	for _, s := range m.table.Load().order {
		all = append(all, s.status()...)
	}
	return all
}

// Health returns nil when every certificate is usable now, else an Unavailable
// error that names those that are not. It does not block.
func (m *Manager) Health() error {
	var bad []error
	for _, s := range m.Status() {
		if s.Usable {
			continue
		}
		reason := s.Err
		if reason == nil {
			reason = errors.New("not obtained yet")
		}
		bad = append(bad, &fault.Error{Op: "certificate " + s.Name, Kind: fault.Unavailable, Detail: "not usable", Err: reason})
	}
	return errors.Join(bad...)
}

// Close ends background work and challenge listeners. Handshakes go on with
// what there is. It is safe to call twice.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.closed = true
	for _, r := range m.responders {
		r.Close()
	}
	for _, s := range m.table.Load().order {
		s.close()
	}
}

// join makes one error of all problems, nil of none.
func join(problems []Problem) error {
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		errs = append(errs, p.Err)
	}
	return errors.Join(errs...)
}
