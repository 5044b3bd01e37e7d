// Package smtp holds the wire form of SMTP as a server sees it: replies with
// their enhanced codes, the one catalogue of reasons for a refusal, and the
// parser of commands, paths and parameters.
//
// It reads from no connection, keeps no state of a session, decides nothing
// about who may send, and looks at no header: package strict below it reads
// lines and content, package smtpserver owns the session, package message the
// header.
//
// Main types: Reply and Reason (catalogue.go: change the code or wording of a
// refusal there and nowhere else), Command, and the functions Parse….
//
// Rules come from RFC 5321 (SMTP), 2034 and 3463 (enhanced codes), 1870 (SIZE),
// 6152 (8BITMIME), 3030 (BDAT), 3461 and 6533 (DSN parameters), 4954 (AUTH),
// 3207 (STARTTLS) and 6531 (SMTPUTF8).
package smtp
