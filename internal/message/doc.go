// Package message reads the header block of a submitted message, says whose
// names it carries, and makes it fit to leave.
//
// ReadHeader takes the block off the front of the message, strictly and within
// Limits; Header then holds every field with its exact octets. Check refuses
// what RFC 5322 section 3.6 forbids to appear or to be missing, and what a filter and a
// reader could see differently, Identities
// lists every address that a receiver may show as the author, EncodeRaw deals
// with 8-bit text, and Complete adds what a submission server adds (RFC 6409
// section 8). A field that none of these touches leaves octet by octet as it came.
//
// It does not read the body or MIME parts, does not decide who owns an address
// (package account does), does not sign (package dkim does).
//
// Its own Content-Type and Content-Transfer-Encoding it judges, for whether all read them alike.
//
// Rules come from RFC 5322 (format), RFC 6532 (UTF-8 in header fields), RFC 2047 (encoded
// words), RFC 2045 and 2046 (content fields), RFC 6854 (groups in From), RFC 5321 section 4.4 (Received), RFC 3848 and RFC 6531
// section 4.3 (protocol words).
//
// Obsolete syntax (RFC 5322 section 4) is refused, as it is where parsers differ and
// spoofers live: white space before the colon of a field, lines of white space
// only, source routes, white space or comments inside an address, empty list elements.
// One form of it is accepted, because half the world writes it: a dot
// in an unquoted display name ("John Q. Public").
package message
