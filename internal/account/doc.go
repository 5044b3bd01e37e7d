// Package account knows who may send: customers, plans, domains, accounts and
// their credentials; it changes them, verifies passwords, and says which
// addresses belong to whom.
//
// It does not speak SMTP or SASL (packages smtpserver and sasl do), does not
// make DKIM keys (package dkim does; here they are sealed octets), and counts
// nothing. Store is what it needs of an engine.
//
// Main types: Customer, Plan, Domain, Account, Sender (an account with all
// that decides what it may do), Admin (changes), Verifier (passwords), Senders
// (what open sessions ask), Hasher (a bounded pool). Passwords are prepared by
// RFC 8265 and hashed by argon2id of RFC 9106.
package account
