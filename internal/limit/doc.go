// Package limit decides whether what somebody wants to send is within what they may send,
// and says when it will be.
//
// A limit bounds a measure (messages, recipients, ...) of a subject (an account, a domain, ...)
// in a window that slides: N in an hour means that no 60 minutes, wherever they begin, have
// more than N. What was counted stands in cells that are short against the window (package
// cells), so that an answer is conservative by one cell at most, and never above N.
//
// A decision is about all subjects of a message at once, and counts in all of them or in
// none. It neither knows what the subjects are to each other, nor keeps counters, nor reads
// the clock: a store decides and counts in the transaction that accepts the message.
//
// Rules say which limits there are: set by somebody, for a subject, for each of a kind or
// for a plan, with an end or without one. Who.Levels finds those of a message.
//
// Main types: Limit, Rule, Who, Counter, Level, Decision, Store.
package limit
