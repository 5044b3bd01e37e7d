// Package badinput drives the real binary into what goes wrong in operation,
// and wants a clear error and nothing lost each time: broken configurations
// and certificates, data directories that cannot be used, keys that cannot be
// opened, full disks, clients that vanish, next hops that refuse, stops and
// reloads in the middle of everything.
//
// Errors of the disk that no folder can be set up to give, such as a flush
// that fails (EIO), are put in by strace: attached to the running gate, it
// changes the kernel's answer to chosen system calls, or kills the process at
// one of them, while clients keep their own record of what they were told.
// That needs ptrace, and a full disk one that may be mounted; where either is
// forbidden these tests fail and say so.
//
// It holds tests only and exports nothing. Malformed SMTP is the subject of the
// dialogues in package e2e and of internal/smtpserver; the wording of
// configuration errors that of the folders in test/badconfig.
//
// Main types, all in test files: client (one SMTP connection, step by step),
// hop (a scripted next hop), failing (system calls that fail). The gate itself is a harness.Gate.
package badinput
