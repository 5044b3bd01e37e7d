// Package smtpclient speaks SMTP to one remote server over one connection:
// greeting, EHLO, STARTTLS, AUTH, then any number of transactions, each with
// an answer for every recipient.
//
// It does not look names up, make connections, choose between hosts or decide
// what an answer means for a delivery: package delivery does. It changes
// nothing of a message but dot-stuffing; where the peer lacks 8BITMIME or
// SMTPUTF8 and the message needs it, nothing is sent, as a conversion would
// break its signatures.
//
// Whatever the peer does is bounded: the length of replies, the time of each
// phase, and the time of a whole transaction.
//
// Main types: Client (made by Open), Options, Message, Result, Error.
//
// Rules come from RFC 5321 (SMTP), 2920 (PIPELINING), 1870 (SIZE), 6152
// (8BITMIME), 6531 (SMTPUTF8), 3461 and 6533 (DSN), 3207 (STARTTLS), 7435
// (opportunistic security), 4954 and 4616 (AUTH PLAIN) and 2034 (enhanced codes).
package smtpclient
