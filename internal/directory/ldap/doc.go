// Package ldap asks an LDAP server (RFC 4511) about accounts: OpenLDAP, Active
// Directory, 389 Directory Server and their like.
//
// Three ways: it binds as the user, whose DN is made from the login; it searches
// for the user with an account of its own and binds as what it has found; or it
// searches and reads the hash, which the gate verifies. Groups or an attribute tell
// the plan, a filter tells who is disabled.
//
// No password and no hash crosses a connection that is not encrypted, unless it
// stays on this machine. Referrals are not followed. What the client sent is escaped
// in filters (RFC 4515 section 3) and DNs (RFC 4514 section 2.4), and an empty
// password never gets to the server, for which it would be no password at all (RFC
// 4513 section 5.1.2).
//
// A login that is unknown costs as many questions as one with a wrong password: in
// place of the user somebody else is bound as or looked up. What the server does with
// each is its own; Options.Decoy makes that alike too.
//
// Main types: LDAP (a directory.Source), Options. The protocol is go-ldap's.
package ldap
