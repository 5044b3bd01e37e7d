package guard

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"countersign/internal/access/familiar"
)

// Why an attempt is turned away before anything is verified.
var (
	// ErrTooSoon: the answer to the last wrong secret is still due.
	ErrTooSoon = errors.New("too-soon")
	// ErrLoginClosed: the login is guessed at from many networks, and does not know this one.
	ErrLoginClosed = errors.New("login-closed")
	// ErrNetworkClosed: many logins have failed from the network, and this one is not known
	// there.
	ErrNetworkClosed = errors.New("network-closed")
	// ErrBarred: a ban is on its way.
	ErrBarred = errors.New("ban-on-its-way")
	// ErrCrowded: as much as may fail for the login, or from the network, is being verified.
	ErrCrowded = errors.New("crowded")
)

// All lists the reasons.
func All() []error {
	return []error{ErrTooSoon, ErrLoginClosed, ErrNetworkClosed, ErrBarred, ErrCrowded}
}

// Failure is an attempt that has failed through the client's fault.
type Failure struct {
	Client netip.Addr
	// Login is the one that was tried, as Record has it.
	Login string
	// Missing says that nobody has it.
	Missing bool
	// Digest is of the secret, where Seen says that it was seen.
	Digest uint16
	Seen   bool
	// Closed says that its network is closed: it counts and waits, and nothing else comes of
	// it.
	Closed bool
	// Left says that the client has left the exchange unanswered.
	Left bool
	// Device is what the client calls itself; "" where it does not say.
	Device string
}

// Rule names why something is done.
type Rule string

// The rules.
const (
	RuleSecrets Rule = "secrets" // many secrets for one login from one network
	RuleNames   Rule = "names"   // many logins from one network
	RuleSources Rule = "sources" // one login from many networks
)

// Action is what the guard has decided to do.
type Action struct {
	Rule Rule
	// Network is banned, or closed; invalid where Login is closed wherever it comes from.
	Network netip.Prefix
	// Login is banned from Network, or closed; "" for everybody there.
	Login string
	// Ban says that it is to be banned, else it is closed from now on, until Until at least.
	Ban   bool
	Until time.Time
	// Count is what was too much.
	Count int
	// Shadow says that nothing is done.
	Shadow bool
}

// Options are what a Guard is made of. All fields are needed.
type Options struct {
	Rules Rules
	Now   func() time.Time
	// Draw makes of a network and a window a number that nobody else can tell, the same on all
	// gates that share the store.
	Draw func(network, window string) uint16
	// Device makes of a login and of what its client calls itself, in letters of any case, what
	// stands for it on all gates that share the store, never 0. It is asked by several at once.
	Device func(login, name string) uint32
	// Act is told of what was decided. It must not wait, nor ask the Guard.
	Act func(Action)
}

// Guard decides. It is safe for concurrent use, and waits for nobody.
type Guard struct {
	opt Options

	mu    sync.Mutex // guards below
	rules Rules
	marks *marks
	known *familiar.Networks
	// flying counts the attempts that are being verified, by login, by narrow network, and by
	// login and network.
	flying map[key]int
	// flyingBy counts those from a narrow network by what their devices call themselves, too.
	flyingBy map[flight]int
	// changed are the marks that are to be stored, visited the logins that came in, each
	// with when.
	changed map[key]bool
	visited map[key]time.Time
}

// New returns a Guard that knows nothing yet.
func New(o Options) *Guard {
	return &Guard{
		opt: o, rules: o.Rules, marks: newMarks(o.Rules.MaxMarks), known: familiar.New(o.Rules.Known, o.Rules.MaxKnown),
		flying: map[key]int{}, flyingBy: map[flight]int{}, changed: map[key]bool{}, visited: map[key]time.Time{},
	}
}

// SetRules changes the rules, bounds of memory apart, for all that comes.
func (g *Guard) SetRules(r Rules) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r.MaxMarks, r.MaxKnown = g.rules.MaxMarks, g.rules.MaxKnown
	g.rules = r
	g.known.SetKeep(r.Known)
}

// Rules returns those in force.
func (g *Guard) Rules() Rules {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rules
}

// Size returns how much is kept of failures and of successes.
func (g *Guard) Size() (marks, known int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, _ = g.known.Len()
	return len(g.marks.all), known
}

// now is the clock in whole seconds, as records have it.
func (g *Guard) now() time.Time { return g.opt.Now().UTC().Truncate(time.Second) }
