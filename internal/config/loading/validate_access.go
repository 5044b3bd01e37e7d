package loading

import (
	"strings"

	"countersign/internal/access/dnsbl"
	"countersign/internal/config/option"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// maxDNSBL is how many lists there may be: each is a question for each new client.
const maxDNSBL = 16

// maxZone leaves room for the 32 nibbles of an IPv6 address in the 253 octets of a name (RFC
// 1035 section 2.3.4).
const maxZone = 253 - 64

// access checks what says from where clients may come.
func (v *validator) access() {
	if n := len(v.c.DNSBL); n > maxDNSBL {
		v.Fail("dnsbl", "", "%d lists are too many: at most %d are asked about a client", n, maxDNSBL)
	}
	names := map[string]int{}
	for i := range v.c.DNSBL {
		l, path := &v.c.DNSBL[i], option.Element("dnsbl", i)
		if _, err := mail.ParseDomain(l.Zone); l.Zone != "" && (err != nil || len(l.Zone) > maxZone) {
			v.Fail(path+".zone", "", "%q is no zone that addresses could stand before", l.Zone)
		}
		if bad := strings.ContainsFunc(l.Name, func(c rune) bool { return c <= ' ' && c != ' ' || c > '~' }); bad || len(l.Name) > 60 {
			v.Fail(path+".name", "", "clients are told the name: at most 60 characters of printable ASCII")
		}
		if other, twice := names[l.Label()]; twice && l.Label() != "" {
			v.Fail(path+".name", "", "%s is called %q, too", option.Element("dnsbl", other), l.Label())
		}
		names[l.Label()] = i
		for n, text := range l.Codes {
			if _, err := dnsbl.ParseCode(text); err != nil {
				v.Fail(option.Element(path+".codes", n), "", "%s", fault.DetailOf(err, fault.Invalid))
			}
		}
	}
}
