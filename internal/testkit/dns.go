package testkit

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Trouble is what a DNS double does with questions about one name in place of
// an answer.
type Trouble int

// The troubles.
const (
	// ServFail answers SERVFAIL.
	ServFail Trouble = iota + 1
	// Refuse answers REFUSED.
	Refuse
	// Silence answers nothing.
	Silence
	// Truncate cuts answers over UDP off.
	Truncate
	// OtherName answers as if another name had been asked for.
	OtherName
)

// DNS is a name server with a zone in memory. Names that it has no record of
// do not exist; where a name above has an SOA record, it stands beside the answer that
// there is nothing. Over UDP it cuts off what is longer than the client takes. It is safe
// for concurrent use.
type DNS struct {
	t    testing.TB
	addr netip.AddrPort

	mu       sync.Mutex // guards what follows
	records  map[string][]dns.RR
	troubles map[string]Trouble
	queries  map[string]int
}

// NewDNS starts a name server on a loopback port, over UDP and TCP, until the
// test ends.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{t: t, records: map[string][]dns.RR{}, troubles: map[string]Trouble{}, queries: map[string]int{}}
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", stream.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d.addr = netip.MustParseAddrPort(stream.Addr().String())
	for _, s := range []*dns.Server{{Listener: stream, Handler: d}, {PacketConn: packets, Handler: d}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.ActivateAndServe(); err != nil {
				t.Errorf("name server double: %v", err)
			}
		})
		<-started
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Errorf("name server double: %v", err)
			}
			wg.Wait()
		})
	}
	return d
}

// Addr returns where the server listens.
func (d *DNS) Addr() netip.AddrPort { return d.addr }

// Add adds records in the form of a zone file: "example.org. 60 IN MX 10
// mx.example.org.".
func (d *DNS) Add(records ...string) {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			d.t.Fatal(err)
		}
		name := strings.ToLower(rr.Header().Name)
		d.records[name] = append(d.records[name], rr)
	}
}

// Remove removes the records of a name, given with its trailing dot.
func (d *DNS) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.records, name)
}

// Break makes questions about a name, with its trailing dot, end in trouble; 0
// mends it.
func (d *DNS) Break(name string, trouble Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.troubles[name] = trouble
}

// Queries returns how often a name was asked for.
func (d *DNS) Queries(name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.queries[name]
}

// ServeDNS implements dns.Handler.
func (d *DNS) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := strings.ToLower(q.Question[0].Name)
	d.mu.Lock()
	d.queries[name]++
	trouble := d.troubles[name]
	answer := d.answer(q, name)
	d.mu.Unlock()
	switch trouble {
	case Silence:
		return
	case ServFail:
		answer = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	case Refuse:
		answer = new(dns.Msg).SetRcode(q, dns.RcodeRefused)
	case OtherName:
		answer.Question[0].Name = "other.example."
	case Truncate:
		if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
			answer.Answer, answer.Truncated = nil, true
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		size := dns.MinMsgSize
		if opt := q.IsEdns0(); opt != nil {
			size = int(opt.UDPSize())
		}
		answer.Truncate(size)
	}
	if err := w.WriteMsg(answer); err != nil {
		d.t.Errorf("name server double: %v", err)
	}
}

// answer looks a name up and follows its aliases. The lock is held.
func (d *DNS) answer(q *dns.Msg, name string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for range 20 {
		all, exists := d.records[name]
		if !exists {
			m.Rcode = dns.RcodeNameError
			m.Ns = d.authority(name)
			return m
		}
		alias := ""
		for _, rr := range all {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, rr)
			} else if c, ok := rr.(*dns.CNAME); ok {
				m.Answer = append(m.Answer, rr)
				alias = strings.ToLower(c.Target)
			}
		}
		if alias == "" {
			if len(m.Answer) == 0 {
				m.Ns = d.authority(name)
			}
			return m
		}
		name = alias
	}
	return m
}

// authority returns the SOA record of the zone that a name is in. The lock is held.
func (d *DNS) authority(name string) []dns.RR {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		for _, rr := range d.records[name[off:]] {
			if rr.Header().Rrtype == dns.TypeSOA {
				return []dns.RR{rr}
			}
		}
	}
	return nil
}
