package submission

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"countersign/internal/access/entrance"
	"countersign/internal/account"
	"countersign/internal/account/senders"
	"countersign/internal/audit"
	"countersign/internal/dkim"
	"countersign/internal/limit"
	"countersign/internal/limit/network"
	"countersign/internal/login"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/seal"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/aligned"
	"countersign/internal/submission/connected"
	"countersign/internal/submission/figures"
	"countersign/internal/submission/filtering"
	"countersign/internal/submission/guessing"
	"countersign/internal/submission/intake"
	"countersign/internal/submission/keyring"
	"countersign/internal/submission/limiting"
	"countersign/internal/submission/naming"
	"countersign/internal/submission/recording"
	"countersign/internal/submission/visit"
	"countersign/internal/submission/warning"
)

// Policy is what the operator may change while the server runs.
type Policy struct {
	// EncodeHeaders lets raw 8-bit header text be encoded (RFC 2047) where the
	// client did not ask for SMTPUTF8; otherwise it is refused.
	EncodeHeaders bool
	// CheckNames extends the check of sender addresses to those that display
	// names and comments show.
	CheckNames bool
	// MaxHeaderBytes bounds the header block in octets.
	MaxHeaderBytes int
	// MaxLine bounds a header line in octets without CRLF; 0 is unlimited.
	MaxLine int
	// MaxReceived is how many Received fields a message may bring before it
	// counts as looping (RFC 5321 section 6.3).
	MaxReceived int
	// Lifetime is how long a delivery may wait before it fails.
	Lifetime time.Duration
	// Mechanisms are the SASL mechanisms that may be offered, by name.
	Mechanisms []string
	// Sign switches DKIM on. Without it messages leave unsigned.
	Sign bool
	// WarnAt is of how many percent of a limit used somebody is warned, 0 for never.
	WarnAt int
	// WarnTo gets a mail where most of a limit is used; the null address for nobody.
	WarnTo mail.Address
	// Alignment says what is done about messages that will fail DMARC.
	Alignment alignment.Rules
	// Rules are those of the operator; nil for none.
	Rules *rules.Set
}

// Options are what a Gate is made of. All fields but Node, Domains, Offer, Space, Bans, Entrance, Guard,
// Limits, LimitsVersion, Counted, Doors, Alignment, Filters, Listeners and Logger are needed.
type Options struct {
	// Hostname stands in Received and Message-ID.
	Hostname string
	// Realm is that of DIGEST-MD5, the same for all gates that share the store; "" is
	// Hostname.
	Realm string
	// Node is the id of this gate among those that share the store, for the
	// record; "" where there are no others.
	Node     string
	Verifier *login.Verifier
	Senders  *senders.Cache
	Accounts account.Directory
	// Domains is asked whose domains are that a message names without right, where it may
	// pass all the same; nil lets none pass.
	Domains naming.Domains
	Queue   Queue
	// Offer hands an accepted message on for delivery; nil leaves it to the
	// next scan of the queue.
	Offer func(*queue.Acceptance)
	// Space bounds what is stored of new mail; nil bounds nothing.
	Space intake.Space
	// Bans are those who are turned away; nil for nobody.
	Bans Bans
	// Entrance decides from where clients may come in; nil lets in from everywhere.
	Entrance *entrance.Entrance
	// Guard stops those who guess; nil stops nobody.
	Guard guessing.Guard
	// Limits makes, for each session, what returns the subjects of a message that have limits, with these;
	// nil where there are none. That is asked twice for each message, by one goroutine at a time, and answers
	// from memory; what it returns is not changed.
	Limits func() func(limit.Who) []limit.Level
	// LimitsVersion is that of lately.Memory.
	LimitsVersion func() uint64
	// Doors let connections in as far as their limits have room; nil lets everybody in.
	Doors connected.Doors
	// Counted returns what was counted of subjects, as limit.Counts has it; it is asked where a
	// rule of the operator wants to know. nil where nothing is.
	Counted func(context.Context, []limit.Subject) ([]*limit.Counter, time.Time, error)
	// Alignment is asked for domains that Policy.Alignment has a rule for; nil never.
	Alignment aligned.Looker
	// Filters are the content filters of each listener, by the name in smtpserver.Peer, in
	// their order.
	Filters  map[string]filtering.Chain
	Recorder *audit.Recorder
	Sealer   *seal.Sealer
	IDs      *mail.IDSource
	Now      func() time.Time
	Policy   Policy
	Metrics  *figures.Metrics
	// Listeners say what each listener offers, by the name in smtpserver.Peer. One that
	// is not here offers every mechanism but EXTERNAL, and knows no networks.
	Listeners map[string]Listener
	// Logger gets what no caller is told; nil means none.
	Logger *slog.Logger
}

// Queue is what takes messages; queue.Store says what its methods mean.
type Queue interface {
	NewBody(ctx context.Context) (queue.BodyFile, error)
	Accept(ctx context.Context, a *queue.Acceptance) error
}

// boundless is a Space without end.
type boundless struct{}

func (boundless) Fits(int64, bool) error { return nil }
func (boundless) Take(int64, bool) error { return nil }

// Gate implements smtpserver.Backend. It is safe for concurrent use.
type Gate struct {
	opt    Options
	policy atomic.Pointer[Policy]
	keys   *keyring.Keyring
	// records is how sessions come into the record.
	records *recording.Book
	// desk is what sessions share of limits.
	desk limiting.Desk
	// mails bounds those to policy.WarnTo.
	mails warning.Ceiling
	// door is what those who log in go through.
	door *guessing.Door
}

var _ smtpserver.Backend = (*Gate)(nil)

// New returns a Gate. Close ends it.
func New(opt Options) *Gate {
	if opt.Space == nil {
		opt.Space = boundless{}
	}
	if opt.Bans == nil {
		opt.Bans = noBans{}
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	g := &Gate{opt: opt, keys: newKeyring(opt), door: guessing.New(opt.Guard)}
	g.desk.Host, g.desk.Now, g.desk.Lately.Version = opt.Hostname, opt.Now, opt.LimitsVersion
	g.records = recording.New(recording.Options{
		Record: opt.Recorder.Record, LeftOut: func() { g.opt.Metrics.LeftOut() }, Node: opt.Node, Now: func() time.Time { return g.opt.Now() },
	})
	g.SetPolicy(opt.Policy)
	return g
}

// Close records what has been left out of the record and not been told yet. It is
// called when no session is open any more, and before the Recorder is closed.
func (g *Gate) Close() { g.records.Close() }

// SetPolicy changes the policy for every message whose header has not been
// read yet.
func (g *Gate) SetPolicy(p Policy) { g.policy.Store(&p) }

// Rules returns the operator's rules that are in force.
func (g *Gate) Rules() *rules.Set { return g.policy.Load().Rules }

// SignOwn returns the signature fields of a message of our own, such as a
// bounce, whose From is in the domain; none where that domain has no keys.
func (g *Gate) SignOwn(ctx context.Context, domain mail.Domain, head, body []byte) ([]byte, error) {
	stored, err := g.opt.Accounts.SigningKeys(ctx, domain)
	if err != nil || len(stored) == 0 || !g.policy.Load().Sign {
		return nil, err
	}
	signer, err := g.keys.Open(domain, stored)
	if err != nil {
		return nil, err
	}
	hash := dkim.NewBodyHash()
	hash.Write(body) // a hash never fails
	fields, err := signer.Sign(head, hash)
	return []byte(fields), err
}

// SigningHealth says which domains' mail the gate refuses because it cannot open
// their keys, "" where there is none that it knows of; others says that it signs for
// some. It is safe for concurrent use, and made for a check every few seconds.
func (g *Gate) SigningHealth(ctx context.Context) (problem string, others bool) {
	problem, others = g.keys.Health(ctx)
	if !g.policy.Load().Sign {
		return "", others
	}
	return problem, others
}

// newKeyring makes the ring that messages are signed from.
func newKeyring(o Options) *keyring.Keyring {
	return keyring.New(keyring.Options{Accounts: o.Accounts, Sealer: o.Sealer, Now: o.Now, Logger: o.Logger})
}

// Open implements smtpserver.Backend.
func (g *Gate) Open(ctx context.Context, peer smtpserver.Peer) (smtpserver.Session, error) {
	s := &session{gate: g, meter: limiting.Meter{Desk: &g.desk}, peer: peer, network: network.Of(peer.Client.Addr()), listener: g.opt.Listeners[peer.Listener]}
	if g.opt.Limits != nil {
		s.levels = g.opt.Limits()
	}
	s.record, s.passes = g.records.Of(peer), connected.Passes{Doors: g.opt.Doors, Levels: s.levels}
	s.banned = g.opt.Bans.Watch(peer.Client.Addr())
	s.visit = visit.New(g.opt.Entrance, peer.Listener, peer.Client.Addr(), s.record.Add)
	over, err := s.passes.Come(ctx, limit.Who{Network: s.network, Node: g.opt.Node}, g.policy.Load().WarnAt)
	if err != nil {
		g.records.Refused(peer, smtp.ReplyFor(err), over.Decisive.Data())
		return nil, err
	}
	s.record.Begin()
	s.visit.Note()
	for _, e := range connected.Events(&over) {
		s.record.Add(e)
	}
	return s, nil
}
