// Package talk is the SMTP client of the tests: one connection, driven step by step, that
// does what it is told, also what no honest client would do. It makes TLS, goes through the
// exchange of every mechanism that needs no certificate, sends messages and reads replies.
//
// Main types: Client (Dial, Open, LogIn, Connect), Dialogue and Scram (what it says to log
// in), Key (with what).
package talk
