// Package dovecot asks a Dovecot who somebody is, as its client in the Dovecot
// authentication protocol, version 1.2, over a UNIX socket or TCP.
//
// Begin starts an Exchange in any mechanism that this Dovecot offers; what the
// client sends and what Dovecot answers pass through it, and in the end Dovecot says
// whose account it is. Ask verifies a password by PLAIN, AskToken a token by OAUTHBEARER or
// XOAUTH2; AskProven and Standing ask by EXTERNAL about an account without a password. All of
// them share one connection, which is made anew where it has broken.
//
// It does not know passwords or hashes, and keeps nothing of what passes through it.
// Not passed on are mechanisms that prove nothing of a password or token
// (ANONYMOUS), that are about our own connection, of which Dovecot knows
// nothing (-PLUS, and EXTERNAL, in which it takes our word and no client's), and those that Dovecot itself calls private.
//
// The protocol (doc.dovecot.org, "Dovecot Authentication Protocol") has lines of
// fields apart by tabs. No line that is written is longer than MaxLine: Dovecot
// drops the connection of a client that writes a longer one, and with it what
// everybody else has under way on it.
//
// Main types: Dovecot (a directory.Source), Options, Exchange, Mechanism.
package dovecot
