package bench

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/netip"
	"os"
	"strings"

	"countersign/internal/cli/password"
	"countersign/internal/loadgen"
)

// crowd is as whom a load comes, and from where: the first connection is that of the first
// account, and so on, and behind the last the first comes again. It is used concurrently.
type crowd struct {
	accounts []login
	// from is the sender of all; "" for the login of each.
	from string
	// clients is the network that they come from; the zero value for this machine.
	clients netip.Prefix
}

// login is one account.
type login struct{ name, password string }

// crowd reads who is to log in: from a file, or one password from in.
func (c *Command) crowd(in io.Reader) (*crowd, error) {
	all := &crowd{from: c.From}
	if c.Clients != "" {
		p, err := netip.ParsePrefix(c.Clients)
		if err != nil {
			return nil, fmt.Errorf("--clients: %w", err)
		}
		all.clients = p.Masked()
	}
	if c.Accounts == "" {
		secret, err := password.Line(in)
		all.accounts = []login{{c.Login, secret}}
		return all, err
	}
	var err error
	all.accounts, err = readAccounts(c.Accounts)
	return all, err
}

// readAccounts reads a file of accounts. Empty lines are left out.
func readAccounts(path string) (list []login, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if line == "" {
			continue
		}
		name, secret, ok := strings.Cut(line, " ")
		if !ok || name == "" || secret == "" {
			return nil, fmt.Errorf("%s: line %d is not a login, a blank and a password", path, n)
		}
		list = append(list, login{name, secret})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no account", path)
	}
	return list, nil
}

// change says as whom a connection of a load comes.
func (w *crowd) change(connection int, o *loadgen.Options) {
	who := w.accounts[(connection-1)%len(w.accounts)]
	o.Login, o.Password, o.From = who.name, who.password, w.from
	if o.From == "" {
		o.From = who.name
	}
	if w.clients.IsValid() {
		o.Client = nth(w.clients, uint32(connection-1))
	}
}

// nth returns the address of a number in a network, in turns: of the last 32 bits those that
// are behind its length count up.
func nth(p netip.Prefix, n uint32) netip.Addr {
	if free := p.Addr().BitLen() - p.Bits(); free < 32 {
		n &= math.MaxUint32 >> (32 - free)
	}
	b := p.Addr().AsSlice()
	for i := 0; i < 4; i++ {
		b[len(b)-1-i] |= byte(n >> (8 * i))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
