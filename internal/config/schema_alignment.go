package config

import "net/netip"

// Alignment is table [alignment].
type Alignment struct {
	// What is done about a message that will fail DMARC at its receivers, as neither its
	// DKIM key is published nor SPF allows this gate: "warn" accepts it with an event in the
	// record; "hold" accepts and holds it; "refuse" answers 550 with the DNS record to
	// publish. Hold and refuse are for domains whose policy is quarantine or reject; others are
	// warned of. "off" asks nothing for a message. What DNS does not say in time is accepted. For one domain
	// "countersign domain set" has another, which decides over all that stands here.
	Action string `toml:"action" default:"off" oneof:"off,warn,hold,refuse" since:"0.1" reload:"yes"`
	// Domains of From for which it is off, whatever action says.
	OffFor []string `toml:"off_for" derived:"none" since:"0.1" reload:"yes" example:"lists.example.org"`
	// Domains that are warned of.
	WarnFor []string `toml:"warn_for" derived:"none" since:"0.1" reload:"yes" example:"old.example.org"`
	// Domains whose mail is held.
	HoldFor []string `toml:"hold_for" derived:"none" since:"0.1" reload:"yes" example:"new.example.org"`
	// Domains whose mail is refused.
	RefuseFor []string `toml:"refuse_for" derived:"none" since:"0.1" reload:"yes" example:"example.org"`
	// The addresses that mail comes from as receivers see it: those of all gates, of the
	// router in front, or of the next hop. Without any, it is only known that SPF fails where a
	// domain has no record, several, or a void one; no other mail is held or refused.
	Addresses []netip.Addr `toml:"addresses" derived:"delivery.source_ipv4 and source_ipv6" since:"0.1" reload:"no" example:"192.0.2.10,2001:db8::10"`
	// The term of SPF that stands for these addresses in the records that are proposed: one
	// term, without blanks, which has to allow all of them.
	SPFTerm string `toml:"spf_term" derived:"each address" since:"0.1" reload:"no" example:"include:spf.example.net"`
	// How long a message waits for DNS, where nothing is known of its domain yet.
	Wait Duration `toml:"wait" default:"1s" max:"10s" since:"0.1" reload:"no"`
	// How often all active domains are looked at, whatever action is, so that the record,
	// "domain list" and the API say what is broken before their customers do; "0s" for never. The
	// looks are spread over this time. Of gates that share a store, one looks at each domain.
	CheckEvery Duration `toml:"check_every" default:"24h" max:"30d" since:"0.1" reload:"no"`
}

// Sources returns the addresses that mail comes from, none where that is not known.
func (c *Config) Sources() []netip.Addr {
	if len(c.Alignment.Addresses) > 0 {
		return c.Alignment.Addresses
	}
	var all []netip.Addr
	for _, a := range []netip.Addr{c.Delivery.SourceIPv4, c.Delivery.SourceIPv6} {
		if a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}
