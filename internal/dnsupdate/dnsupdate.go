// Package dnsupdate writes TXT records into a zone that we may write to: dynamic
// updates (RFC 2136), signed with a shared secret (RFC 8945).
//
// It asks no questions: package mx reads DNS. It knows nothing of what the records say.
//
// Main type: Zone.
package dnsupdate

import (
	"context"
	"encoding/base64"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// fudge is how far apart clocks may be, in seconds (RFC 8945 section 10).
const fudge = 300

// Zone is one that we may write to. It is safe for concurrent use.
type Zone struct {
	// Name is the zone.
	Name mail.Domain
	// Server is its primary server.
	Server netip.AddrPort
	// Key is the name of the shared secret, Secret the secret itself, in octets.
	Key    string
	Secret []byte
	// TTL is how long others may keep a record that we wrote.
	TTL time.Duration
	// Timeout bounds one update.
	Timeout time.Duration
	// Now is the clock that updates are dated by.
	Now func() time.Time
}

// Set makes text the one TXT record of a name, without a trailing dot, in the zone. Errors:
// fault.Denied where the server does not let us, fault.Unavailable where it does not answer,
// or cannot do it now, fault.Invalid for a name outside the zone.
func (z *Zone) Set(ctx context.Context, name, text string) error {
	record := z.record(name, text)
	return z.update(ctx, name, func(m *dns.Msg) {
		m.RemoveRRset([]dns.RR{record}) // RFC 2136 section 2.5.2
		m.Insert([]dns.RR{record})
	})
}

// Remove removes the TXT record of a name that has this text, and no other one, which may
// have been set since; that there is none is no error. Other errors are those of Set.
func (z *Zone) Remove(ctx context.Context, name, text string) error {
	return z.update(ctx, name, func(m *dns.Msg) {
		m.Remove([]dns.RR{z.record(name, text)}) // RFC 2136 section 2.5.4
	})
}

// record is the TXT record that Set makes.
func (z *Zone) record(name, text string) *dns.TXT {
	return &dns.TXT{
		Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: uint32(z.TTL / time.Second)},
		Txt: pieces(text),
	}
}

// update sends one update over TCP, whose answer has to be signed too.
func (z *Zone) update(ctx context.Context, name string, change func(*dns.Msg)) error {
	const op = "dnsupdate.update"
	zone := dns.Fqdn(z.Name.String())
	if !dns.IsSubDomain(zone, dns.Fqdn(name)) {
		return fault.New(op, fault.Invalid, "%s is not in the zone %s", name, z.Name)
	}
	message := new(dns.Msg).SetUpdate(zone)
	change(message)
	key := dns.CanonicalName(z.Key)
	message.SetTsig(key, dns.HmacSHA256, fudge, z.Now().Unix())
	client := &dns.Client{
		Net: "tcp", Timeout: z.Timeout,
		TsigSecret: map[string]string{key: base64.StdEncoding.EncodeToString(z.Secret)},
	}
	ctx, cancel := context.WithTimeout(ctx, z.Timeout)
	defer cancel()
	answer, _, err := client.ExchangeContext(ctx, message, z.Server.String())
	switch {
	case err != nil && answer != nil && answer.Rcode == dns.RcodeNotAuth, err == nil && answer.Rcode == dns.RcodeNotAuth:
		return fault.New(op, fault.Denied, "the server %s does not know the key %s for the zone %s, or has another secret, or another time", z.Server, z.Key, z.Name)
	case err != nil:
		return fault.New(op, fault.Unavailable, "the zone %s at %s cannot be written to: %v", z.Name, z.Server, err)
	case answer.IsTsig() == nil:
		return fault.New(op, fault.Unavailable, "the answer of %s about the zone %s is not signed", z.Server, z.Name)
	case answer.Rcode == dns.RcodeRefused:
		return fault.New(op, fault.Denied, "the server %s does not let the key %s write %s", z.Server, z.Key, name)
	case answer.Rcode != dns.RcodeSuccess:
		return fault.New(op, fault.Unavailable, "the server %s answers %s to a change of %s", z.Server, strings.ToUpper(dns.RcodeToString[answer.Rcode]), name)
	}
	return nil
}

// pieces cuts a text into the strings that a TXT record consists of (RFC 1035 section 3.3.14).
func pieces(text string) []string {
	const most = 255
	var list []string
	for len(text) > most {
		list, text = append(list, text[:most]), text[most:]
	}
	return append(list, text)
}
