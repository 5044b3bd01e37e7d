// Package mx finds the servers that take mail for a domain: a DNS client, the
// order of MX hosts, and the filter of addresses that mail is never sent to
// because they belong to our own side of the internet.
//
// It opens no SMTP connection and knows no configured routes: package
// delivery asks it only where no route decides. It is the only package that
// speaks DNS, so that "the name does not exist" (final) and "nobody answered"
// (temporary) are never confused.
//
// Main types: Resolver (what delivery needs), Asker (single questions, for what
// checks how domains stand), Client (asks name servers, and is both),
// Finder (from a domain to hosts in order, from a host to addresses), Allowed.
//
// Rules come from RFC 1035, 2308 and 6891 (DNS), 5321 section 5.1 (MX order, implicit
// MX), 7505 (null MX), 2181 section 10.3 (MX targets) and 6761 (localhost).
package mx
