// Package sender decides under which addresses a message may be sent: what its envelope and its
// header name as senders, each by the rule that lets it be the account's, or with the reason why
// none does.
//
// It is pure: the account, its grants and the credential, the mode, the addresses and the time go
// in, and a verdict comes out. It asks no store, and what it says of an address is what a session
// does about it, so that it can be asked beforehand too. It reads no header and changes none
// (package message does), and does not know what follows for mail that waits (package
// account, Recall).
//
// Rules come from RFC 5322 sections 3.6.2 (From, Sender) and 3.6.6 (Resent-*), and RFC 6409
// section 6.1, which lets a submission server insist on the identities of its users.
//
// Main types: Question, Finding, Verdict.
package sender
