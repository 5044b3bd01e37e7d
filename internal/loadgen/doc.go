// Package loadgen drives a submission server with a bounded load and says what
// it took: messages a second, latencies, refusals by code.
//
// It is the engine of "countersign bench". It speaks plain SMTP as mail
// clients do: TLS first, AUTH PLAIN, then message after message on the same
// connection, MAIL, RCPT and DATA pipelined where the server allows it (RFC
// 2920). It sends to the one address that it is given and stops by itself.
//
// Main types: Options, Result, Run; Idle measures sessions that do nothing.
package loadgen
