// Package badinput drives the real binary into what goes wrong in operation,
// and wants a clear error and nothing lost each time: broken configurations
// and certificates, data directories that cannot be used, keys that cannot be
// opened, full disks, clients that vanish, next hops that refuse, stops and
// reloads in the middle of everything.
//
// It holds tests only and exports nothing. Malformed SMTP is the subject of the
// dialogues in package e2e and of internal/smtpserver; the wording of
// configuration errors that of the folders in test/badconfig.
//
// Main types, all in test files: client (one SMTP connection, step by step),
// hop (a scripted next hop). The gate itself is a harness.Gate.
package badinput
