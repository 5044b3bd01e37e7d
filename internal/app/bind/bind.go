// Package bind takes the addresses that listeners are to have, and says in words why one
// cannot be had.
//
// Main function: Listen.
package bind

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Listen takes an address, "192.0.2.1:587" or ":587". The error is for people.
func Listen(address string) (net.Listener, error) {
	l, err := net.Listen(network(address), address)
	if err != nil {
		return nil, fmt.Errorf("%s", bindError(address, err))
	}
	return l, nil
}

// network keeps an IPv6 address to IPv6, so that "0.0.0.0:587" and "[::]:587"
// can both be bound; an empty host stands for both.
func network(address string) string {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return "tcp"
	case at.Addr().Is4():
		return "tcp4"
	default:
		return "tcp6"
	}
}

// bindError says in words why an address cannot be listened on.
func bindError(address string, err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "address already in use"):
		return fmt.Sprintf("%s is taken by another program; stop that one or choose another port", address)
	case strings.Contains(text, "permission denied"):
		return fmt.Sprintf("%s may not be bound: ports below 1024 need root or CAP_NET_BIND_SERVICE", address)
	default:
		return text
	}
}
