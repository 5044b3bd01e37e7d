// Package submission is the way in: it decides about each AUTH, MAIL, RCPT and
// message that a client sends, and stores what it accepts.
//
// It stands behind smtpserver (whose Backend and Session it implements) and
// puts the parts of the product in a row: account says who it is and which
// addresses are theirs, message reads and completes the header, dkim signs,
// queue keeps. data.go is that row for a whole message; the 250 is decided
// there, after queue.Store.Accept has returned and never before.
//
// It speaks no SMTP, knows no SQL and delivers nothing. Refusals are
// fault.Errors with a reason of the catalogue in package smtp.
//
// Main types: Gate (one per server), session (one per connection), Policy.
// RFC 6409 is the standard for what a submission server may do to a message.
package submission
