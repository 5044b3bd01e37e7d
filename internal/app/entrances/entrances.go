// Package entrances has what a gate does about from where clients come in, beside asking: it
// reads the access lists before the first client comes, follows them, and removes entries that
// ended long ago; reads the files of countries and autonomous systems; and has DNS lists
// asked as the configuration says.
//
// Main types: Set, Change.
package entrances

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/access/dnsbl"
	"countersign/internal/access/entrance"
	"countersign/internal/access/list"
	"countersign/internal/access/list/book"
	"countersign/internal/access/place"
	"countersign/internal/account"
	"countersign/internal/app/outgoing"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/feed"
	"countersign/internal/login"
	"countersign/internal/mx"
	"countersign/internal/obs"
	"countersign/internal/submission/visit"
)

// Options are what a Set is made of. All fields but Node are needed.
type Options struct {
	Config *config.Config
	Store  list.Store
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

// Set is from where clients come in to a gate. Questions may be asked concurrently.
type Set struct {
	*entrance.Entrance
	opt        Options
	book       *book.Book
	places     *place.Finder
	names      *dnsbl.Checker
	follower   *feed.Follower[list.Entry]
	asked      *prometheus.CounterVec
	configured chan struct{}
}

// tryFor is how long one name server is waited for about a DNS list before the next one is
// asked.
const tryFor = time.Second

// Open reads the files and the lists. Errors are those of the store, of the name servers, and
// of Prepare.
func Open(ctx context.Context, opt Options) (*Set, error) {
	s := &Set{opt: opt, book: book.New(opt.Now), places: new(place.Finder), configured: make(chan struct{}, 1)}
	s.figures()
	var err error
	s.names, err = checker(opt.Config, dnsbl.Options{Now: opt.Now, Away: s.away, Asked: func(name string, o dnsbl.Outcome) {
		s.asked.WithLabelValues(name, string(o)).Inc()
	}})
	if err != nil {
		return nil, err
	}
	s.Entrance = entrance.New(entrance.Options{Lists: s.book, Place: s.places.Place, Version: s.places.Version, Names: s.names})
	change, err := s.Prepare(opt.Config)
	if err != nil {
		return nil, err
	}
	change.Commit()
	s.follower = book.Follow(opt.Store, s.book, feed.Options{Node: opt.Node, Logger: opt.Logger})
	return s, s.follower.Load(ctx)
}

// checker makes what asks DNS lists, by the name servers of the configuration.
func checker(c *config.Config, opt dnsbl.Options) (*dnsbl.Checker, error) {
	servers := outgoing.Resolver(c)
	servers.CacheSize, servers.Timeout, servers.Now = -1, min(servers.Timeout, tryFor), opt.Now
	resolver, err := mx.NewClient(servers)
	if err != nil {
		return nil, err
	}
	opt.Asker = resolver
	return dnsbl.New(opt), nil
}

// Once returns an Entrance that decides as a gate of that configuration does now, and follows
// nothing. where says where clients are; with nil, for commands, the files of the configuration are
// read and verified, which takes as much time and memory as they are large. Errors are those of Open.
func Once(ctx context.Context, c *config.Config, store list.Store, where func(client netip.Addr) list.Place) (*entrance.Entrance, error) {
	entries := book.New(time.Now)
	if err := book.Follow(store, entries, feed.Options{}).Load(ctx); err != nil {
		return nil, err
	}
	if where == nil {
		places := new(place.Finder)
		change, err := places.Prepare(Files(c))
		if err != nil {
			return nil, err
		}
		change.Commit()
		where = places.Place
	}
	return By(c, entries, where)
}

// By is Once by entries that somebody keeps, and by what knows where clients are. It asks DNS lists for
// itself, so that nothing is counted of it. Errors are those of the name servers.
func By(c *config.Config, entries *book.Book, where func(client netip.Addr) list.Place) (*entrance.Entrance, error) {
	names, err := checker(c, dnsbl.Options{Now: time.Now})
	if err != nil {
		return nil, err
	}
	names.Configure(Lists(c))
	return entrance.New(entrance.Options{Lists: entries, Place: where, Names: names, Rules: Rules(c)}), nil
}

// Entries are those that the Set follows.
func (s *Set) Entries() *book.Book { return s.book }

// figures registers what is counted.
func (s *Set) figures() {
	s.asked = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_access_dnsbl_total", Help: "What DNS lists said of clients, by list: listed, clear, or nothing (away).",
	}, []string{"list", "outcome"})
	s.opt.Registry.MustRegister(s.asked, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_access_entries", Help: "Entries of access lists that this gate holds clients against.",
	}, func() float64 { return float64(s.book.Len()) }))
}

// Run follows the store, prunes it, and tests DNS lists, until ctx ends. It is called once.
func (s *Set) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.names.Run(ctx, s.configured)
	}()
	feed.Tend(ctx, s.follower, feed.Pruner{What: "entries of access lists", Remove: s.opt.Store.PruneEntries, Now: s.opt.Now, Logger: s.opt.Logger})
	<-done
}

// Test tests the DNS lists now, as Run does now and then.
func (s *Set) Test(ctx context.Context) { s.names.Test(ctx) }

// away records that a list has gone, or is back.
func (s *Set) away(l dnsbl.List, trouble string) {
	e := audit.Event{At: s.opt.Now(), Kind: audit.BlocklistBack, Object: "dnsbl " + l.Name, Data: map[string]string{}}
	if s.opt.Node != "" {
		e.Data["node"] = s.opt.Node
	}
	if trouble == "" {
		s.opt.Logger.Info("a DNS list answers again", "list", l.Name)
		s.opt.Record(e)
		return
	}
	e.Kind, e.Text, e.Data["when_away"] = audit.BlocklistAway, trouble, "open"
	if l.Closed {
		e.Data["when_away"] = "closed"
	}
	s.opt.Logger.Warn("a DNS list gives no answers that count", "list", l.Name, "trouble", trouble, "when_away", e.Data["when_away"])
	s.opt.Record(e)
}

// Change is a configuration that can be put into force.
type Change struct {
	set    *Set
	places *place.Change
	rules  entrance.Rules
	lists  []dnsbl.List
}

// Prepare reads what a configuration names, and changes nothing yet. Errors are those of
// place.Finder.Prepare.
func (s *Set) Prepare(c *config.Config) (*Change, error) {
	places, err := s.places.Prepare(Files(c))
	if err != nil {
		return nil, err
	}
	return &Change{s, places, Rules(c), Lists(c)}, nil
}

// Commit puts it into force.
func (c *Change) Commit() {
	s := c.set
	c.places.Commit()
	s.names.Configure(c.lists)
	s.SetRules(c.rules)
	for _, l := range c.lists {
		for _, o := range dnsbl.Outcomes() {
			s.asked.WithLabelValues(l.Name, string(o)) // at 0 from the start
		}
	}
	select {
	case s.configured <- struct{}{}:
	default:
	}
}

// Files says which files the configuration names.
func Files(c *config.Config) place.Files {
	return place.Files{Countries: c.Access.Countries, Networks: c.Access.Networks}
}

// Rules is what the configuration says of what DNS lists lead to.
func Rules(c *config.Config) entrance.Rules {
	r := entrance.Rules{RefuseAt: c.Access.DNSBLScore, Shadow: c.Access.DNSBLAction != "refuse", PassAllowed: c.Access.DNSBLPass == "allowed"}
	if c.Access.DNSBLAt == "login" {
		r.At = entrance.AtLogin
	}
	return r
}

// Lists are the DNS lists of the configuration.
func Lists(c *config.Config) (all []dnsbl.List) {
	for i := range c.DNSBL {
		l := &c.DNSBL[i]
		out := dnsbl.List{
			Name: l.Label(), Zone: l.Zone, Score: l.Score, Timeout: l.Timeout.Std(), Closed: l.WhenAway == "closed", Test: l.Test == "on",
		}
		for _, text := range l.Codes {
			if code, err := dnsbl.ParseCode(text); err == nil { // else it was refused
				out.Codes = append(out.Codes, code)
			}
		}
		all = append(all, out)
	}
	return all
}

// Judge says which files of places cannot be used. It implements loading.Judge.
func Judge(c *config.Config) (all []loading.Finding) {
	for path, files := range map[string]place.Files{
		"access.countries": {Countries: c.Access.Countries}, "access.networks": {Networks: c.Access.Networks},
	} {
		if _, err := new(place.Finder).Prepare(files); err != nil {
			all = append(all, loading.Finding{Path: path, Text: fault.DetailOf(err, fault.Invalid)})
		}
	}
	return all
}

// Denied returns by which rule somebody who has proved to be somebody may not come from where
// they do. It is login.Options.Denied.
func (s *Set) Denied(a *login.Attempt, p *account.Principal) string {
	d := s.Known(&entrance.Visitor{Who: visit.Who(a.Listener, p.Sender, &p.Credential), Client: a.Client})
	if !d.Denied {
		return ""
	}
	return d.Rule()
}

// Health is nil, or a warning: which DNS lists are away, and what entries are of no use for
// want of a file.
func (s *Set) Health(context.Context) error {
	var all []string
	away := s.names.Trouble()
	for _, name := range slices.Sorted(maps.Keys(away)) {
		all = append(all, fmt.Sprintf("DNS list %s: %s", name, away[name]))
	}
	if e := s.book.Find(func(e *list.Entry) bool { return !s.places.Knows(e.What) }); e != nil {
		all = append(all, fmt.Sprintf("nobody is in %s here, of which access entry %s is, as no file says so (access.countries, access.networks)", e.What, e.ID))
	}
	if e := s.book.Find(func(e *list.Entry) bool { return s.places.Halved(e.What) }); e != nil {
		all = append(all, fmt.Sprintf("no IPv6 address is in %s here, of which access entry %s is, as its file knows IPv4 alone (access.countries, access.networks)", e.What, e.ID))
	}
	if len(all) == 0 {
		return nil
	}
	return obs.Warning(strings.Join(all, "; "))
}
