package mx

import (
	"context"
	"net/netip"

	"countersign/internal/fault"
)

// Record is one MX record.
type Record struct {
	// Preference orders the hosts, the lowest first.
	Preference uint16
	// Host is in lower case and without a trailing dot; "" is the root, which
	// stands for "no mail here" (RFC 7505 section 3).
	Host string
}

// Resolver looks names up. Names are fully qualified, without a trailing dot.
// It is used concurrently. A name that exists without such a record gives an
// empty answer. Errors: fault.NotFound where the name does not exist,
// fault.Unavailable where that cannot be known now.
type Resolver interface {
	// LookupMX returns the MX records of a domain, in any order.
	LookupMX(ctx context.Context, domain string) ([]Record, error)
	// LookupIP returns the addresses of a host, IPv4 and IPv6.
	LookupIP(ctx context.Context, host string) ([]netip.Addr, error)
}

// The reasons that errors of this package carry. Where the catalogue of
// package smtp has the same name, its reply is meant.
const (
	// ReasonNoDomain: the domain does not exist, or has neither MX nor address.
	ReasonNoDomain = "delivery-no-domain"
	// ReasonNullMX: the domain says that it takes no mail (RFC 7505).
	ReasonNullMX = "delivery-null-mx"
	// ReasonNoHost: a host that is to take mail has no address.
	ReasonNoHost = "delivery-no-host"
	// ReasonUnavailable: the answer cannot be had now.
	ReasonUnavailable = "delivery-dns"
	// ReasonRefusedTarget: every address is one that Allowed refuses.
	ReasonRefusedTarget = "delivery-refused-target"
)

// failure makes an error of this package; name is the name looked up.
func failure(kind fault.Kind, reason, name string, cause error) error {
	return &fault.Error{Op: "mx.lookup", Kind: kind, Reason: reason, Detail: name, Err: cause}
}
