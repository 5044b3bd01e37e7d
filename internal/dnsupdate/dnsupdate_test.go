package dnsupdate

import (
	"context"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"countersign/internal/fault"
)

const secret = "of at least thirty-two octets, as said"

// primary is a server of dkim.example.net that takes signed updates.
type primary struct {
	mu      sync.Mutex // guards what follows
	records map[string][]string
	answer  func(m *dns.Msg) // changes what is answered
	silent  bool
}

func serve(t *testing.T) (*primary, *Zone) {
	t.Helper()
	p := &primary{records: map[string][]string{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{
		Listener: l, Handler: p, TsigSecret: map[string]string{"gate.": base64.StdEncoding.EncodeToString([]byte(secret))},
		MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept },
	}
	done := make(chan struct{})
	go func() { defer close(done); s.ActivateAndServe() }()
	t.Cleanup(func() { l.Close(); <-done })
	return p, &Zone{
		Name: "dkim.example.net", Server: netip.MustParseAddrPort(l.Addr().String()), Key: "gate", Secret: []byte(secret),
		TTL: 5 * time.Minute, Timeout: 5 * time.Second, Now: time.Now,
	}
}

func (p *primary) ServeDNS(w dns.ResponseWriter, m *dns.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return
	}
	reply := new(dns.Msg).SetReply(m)
	if m.IsTsig() == nil || w.TsigStatus() != nil {
		reply.Rcode = dns.RcodeNotAuth
		w.WriteMsg(reply)
		return
	}
	for _, rr := range m.Ns {
		h := rr.Header()
		switch txt, ok := rr.(*dns.TXT); {
		case h.Class == dns.ClassANY && h.Rrtype == dns.TypeTXT:
			delete(p.records, h.Name)
		case ok && h.Class == dns.ClassNONE && h.Ttl == 0:
			p.records[h.Name] = slices.DeleteFunc(p.records[h.Name], func(s string) bool { return s == strings.Join(txt.Txt, "") })
		case ok && h.Class == dns.ClassINET && h.Ttl == 300:
			p.records[h.Name] = append(p.records[h.Name], strings.Join(txt.Txt, ""))
		default:
			reply.Rcode = dns.RcodeFormatError
		}
	}
	reply.SetTsig("gate.", dns.HmacSHA256, 300, time.Now().Unix())
	if p.answer != nil {
		p.answer(reply)
	}
	w.WriteMsg(reply)
}

func (p *primary) has(name string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.records[name], "|")
}

// TestSetAndRemove: a record is there once, whatever was there, also one that is longer
// than a string of DNS, and goes again.
func TestSetAndRemove(t *testing.T) {
	p, z := serve(t)
	ctx := t.Context()
	const name = "cs-rsa-a.example.org.dkim.example.net"
	long := "v=DKIM1; k=rsa; p=" + strings.Repeat("A", 400)
	for _, text := range []string{"v=DKIM1; k=ed25519; p=AAAA", long, long} {
		if err := z.Set(ctx, name, text); err != nil {
			t.Fatal(err)
		}
		if got := p.has(name + "."); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if err := z.Remove(ctx, name, "v=DKIM1; k=ed25519; p=AAAA"); err != nil || p.has(name+".") != long {
		t.Errorf("what was there before is removed: %q, %v", p.has(name+"."), err)
	}
	for range 2 {
		if err := z.Remove(ctx, name, long); err != nil {
			t.Fatal(err)
		}
		if got := p.has(name + "."); got != "" {
			t.Errorf("it is still there: %q", got)
		}
	}
}

func TestWhatGoesWrong(t *testing.T) {
	const name = "a.dkim.example.net"
	set := func(z *Zone) error { return z.Set(t.Context(), name, "x") }
	for what, c := range map[string]struct {
		change func(*primary, *Zone)
		name   string
		kind   fault.Kind
		says   string
	}{
		"another secret":       {func(_ *primary, z *Zone) { z.Secret = []byte("another") }, name, fault.Denied, "another secret"},
		"an unknown key":       {func(_ *primary, z *Zone) { z.Key = "nobody" }, name, fault.Denied, "does not know the key nobody"},
		"outside the zone":     {func(*primary, *Zone) {}, "a.example.org", fault.Invalid, "is not in the zone"},
		"not of this key":      {func(p *primary, _ *Zone) { p.answer = func(m *dns.Msg) { m.Rcode = dns.RcodeRefused } }, name, fault.Denied, "does not let the key gate write"},
		"a server in trouble":  {func(p *primary, _ *Zone) { p.answer = func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure } }, name, fault.Unavailable, "SERVFAIL"},
		"an unsigned answer":   {func(p *primary, _ *Zone) { p.answer = func(m *dns.Msg) { m.Extra = nil } }, name, fault.Unavailable, "not signed"},
		"a server that is off": {func(_ *primary, z *Zone) { z.Server = netip.MustParseAddrPort("127.0.0.1:1") }, name, fault.Unavailable, "cannot be written to"},
		"a silent server":      {func(p *primary, z *Zone) { p.silent, z.Timeout = true, 100*time.Millisecond }, name, fault.Unavailable, "cannot be written to"},
	} {
		t.Run(what, func(t *testing.T) {
			p, z := serve(t)
			c.change(p, z)
			err := z.Set(t.Context(), c.name, "x")
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %v with %q", err, c.kind, c.says)
			}
		})
	}
	_, z := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := z.Set(ctx, name, "x"); err == nil {
		t.Error("no error where nobody waits any more")
	}
	if err := set(z); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
