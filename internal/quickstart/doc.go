// Package quickstart is a complete gate on loopback for a first look: it makes
// a configuration, a demo account and a recipient of its own, sends one
// message through the front door, follows it until it has arrived, and checks
// both signatures.
//
// It is built from the same parts as the server (package app) and cheats
// nowhere: the message goes over TLS with AUTH, and the admin commands work on
// its folder. It is not for production: the recipient takes everything.
//
// Main types: Options; Run does it all.
package quickstart
