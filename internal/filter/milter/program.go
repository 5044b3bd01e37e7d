package milter

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/d--j/go-milter"

	"countersign/internal/fault"
	"countersign/internal/filter"
)

// Options say where a program is, and how long it may take.
type Options struct {
	// Network is "unix" or "tcp", Address the path or host:port.
	Network, Address string
	// Connect is the longest that making the connection may take, Step that of one command:
	// until all of its answer is there, or word that the program goes on. Above 0. All of the
	// conversation is bounded by the context.
	Connect, Step time.Duration
	// MaxBody is the most octets of a body that it may put in place of a message's.
	MaxBody int64
}

// Program is one that speaks milter. It is safe for concurrent use.
type Program struct {
	opt Options
	// dial makes a connection; tests have others.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

var _ filter.Program = (*Program)(nil)

// New returns a Program. Errors: fault.Invalid for options out of their bounds.
func New(opt Options) (*Program, error) {
	switch {
	case opt.Network != "unix" && opt.Network != "tcp", opt.Address == "":
		return nil, fault.New("milter.new", fault.Invalid, "a filter is reached by unix or tcp, at an address")
	case opt.Connect <= 0 || opt.Step <= 0:
		return nil, fault.New("milter.new", fault.Invalid, "the time-outs of a filter must be above 0")
	}
	dialer := net.Dialer{Timeout: opt.Connect}
	return &Program{opt: opt, dial: dialer.DialContext}, nil
}

// Ask implements filter.Program.
func (p *Program) Ask(ctx context.Context, m *filter.Message) (*filter.Answer, error) {
	macros := macrosOf(m)
	session, w, err := p.open(ctx, macros)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	c := conversation{session: session, wire: w, macros: macros, m: m}
	answer, err := c.run()
	if err != nil && w.err != nil {
		err = w.err // the library's words for it are about its own
	}
	return answer, err
}

// Probe implements filter.Program: it makes a connection and negotiates.
func (p *Program) Probe(ctx context.Context) error {
	session, _, err := p.open(ctx, nil)
	if err != nil {
		return err
	}
	return session.Close()
}

// open makes a connection and negotiates. Its errors wrap filter.ErrNotReached.
func (p *Program) open(ctx context.Context, macros milter.Macros) (*milter.ClientSession, *wire, error) {
	d := &dialer{ctx: ctx, program: p}
	options := append(macroRequests(),
		milter.WithDialer(d), milter.WithReadTimeout(0), milter.WithWriteTimeout(0), // wire sees to the time
		// All is offered: some programs refuse to talk to a server that offers less than
		// they might want. What one may do is judged when it wants it.
		milter.WithActions(milter.AllClientSupportedActionMasks))
	session, err := milter.NewClient(p.opt.Network, p.opt.Address, options...).Session(macros)
	if err != nil {
		if d.wire != nil && d.wire.err != nil {
			err = d.wire.err
		}
		return nil, nil, fmt.Errorf("%w: %w", filter.ErrNotReached, err)
	}
	return session, d.wire, nil
}

// dialer makes one connection for the library.
type dialer struct {
	ctx     context.Context
	program *Program
	wire    *wire
}

// Dial implements milter.Dialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := d.program.dial(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.wire = newWire(d.ctx, conn, d.program.opt)
	return d.wire, nil
}
