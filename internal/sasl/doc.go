// Package sasl is the server's side of SASL (RFC 4422): a table of mechanisms,
// one file each, that turn a client's responses into one question to a Verifier.
//
// It does not know where credentials are kept, does not count failures, and
// does not read or write the AUTH line protocol with its base64 (packages
// smtp and smtpserver do). Main types: Mechanism, Exchange, Verifier.
// Implemented: PLAIN (RFC 4616), LOGIN (draft-murchison-sasl-login-00).
//
// To add a mechanism: write its Exchange in a file of its own, named after it,
// with bounds on all that the client sends and ErrSyntax for any other form;
// add one line to the table in mechanism.go, at its place by strength; where a clear
// password is not what it proves, add a method to Verifier and let package
// account answer it; test it with a table of good and broken exchanges and a
// fuzz target; list its RFC in docs/rfc/index.txt.
package sasl
