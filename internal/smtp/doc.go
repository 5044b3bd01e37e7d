// Package smtp holds the wire form of SMTP as a server sees it: replies with
// their enhanced codes, the one catalogue of reasons for a refusal, the strict
// readers of lines and of message content, and the parser of commands, paths
// and parameters.
//
// It keeps no state of a session, decides nothing about who may send, opens no
// connection and looks at no header: package smtpserver owns the session,
// package message the header. Nothing here reads a clock; deadlines belong to
// the connection.
//
// Main types: Reply and Reason (catalogue.go: change the code or wording of a
// refusal there and nowhere else), Reader and DataReader (only CRLF ends a line,
// only CRLF.CRLF ends a message), ChunkChecker (the same rules for BDAT),
// Command, and the functions Parse….
//
// Rules come from RFC 5321 (SMTP), 2034 and 3463 (enhanced codes), 1870 (SIZE),
// 6152 (8BITMIME), 3030 (BDAT), 3461 and 6533 (DSN parameters), 4954 (AUTH),
// 3207 (STARTTLS) and 6531 (SMTPUTF8).
package smtp
