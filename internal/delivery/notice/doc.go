// Package notice tells senders what became of their messages: it decides who is told
// of an outcome, keeps failures of one message together for a while, and makes
// the report that is queued (RFC 3461, 3464).
//
// It stores nothing: what it writes goes into a queue.Report together with the
// outcomes that it tells of, so that both are stored or neither.
//
// Main types: Notice, Gatherer, Writer.
package notice
