// Package waiting reads the queue and administers it, in the SQL that the
// engines share: what is due, what waits, and what an operator holds, releases,
// retries or drops. What comes in and what attempts report is each engine's own.
//
// Main types: Queue.
package waiting
