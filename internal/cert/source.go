package cert

import (
	"context"
	"slices"
	"time"
)

// source is where the pairs of one Spec come from. Its methods are safe for
// concurrent use.
type source interface {
	// pairs returns what a handshake may use now; it does not block.
	pairs() []*pair
	// status returns one Status for each certificate that there is or should be.
	status() []Status
	// poll looks whether something is to be done: a changed file, an expiry
	// that comes near. It returns quickly.
	poll()
	// start begins background work, close ends it.
	start()
	close()
}

// Status is what is known of one certificate.
type Status struct {
	// Name and Source are those of the Spec.
	Name   string
	Source Source
	// Hosts are the names it is for.
	Hosts []string
	// Algorithm is that of its key: "ecdsa", "rsa" or "ed25519".
	Algorithm string
	// NotAfter is when it expires; zero while there is none yet.
	NotAfter time.Time
	// Err says what is wrong, nil if nothing: it has expired, its files on
	// disk cannot be used, issuing or renewing fails. There may be a usable
	// certificate all the same.
	Err error
	// Usable tells whether handshakes can be served with it now.
	Usable bool
}

// statusOf describes a pair, which may be nil, and the last failure, if any.
func statusOf(s Spec, p *pair, now time.Time, err error) Status {
	st := Status{Name: s.Name, Source: s.Source, Err: err}
	if p == nil {
		return st
	}
	st.Hosts = slices.Clone(p.cert.Leaf.DNSNames)
	for _, ip := range p.cert.Leaf.IPAddresses {
		st.Hosts = append(st.Hosts, ip.String())
	}
	st.Algorithm = p.algorithm
	st.NotAfter = p.cert.Leaf.NotAfter
	invalid := p.validAt(now)
	st.Usable = invalid == nil
	if st.Err == nil {
		st.Err = invalid
	}
	return st
}

// newSource prepares the source of a checked Spec. It may write a self-signed
// certificate; it starts nothing.
func newSource(ctx context.Context, s Spec, o Options) (source, error) {
	switch s.Source {
	case SourceFiles:
		return newFileSource(s, o)
	case SourceSelfSigned:
		return newSelfSigned(s, o)
	case SourceACME:
		return newACMESource(ctx, s, o)
	}
	return nil, s.invalid("unknown source %q", s.Source)
}

// table is the set of certificates in force. It does not change once made.
type table struct {
	// order holds the sources in the order of their Specs.
	order  []source
	byName map[string]source
}

// pairs returns the pairs of the named sources, in that order; of all sources
// where names is empty.
func (t *table) pairs(names []string) []*pair {
	if len(names) == 0 {
		var all []*pair
		for _, s := range t.order {
			all = append(all, s.pairs()...)
		}
		return all
	}
	var all []*pair
	for _, n := range names {
		if s := t.byName[n]; s != nil {
			all = append(all, s.pairs()...)
		}
	}
	return all
}
