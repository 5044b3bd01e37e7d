package mx

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"countersign/internal/fault"
)

// ClientOptions say whom a Client asks. The zero value asks the servers of
// /etc/resolv.conf.
type ClientOptions struct {
	// Servers are asked in this order; empty means those of ResolvConf.
	Servers []netip.AddrPort
	// ResolvConf is read where Servers is empty; "" is /etc/resolv.conf.
	ResolvConf string
	// Timeout bounds one query to one server; 0 means 5 seconds.
	Timeout time.Duration
	// Rounds is how often all servers are asked before giving up; 0 means 2.
	Rounds int
	// CacheSize bounds the answers kept; 0 means 10,000, less than 0 none.
	CacheSize int
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Client is a Resolver that asks recursive name servers. It is safe for
// concurrent use.
type Client struct {
	servers []string
	timeout time.Duration
	rounds  int
	cache   *cache
	now     func() time.Time
}

var _ Resolver = (*Client)(nil)

// udpSize is the size of answers over UDP that is offered (RFC 6891 section
// 6.2.5); the value avoids fragments.
const udpSize = 1232

// maxChain bounds the CNAME records that are followed within one answer.
const maxChain = 10

// NewClient returns a Client. Errors: fault.Invalid where resolv.conf cannot
// be read or names no server.
func NewClient(o ClientOptions) (*Client, error) {
	c := &Client{timeout: o.Timeout, rounds: o.Rounds, now: o.Now}
	for _, s := range o.Servers {
		c.servers = append(c.servers, s.String())
	}
	if len(c.servers) == 0 {
		servers, err := systemServers(o.ResolvConf)
		if err != nil {
			return nil, fault.Wrap("mx.client", fault.Invalid, err)
		}
		c.servers = servers
	}
	if c.timeout <= 0 {
		c.timeout = 5 * time.Second
	}
	if c.rounds <= 0 {
		c.rounds = 2
	}
	if c.now == nil {
		c.now = time.Now
	}
	if o.CacheSize == 0 {
		o.CacheSize = 10_000
	}
	c.cache = newCache(o.CacheSize)
	return c, nil
}

// systemServers reads the name servers of a resolv.conf.
func systemServers(path string) ([]string, error) {
	if path == "" {
		path = "/etc/resolv.conf"
	}
	conf, err := dns.ClientConfigFromFile(path)
	if err != nil {
		return nil, err
	}
	var servers []string
	for _, s := range conf.Servers {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			continue
		}
		servers = append(servers, netip.AddrPortFrom(addr, 53).String())
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("%s names no name server", path)
	}
	return servers, nil
}

// LookupMX implements Resolver.
func (c *Client) LookupMX(ctx context.Context, domain string) ([]Record, error) {
	answers, err := c.lookup(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, err
	}
	var records []Record
	for _, rr := range answers {
		if m, ok := rr.(*dns.MX); ok {
			records = append(records, Record{Preference: m.Preference, Host: plainName(m.Mx)})
		}
	}
	return records, nil
}

// LookupIP implements Resolver. The addresses of one family are enough where
// the question for the other failed.
func (c *Client) LookupIP(ctx context.Context, host string) ([]netip.Addr, error) {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		// RFC 6761 section 6.3: name servers are not asked for these.
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	var found [2][]netip.Addr
	var errs [2]error
	var wg sync.WaitGroup
	for i, qtype := range []uint16{dns.TypeAAAA, dns.TypeA} {
		wg.Go(func() {
			answers, err := c.lookup(ctx, host, qtype)
			found[i], errs[i] = addresses(answers), err
		})
	}
	wg.Wait()
	all := append(found[0], found[1]...)
	if len(all) > 0 {
		return all, nil
	}
	for _, err := range errs { // what may be known later outweighs the rest
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	return nil, errors.Join(errs[0], errs[1])
}

// addresses takes the addresses out of an answer.
func addresses(answers []dns.RR) []netip.Addr {
	var all []netip.Addr
	for _, rr := range answers {
		var ip netip.Addr
		var ok bool
		switch rr := rr.(type) {
		case *dns.A:
			ip, ok = netip.AddrFromSlice(rr.A)
		case *dns.AAAA:
			ip, ok = netip.AddrFromSlice(rr.AAAA)
		}
		if ok {
			all = append(all, ip.Unmap())
		}
	}
	return all
}

// plainName turns a name of the wire into ours.
func plainName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// lookup returns the records of a type that a name leads to, from the cache or
// from a server.
func (c *Client) lookup(ctx context.Context, name string, qtype uint16) ([]dns.RR, error) {
	known, err := c.learn(ctx, name, qtype)
	return known.records, err
}

// learn is lookup with how long the answer holds. Where the name does not exist,
// the error is NotFound and the answer says for how long.
func (c *Client) learn(ctx context.Context, name string, qtype uint16) (answer, error) {
	q := question{name: plainName(name), qtype: qtype}
	if known, ok := c.cache.get(q, c.now()); ok {
		return known, nil
	}
	if _, ok := dns.IsDomainName(q.name); !ok || q.name == "" {
		return answer{until: c.now().Add(maxTTL)}, failure(fault.NotFound, ReasonNoDomain, q.name, errors.New("not a name"))
	}
	m, err := c.ask(ctx, q)
	if err != nil {
		return answer{}, failure(fault.Unavailable, ReasonUnavailable, q.name, err)
	}
	if m.Rcode == dns.RcodeNameError {
		return answer{until: c.now().Add(negativeTTL(m))}, failure(fault.NotFound, ReasonNoDomain, q.name, nil)
	}
	records, chain := follow(m.Answer, q)
	if len(records) == 0 {
		return answer{until: c.now().Add(negativeTTL(m)), endless: len(chain) == maxChain}, nil
	}
	return c.cache.put(q, records, leastTTL(records, chain), c.now()), nil
}

// ask asks the servers in turn until one gives an answer that counts. SERVFAIL, REFUSED and the
// like say something of the server and not of the name.
func (c *Client) ask(ctx context.Context, q question) (*dns.Msg, error) {
	var errs []error
	for range c.rounds {
		for _, server := range c.servers {
			answer, err := c.exchange(ctx, q, server)
			if err == nil && (answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError) {
				return answer, nil
			}
			if err == nil {
				err = errors.New(dns.RcodeToString[answer.Rcode])
			}
			errs = append(errs, fmt.Errorf("%s: %w", server, err))
			if ctx.Err() != nil {
				return nil, errors.Join(errs...)
			}
		}
	}
	return nil, errors.Join(errs...)
}

// exchange asks one server, over UDP and, where the answer was cut off, over
// TCP (RFC 7766 section 5).
func (c *Client) exchange(ctx context.Context, q question, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	query := new(dns.Msg)
	query.SetQuestion(dns.Fqdn(q.name), q.qtype)
	query.SetEdns0(udpSize, false)
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: c.timeout, UDPSize: udpSize}
		answer, _, err := client.ExchangeContext(ctx, query, server)
		if err != nil {
			return nil, err
		}
		if !answers(answer, query) {
			return nil, errors.New("the answer is to another question")
		}
		if !answer.Truncated {
			return answer, nil
		}
	}
	return nil, errors.New("the answer was cut off over TCP")
}

// answers reports whether a repeats the question of q (RFC 5452 section 9.1).
func answers(a, q *dns.Msg) bool {
	return a.Response && len(a.Question) == 1 &&
		a.Question[0].Qtype == q.Question[0].Qtype &&
		strings.EqualFold(a.Question[0].Name, q.Question[0].Name)
}

// follow returns the records of the asked type at the end of the chain of CNAME
// records that begins at the asked name, and that chain.
func follow(all []dns.RR, q question) (records, chain []dns.RR) {
	name := q.name
	for range maxChain {
		var found []dns.RR
		for _, rr := range all {
			if rr.Header().Rrtype == q.qtype && plainName(rr.Header().Name) == name {
				found = append(found, rr)
			}
		}
		if len(found) > 0 {
			return found, chain
		}
		i := slices.IndexFunc(all, func(rr dns.RR) bool {
			return rr.Header().Rrtype == dns.TypeCNAME && plainName(rr.Header().Name) == name
		})
		if i < 0 {
			return nil, chain
		}
		cname, ok := all[i].(*dns.CNAME)
		if !ok {
			return nil, chain
		}
		chain = append(chain, cname)
		name = plainName(cname.Target)
	}
	return nil, chain
}
