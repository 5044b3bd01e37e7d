// Package testkit holds doubles for tests: a scripted receiving server that
// misbehaves on demand, a network that leads names and addresses to it, a DNS server
// with a zone in memory, a clock, certificates, and the configuration of the gate
// that most tests start.
//
// Only tests import it. It listens on loopback addresses alone, needs no
// network, and never sleeps: what is to take long waits for its connection to
// end. Server and network also work without sockets, over Pipe, so that
// package testing/synctest can run days in milliseconds.
//
// Main types: MX, Network, DNS, Clock, Authority, GateConfig.
package testkit
