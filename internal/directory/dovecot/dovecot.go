package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// Options say where a Dovecot is and what to make of its answers.
type Options struct {
	// Name is what the configuration calls the directory.
	Name string
	// Address is the path of a UNIX socket, which begins with "/", or host and port.
	Address string
	// TrustNetwork allows a host that is no address of loopback. What passes is not
	// encrypted, passwords among it: it is for the network between containers of one
	// machine.
	TrustNetwork bool
	// Domain is that of user names without an "@"; "" where all have one.
	Domain string
	// Plan, Customer and Aliases are the extra fields of Dovecot's passdb that hold
	// them; "" for none. Aliases are apart by commas or spaces.
	Plan, Customer, Aliases string
	// Penalty lets Dovecot slow down clients that have failed before. Without it
	// that is the gate's business alone.
	Penalty bool
	// External says that this Dovecot takes the name of a user from the gate, by EXTERNAL
	// (RFC 4422 appendix A): "external" is among its auth_mechanisms, and
	// auth_ssl_username_from_cert is set.
	External bool
	// Tokens says that it is asked about bearer tokens, where it offers to be.
	Tokens bool
	// Exchanges is how many may be under way at once, at least 1. A client may take
	// its time between two steps.
	Exchanges int
}

const (
	// connectTimeout bounds a connection's beginning.
	connectTimeout = 5 * time.Second
	// lifetime bounds an exchange. Dovecot itself forgets one after 150 s.
	lifetime = 2 * time.Minute
)

// Dovecot is a directory.Source. It is safe for concurrent use, and bounds no time of
// a question or step of its own: directory.Guard does.
type Dovecot struct {
	opt      Options
	network  string
	domain   mail.Domain
	lifetime time.Duration
	stop     context.CancelFunc
	ending   context.Context // is over when Close is called
	running  sync.WaitGroup  // what connects

	mu      sync.Mutex // guards what follows; a link's is taken within it, never the other way
	current *link      // nil while there is none
	trying  *attempt   // nil while none is being made
	greeted *greeting  // the latest, nil where there was none
	open    int        // exchanges
}

var _ directory.Source = (*Dovecot)(nil)

// attempt is a connection that is being made.
type attempt struct {
	done chan struct{}
	link *link // these two are set before done is closed
	err  error
}

// New returns a Dovecot that has not connected yet. Errors: fault.Invalid for options
// that will not do.
func New(opt Options) (*Dovecot, error) {
	const op = "dovecot.new"
	d := &Dovecot{opt: opt, lifetime: lifetime}
	var all directory.OptionErrors
	if d.network, d.domain, all = read(opt); all != nil {
		return nil, fault.New(op, fault.Invalid, "directory %s: %v", opt.Name, all.First())
	}
	if opt.Exchanges < 1 {
		return nil, fault.New(op, fault.Invalid, "directory %s: one exchange at least must be allowed", opt.Name)
	}
	d.ending, d.stop = context.WithCancel(context.Background())
	return d, nil
}

// Check says what is wrong with the options, all at once.
func Check(opt Options) directory.OptionErrors {
	_, _, all := read(opt)
	return all
}

// read reads the options that are texts.
func read(opt Options) (network string, domain mail.Domain, all directory.OptionErrors) {
	network, err := networkOf(opt.Address, opt.TrustNetwork)
	all.Add("url", err)
	if opt.Domain != "" {
		if domain, err = mail.ParseDomain(opt.Domain); err != nil {
			all.Add("default_domain", fmt.Errorf("its domain %.100q is none", opt.Domain))
		}
	}
	for option, field := range map[string]string{"plan_attribute": opt.Plan, "customer_attribute": opt.Customer, "alias_attribute": opt.Aliases} {
		if slices.Contains([]string{"pass", "token", "resp"}, field) {
			all.Add(option, fmt.Errorf("the field %q of Dovecot's answers holds a secret", field))
		}
	}
	return network, domain, all
}

// networkOf says how an address is reached, and refuses one that passwords may not
// be sent to.
func networkOf(address string, trusted bool) (string, error) {
	if strings.HasPrefix(address, "/") {
		return "unix", nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return "", errors.New("its address must be the path of a socket, or have the form host:port")
	}
	a, err := netip.ParseAddr(host)
	if !trusted && (err != nil || !a.Unmap().IsLoopback()) {
		return "", errors.New("passwords go to its address unencrypted, so it must be a socket or an address of loopback such as 127.0.0.1:PORT; the network between containers must be trusted expressly")
	}
	return "tcp", nil
}

// Name implements directory.Source.
func (d *Dovecot) Name() string { return d.opt.Name }

// Close implements directory.Source. Exchanges that are under way end in
// fault.Unavailable.
func (d *Dovecot) Close() error {
	d.mu.Lock()
	d.stop() // within the lock, so that nothing begins to run after this
	d.mu.Unlock()
	d.running.Wait()
	return nil
}

var errClosed = errors.New("the directory is closed")

// Mechanisms connects where there is no connection, and returns what Dovecot offers,
// in its order. Errors: fault.Unavailable, fault.Canceled.
func (d *Dovecot) Mechanisms(ctx context.Context) ([]Mechanism, error) {
	l, err := d.connect(ctx)
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	return slices.Clone(l.greeted.offered), nil
}

// Offered returns what Dovecot has offered when it was last connected to, nil
// where it never was. It asks nothing.
func (d *Dovecot) Offered() []Mechanism {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.greeted == nil {
		return nil
	}
	return slices.Clone(d.greeted.offered)
}

// failed gives an error its kind.
func (d *Dovecot) failed(ctx context.Context, err error) error {
	return directory.Failed(ctx, "dovecot.ask", fmt.Errorf("the directory %s: %w", d.opt.Name, err))
}

// connect returns a connection. Those who want a new one at the same time wait for
// the same.
func (d *Dovecot) connect(ctx context.Context) (*link, error) {
	d.mu.Lock()
	if d.ending.Err() != nil {
		d.mu.Unlock()
		return nil, errClosed
	}
	if d.current != nil && d.current.isUsable() {
		defer d.mu.Unlock()
		return d.current, nil
	}
	a := d.trying
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		d.trying = a
		d.running.Go(func() { d.try(a) })
	}
	d.mu.Unlock()
	select {
	case <-a.done:
		return a.link, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// try makes a connection.
func (d *Dovecot) try(a *attempt) {
	a.link, a.err = d.dial()
	if a.err == nil {
		a.link.endsWith(d.ending)
	}
	d.mu.Lock()
	d.trying = nil
	if a.err == nil {
		d.current, d.greeted = a.link, a.link.greeted
	}
	d.mu.Unlock()
	close(a.done)
}

func (d *Dovecot) dial() (*link, error) {
	ctx, cancel := context.WithTimeout(d.ending, connectTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, d.network, d.opt.Address)
	if err != nil {
		return nil, err
	}
	// Where ctx ends, so does what waits on the connection.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	l, err := open(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// take counts an exchange that begins. It is followed by one release.
func (d *Dovecot) take() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.opt.Exchanges {
		return fault.New("dovecot.begin", fault.Busy, "directory %s has %d exchanges under way already", d.opt.Name, d.open)
	}
	d.open++
	return nil
}

// release counts an exchange that has ended.
func (d *Dovecot) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
}

// Ask implements directory.Source: PLAIN (RFC 4616), of which Dovecot tells nobody
// whether there is no such account or the password is wrong. Without a password
// nothing can be asked, as the protocol's clients look no accounts up.
func (d *Dovecot) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	const op = "dovecot.ask"
	switch {
	case q.Password == "":
		return nil, fault.New(op, fault.Invalid, "directory %s verifies passwords and looks nobody up", d.opt.Name)
	case strings.ContainsRune(q.Login+q.Password, 0): // which separates the parts of the message
		return nil, fault.New(op, fault.Unauthenticated, "")
	}
	x, err := d.Begin(ctx, "PLAIN", Info{Client: netip.AddrPortFrom(q.Client, 0), Session: q.Session})
	if err != nil {
		return nil, err
	}
	defer x.Cancel()
	_, done, err := x.Next(ctx, []byte("\x00"+q.Login+"\x00"+q.Password))
	if err == nil && !done {
		err = fault.New(op, fault.Corrupt, "directory %s has a question to a password", d.opt.Name)
	}
	if err != nil {
		return nil, err
	}
	return x.Account(), nil
}
