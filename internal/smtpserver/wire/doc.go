// Package wire is one connection of the SMTP server below the protocol: who is
// at its other end (PROXY headers), the strict reader, gathered replies, deadlines, the
// change to TLS with a diagnosis of what went wrong, and the stop from outside.
//
// It knows no verbs, no sessions and no limits but the times it is given;
// package smtpserver owns those.
//
// Main types: Conn; Stop, how urgently it shall end; Ends, its addresses; NoTLSError, a
// client that came to the wrong port.
//
// Rules come from RFC 8446 (records and alerts of TLS), RFC 3207 (STARTTLS)
// and the PROXY protocol, versions 1 and 2.
package wire
