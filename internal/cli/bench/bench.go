// Package bench is the command that puts load on a gate and says how fast it
// is: it turns flags into a load, has package loadgen send and count it, and
// prints one JSON object.
//
// It knows nothing of the gate that it measures but its address, and opens
// neither its configuration nor its store.
//
// Main types: Command (flags and work).
package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"countersign/internal/loadgen"
)

// Command is "countersign bench": the load generator and the measuring sink.
type Command struct {
	Address       string        `help:"The server's host:port." default:"127.0.0.1:587"`
	ImplicitTLS   bool          `help:"TLS from the first octet (port 465) instead of STARTTLS." name:"implicit-tls"`
	CAFile        string        `help:"Roots in PEM that the server's certificate verifies with; the system's where left out." name:"ca-file" type:"existingfile"`
	ServerName    string        `help:"The name in the server's certificate; that of the address where left out."`
	Login         string        `help:"The account; its password is read from standard input." xor:"who" required:""`
	Accounts      string        `help:"A file of accounts, on each line a login, a blank and its password: each connection is another one's, in turns." type:"existingfile" xor:"who" required:""`
	Clients       string        `help:"Say by a PROXY header that each connection comes from another address of this network, in turns; the listener must have this machine among its proxies." placeholder:"PREFIX"`
	From          string        `help:"Sender address; the login where left out."`
	To            []string      `help:"Recipients of each message." default:"nobody@example.invalid"`
	Connections   int           `help:"Connections at the same time." default:"32"`
	Messages      int           `help:"Messages in all." default:"1000"`
	PerConnection int           `help:"Messages for each connection; 0 for no end." default:"0"`
	Size          int           `help:"Octets of each message." default:"4096"`
	Sink          string        `help:"Loopback address to receive and count at; none where left out."`
	Wait          time.Duration `help:"How long the last delivery is waited for." default:"120s"`
	PID           int           `help:"The server's process on this machine, to read its processor time and memory." name:"pid"`
	Idle          int           `help:"Instead of sending, hold so many authenticated sessions and print the server's memory for each."`
}

// Do reads the password from in, measures until it is done or told to stop by
// a signal, and prints one JSON object to out. The error says why nothing, or
// not all, was measured.
func (c *Command) Do(in io.Reader, out io.Writer) error {
	crowd, err := c.crowd(in)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	load, err := c.options(crowd)
	if err != nil {
		return err
	}
	if c.Idle > 0 {
		rep, err := c.idle(ctx, load)
		if err != nil {
			return err
		}
		return printJSON(out, rep)
	}
	rep, err := loadgen.Measure(ctx, loadgen.Plan{Load: load, Sink: c.Sink, Wait: c.Wait, PID: c.PID})
	if rep.Load.Seconds == 0 { // nothing has been tried
		return err
	}
	if ctx.Err() != nil {
		err = errors.New("stopped by a signal; these are the figures until then")
	}
	if err == nil && rep.Load.Accepted == 0 {
		err = fmt.Errorf("no message was accepted: %s", rep.Load.FirstError)
	}
	return errors.Join(err, printJSON(out, rep))
}

// printJSON prints one object over several lines.
func printJSON(out io.Writer, object any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(object)
}

// options says what to send, and as whom.
func (c *Command) options(as *crowd) (loadgen.Options, error) {
	conf := &tls.Config{ServerName: c.ServerName}
	if conf.ServerName == "" {
		conf.ServerName = c.host()
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return loadgen.Options{}, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return loadgen.Options{}, fmt.Errorf("%s holds no certificate in PEM form", c.CAFile)
		}
	}
	return loadgen.Options{
		Address: c.Address, ImplicitTLS: c.ImplicitTLS, TLS: conf,
		Change: as.change, To: c.To,
		Connections: c.Connections, Messages: c.Messages, PerConnection: c.PerConnection, Size: c.Size,
	}, nil
}

// host is the name in the address.
func (c *Command) host() string {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return c.Address
	}
	return host
}

// idleReport is the memory that idle sessions cost.
type idleReport struct {
	Sessions      int     `json:"sessions"`
	BeforeKiB     int64   `json:"resident_kib_before"`
	WithKiB       int64   `json:"resident_kib_with"`
	KiBPerSession float64 `json:"kib_per_session"`
}

// idle opens sessions, waits a moment for the server to settle, and measures.
func (c *Command) idle(ctx context.Context, load loadgen.Options) (*idleReport, error) {
	if c.PID == 0 {
		return nil, fmt.Errorf("--idle needs --pid, the server's process on this machine")
	}
	// One session first: hash pool and TLS tables are not a session's cost.
	if err := loadgen.Idle(ctx, load, 1, func() {}); err != nil {
		return nil, err
	}
	before, err := loadgen.ReadUsage(c.PID)
	if err != nil {
		return nil, err
	}
	rep := &idleReport{Sessions: c.Idle, BeforeKiB: before.ResidentKiB}
	err = loadgen.Idle(ctx, load, c.Idle, func() {
		// The server gives back what the handshakes needed within its next
		// collection; the figure is the least seen meanwhile.
		end := time.After(c.Wait)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			if u, err := loadgen.ReadUsage(c.PID); err == nil && (rep.WithKiB == 0 || u.ResidentKiB < rep.WithKiB) {
				rep.WithKiB = u.ResidentKiB
			}
			select {
			case <-tick.C:
			case <-end:
				return
			case <-ctx.Done():
				return
			}
		}
	})
	rep.KiBPerSession = float64(rep.WithKiB-rep.BeforeKiB) / float64(rep.Sessions)
	return rep, err
}
