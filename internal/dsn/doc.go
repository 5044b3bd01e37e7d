// Package dsn writes delivery status notifications: the reports that tell a
// sender that a message failed, is late, or has arrived.
//
// Build turns a Report into a complete message: multipart/report (RFC 6522) with a plain
// sentence for each recipient, the fields of RFC 3464 for programs, and the original message or
// its header as RET asked (RFC 3461). Addresses beyond ASCII make it the internationalised
// form of RFC 6533.
//
// It does not decide who is to be told of what (NOTIFY is read by package delivery),
// and it does not send: the envelope, with the null sender, is the queue's. The report is not signed.
package dsn
