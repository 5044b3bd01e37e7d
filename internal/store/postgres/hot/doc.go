// Package hot stores what comes in while mail flows: messages, the outcomes of
// attempts, and events. One goroutine writes. Callers hand it what they have made
// ready and wait; it takes all that wait, brings them to the server in two
// pipelines of statements over arrays, commits once, and wakes all, each with its
// own result.
//
// A transaction shares the lock of accounts, so that no account changes between
// its look at the generation and its commit, and the row of its node while the
// lease holds: one whose lease is over is kept from writing. Each is numbered, and the number
// is stored with the totals: where the connection breaks at the commit, the next
// connection tells whether the transaction was committed, and only if not is it
// made again.
//
// Where messages have limits, the first pipeline locks and reads the counters too, which are judged by
// between the two; but not those that only this writer counts in, of which it knows what is
// there (kept.go). What it has inserted and is then refused, the second takes out again:
// far more passes than is refused.
//
// Only one transaction is under way at a time: the numbers of events are drawn
// under a lock that is held until the commit, so several would wait for each other.
//
// writer.go takes what waits, commit.go runs it and finds out what became of a commit
// that broke; transaction.go is the first pipeline and what it is judged by, finish.go
// the second, which ends in the COMMIT that a 250 waits for.
//
// Main types: Writer.
package hot
