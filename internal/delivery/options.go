package delivery

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"countersign/internal/delivery/backlog"
	"countersign/internal/delivery/route"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtpclient"
)

// Limits bound what delivery does at the same time. A zero field means the
// default in its comment.
type Limits struct {
	// Workers is the number of attempts at the same time (256). One customer
	// gets at most half of them, one account at most a quarter; see package
	// backlog.
	Workers int
	// PerDestination is how many of those may go to one destination (8).
	PerDestination int
	// PerAddress is how many connections to one address may be in use,
	// whichever destinations they are for (32, and never less than
	// PerDestination).
	PerAddress int
	// Recipients is the most recipients of one transaction (100, which is what
	// RFC 5321 section 4.5.3.1.8 asks servers to take).
	Recipients int
	// MessagesPerConnection ends a connection (100).
	MessagesPerConnection int
	// IdleTimeout is how long a connection is kept without a message (10
	// seconds); less than 0 closes it at once.
	IdleTimeout time.Duration
	// BacklogJobs and BacklogBytes bound what waits in memory for a worker
	// (4096 transactions, 64 MiB of content).
	BacklogJobs  int
	BacklogBytes int64
}

// site is a destination's identity.
type site = route.Site

// backlogLimits are those of what waits in memory.
func backlogLimits(l Limits) backlog.Limits {
	return backlog.Limits{Workers: l.Workers, PerDestination: l.PerDestination, Jobs: l.BacklogJobs, Bytes: l.BacklogBytes}
}

// Options are what a Deliverer is made of. Store, Resolver, IDs, Now and
// Hostname are needed.
type Options struct {
	Store    queue.Store
	Resolver mx.Resolver
	IDs      *mail.IDSource
	Now      func() time.Time
	// Hostname is the reporting MTA and the domain of our reports' author.
	Hostname mail.Domain
	// Hello is our name in EHLO; "" means Hostname.
	Hello string
	// Node is the id of this gate among those that share the store, for the
	// record; "" where there are no others.
	Node string

	// Holds reports whether deliveries of this node are certainly its own at
	// the moment; nil means always. While they may not be, nothing is begun,
	// and what is under way goes no further than it can be taken back.
	Holds func() bool
	// HeldSince is since when they are, by Now; nil means always. What came into
	// memory before that is another node's by now, unless the store says that it
	// is not.
	HeldSince func() time.Time

	// Routes and Schedule may be changed later by SetRoutes and SetSchedule.
	Routes   []route.Route
	Schedule queue.Schedule

	Limits   Limits
	Timeouts smtpclient.Timeouts
	// ConnectTimeout bounds the making of a connection to one address; 0 means
	// 30 seconds.
	ConnectTimeout time.Duration
	// AttemptTimeout bounds a whole attempt, over all hosts and addresses; 0
	// means 30 minutes. A third of it is for finding a host that can be talked
	// to.
	AttemptTimeout time.Duration
	// IPv6 says that servers are reached over IPv6 too.
	IPv6 bool
	// SourceIPv4 and SourceIPv6 are where connections come from; invalid leaves
	// it to the system.
	SourceIPv4, SourceIPv6 netip.Addr
	// Dial makes connections in place of the system; nil for that. network is
	// "tcp", address host:port with an IP address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// AllowTarget tells which addresses found by DNS may be connected to; nil
	// is mx.Allowed.
	AllowTarget func(netip.Addr) bool
	// DelayReportAfter is the age at which a sender who asked for it is told of a
	// delay; 0 means 4 hours.
	DelayReportAfter time.Duration
	// Failed returns whose failed recipients are counted of a submission, in levels that
	// have limits of them; nil where nobody's are. It is asked where a server has refused
	// a recipient for good.
	Failed func(*queue.Submission) []limit.Level
	// SignReport returns header fields to put on top of a report of ours; nil
	// leaves reports unsigned.
	SignReport func(head, body []byte) ([]byte, error)
	// Random is the source of boundaries; nil is crypto/rand.
	Random  io.Reader
	Logger  *slog.Logger
	Metrics *Metrics
}

// withDefaults checks o and fills in what is zero.
func (o Options) withDefaults() (Options, error) {
	if o.Store == nil || o.Resolver == nil || o.IDs == nil || o.Now == nil || o.Hostname == "" {
		return o, fault.New("delivery.new", fault.Invalid, "store, resolver, ids, clock and host name are needed")
	}
	if o.Hello == "" {
		o.Hello = string(o.Hostname)
	}
	l := &o.Limits
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.Workers, 256}, {&l.PerDestination, 8}, {&l.PerAddress, 32}, {&l.Recipients, 100},
		{&l.MessagesPerConnection, 100}, {&l.BacklogJobs, 4096},
	} {
		if *f.field <= 0 {
			*f.field = f.value
		}
	}
	if l.BacklogBytes <= 0 {
		l.BacklogBytes = 64 << 20
	}
	if l.IdleTimeout == 0 {
		l.IdleTimeout = 10 * time.Second
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 30 * time.Second
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = 30 * time.Minute
	}
	if o.DelayReportAfter <= 0 {
		o.DelayReportAfter = 4 * time.Hour
	}
	if o.Holds == nil {
		o.Holds = func() bool { return true }
	}
	if o.HeldSince == nil {
		o.HeldSince = func() time.Time { return time.Time{} }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = dialFrom(o.SourceIPv4, o.SourceIPv6)
	}
	return o, nil
}

// dialFrom returns a dialer that uses the source address of the target's
// family.
func dialFrom(v4, v6 netip.Addr) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return nil, err
		}
		source := v6
		if target.Addr().Is4() {
			source = v4
		}
		dialer := &net.Dialer{}
		if source.IsValid() {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// sessionCacheSize is how many servers' TLS sessions are remembered, by name.
const sessionCacheSize = 1024

// tlsConfig returns the base of the TLS configuration for a route. Sessions of
// servers that are not verified and of those that are do not mix.
func (d *Deliverer) tlsConfig(r route.Route) *tls.Config {
	c := &tls.Config{RootCAs: r.RootCAs}
	if r.TLS == smtpclient.TLSOpportunistic {
		c.ClientSessionCache = d.sessions
	}
	return c
}
