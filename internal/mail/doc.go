// Package mail holds the words that every other package shares: addresses,
// domains, envelopes and ids, with the one way to parse, normalise and print
// each of them.
//
// It does not read SMTP commands (package smtp does) or message headers
// (package message does), and it knows nothing of accounts or storage.
// Rules come from RFC 5321 (addresses, envelope), RFC 5890 to 5893 (domain
// names beyond ASCII), RFC 6531 (SMTPUTF8) and RFC 3461 (DSN parameters).
package mail
