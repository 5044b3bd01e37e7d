// Package account knows who may send: customers, plans, domains, accounts and
// their credentials, and says which addresses belong to whom.
//
// It does not speak SMTP or SASL (packages smtpserver and sasl do), verifies
// nobody (package login does), changes nothing that is stored (package admin does), does not
// make DKIM keys (package dkim does; here
// they are sealed octets), and counts nothing. Store is what it needs of an
// engine, SecretMaker of what hashes passwords.
//
// Main types: Customer, Plan, Domain, Account, Credential, Sender (an account with
// all that decides what it may do), Principal (who has proved to be who).
// Passwords are prepared by RFC 8265.
package account
