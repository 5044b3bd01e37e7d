// Package harness starts the real binary for the tests of this folder: a
// quickstart, or a gate run by "serve" whose next hop is the test's own.
//
// Everything listens on loopback, lives in a temporary folder and ends with
// the test. Only processes that the harness started are ended, by their id.
//
// Main types: Gate (Serve), Demo (Quickstart).
package harness
