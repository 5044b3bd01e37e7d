// Package dmarc finds the DMARC policy that receivers apply to mail of a domain, and tells
// whether another domain is aligned with it (RFC 9989).
//
// Discover finds the policy, Organization the domain of the organisation by the walk
// up the DNS tree, Aligned compares two domains. No list of public suffixes takes part: RFC 9989
// needs none, and where a receiver still goes by RFC 7489 and its list, it finds another
// organisation only where a record stands at neither. A domain is always aligned with itself.
//
// What a record says wrongly is told in words (Record.Faults) and otherwise read as
// receivers are to read it. Reports (rua, ruf) concern receivers alone.
package dmarc
