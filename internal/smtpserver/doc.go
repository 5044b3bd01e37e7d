// Package smtpserver is the SMTP submission server as a protocol: listeners,
// TLS, the state machine with one file per verb (verb_*.go), the budgets of a
// session and the graceful stop.
//
// It decides nothing about accounts, senders or messages: that stands behind Backend and
// Session (session.go), and errors from there become replies by smtp.ReplyFor. It parses
// nothing itself (package smtp) and loads no certificates.
//
// Main types: Server, ListenerConfig, Limits; verbs.go holds the table of
// verbs with what each needs, and dispatch, the one way to a handler. Package
// crowd counts the sessions and says who makes room, package wire is the
// connection below the protocol.
//
// Invariants: any error while reading ends the session, so no octet of a message is ever
// taken for a command; before TLS nothing but EHLO, HELO, STARTTLS, NOOP, RSET
// and QUIT is answered, and nothing received before TLS is executed after it; the
// Session is called in legal order and from one goroutine only. Replies are
// buffered and written before the server waits for the client or closes.
//
// A body that holds 8-bit octets without BODY=8BITMIME is let through (RFC 6152
// section 2 leaves the sender in the wrong, and refusing helps nobody).
// BINARYMIME and REQUIRETLS are not offered.
//
// Rules come from RFC 5321 and 6409 (SMTP, submission), 8314 (implicit TLS),
// 3207 (STARTTLS), 4954 (AUTH), 2920 (PIPELINING), 3030 (BDAT), 1870 (SIZE),
// 6152 (8BITMIME), 6531 (SMTPUTF8), 3461 (DSN), 2034 (enhanced codes), 9422 (LIMITS).
package smtpserver
