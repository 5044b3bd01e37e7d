// Package clients makes of the listeners in a configuration what each offers to its
// clients, and opens what judges their certificates.
//
// Main type: Set.
package clients

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"countersign/internal/cert/client"
	"countersign/internal/config"
	"countersign/internal/submission"
)

// Set has what judges the certificates of each listener that asks for them. The zero
// value is that of none. It is safe for concurrent use.
type Set struct {
	// names are those of the listeners, in the order of the file.
	names  []string
	byName map[string]*client.Verifier
	// revoked has something in it after more certificates were revoked.
	revoked chan struct{}
}

// Open reads the files that listeners name. now and log are for the whole life of the
// Set. Errors are those of client.Open, with the name of the listener.
func Open(c *config.Config, now func() time.Time, log *slog.Logger) (*Set, error) {
	s := &Set{byName: map[string]*client.Verifier{}, revoked: make(chan struct{}, 1)}
	for _, l := range c.Listeners {
		if l.ClientCAFile == "" {
			continue
		}
		opt := Options(l)
		opt.Now, opt.Logger, opt.Revoked = now, log, s.tell
		v, err := client.Open(opt)
		if err != nil {
			return nil, fmt.Errorf("listener %q: %w", l.Name, err)
		}
		s.names, s.byName[l.Name] = append(s.names, l.Name), v
	}
	return s, nil
}

// Options are those of a listener, without clock and log.
func Options(l config.Listener) client.Options {
	o := client.Options{CAFile: l.ClientCAFile, CRLFile: l.ClientCRLFile}
	for _, name := range l.ClientNames {
		o.Names = append(o.Names, client.Name(name))
	}
	return o
}

// tell notes that more certificates are revoked.
func (s *Set) tell() {
	select {
	case s.revoked <- struct{}{}:
	default: // nobody has looked since the last time
	}
}

// Revoked has something in it once more certificates are revoked than were when it was
// read last, the first time where any is.
func (s *Set) Revoked() <-chan struct{} { return s.revoked }

// Revokes reports whether a list of any listener names one of the certificates of
// client.Identity.Path.
func (s *Set) Revokes(path string) bool {
	for _, v := range s.byName {
		if v.Revokes(path) {
			return true
		}
	}
	return false
}

// Of returns what judges the certificates of a listener; nil where it asks for none.
func (s *Set) Of(listener string) *client.Verifier { return s.byName[listener] }

// Listeners says what the gate offers at each listener.
func (s *Set) Listeners(c *config.Config) map[string]submission.Listener {
	all := map[string]submission.Listener{}
	for _, l := range c.Listeners {
		all[l.Name] = submission.Listener{Mechanisms: l.Mechanisms, Networks: l.Networks == "on", Certificates: s.Of(l.Name)}
	}
	return all
}

// Watch looks at the files now and then until ctx ends.
func (s *Set) Watch(ctx context.Context) {
	var running sync.WaitGroup
	for _, v := range s.byName {
		running.Go(func() { v.Watch(ctx) })
	}
	running.Wait()
}

// Poll looks at the files now.
func (s *Set) Poll() {
	for _, v := range s.byName {
		v.Poll()
	}
}

// Health returns nil, or what is wrong, with the names of the listeners.
func (s *Set) Health() error {
	var bad []error
	for _, name := range s.names {
		if err := s.byName[name].Health(); err != nil {
			bad = append(bad, fmt.Errorf("listener %q: %w", name, err))
		}
	}
	return errors.Join(bad...)
}
