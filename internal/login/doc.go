// Package login decides whether a client has proved who it is, whatever the
// mechanism, and as whom it may go on: it turns the questions of package sasl into an
// account.Principal, or into one refusal that is the same for an unknown name, a wrong
// secret, a credential that may not be used here and a suspended account, in text and in
// time.
//
// Passwords are derived on few workers that are shared out fairly (login/secrets, login/pool),
// those of known clients first, and remembered for a short time; the other forms of a
// password that mechanisms need (SCRAM, CRAM-MD5, DIGEST-MD5) are made when a password is
// set or first seen.
//
// It does not speak to clients and keeps nothing but what a restart may forget. Main
// types: Verifier, Client.
package login
