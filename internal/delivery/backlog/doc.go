// Package backlog is the window of the queue that delivery has in memory, and
// says whose turn it is.
//
// A Job is one transaction to be. Jobs wait in lanes, one for each account and
// destination. A destination is given out to as many workers as its width
// allows, an account or customer as many as its share allows (shares.go), and
// accounts take turns (turns.go). So neither a destination that hangs nor an
// account whose destinations all hang holds up the mail of others, and neither
// fills the memory.
//
// It knows which deliveries are in memory, so that a look at the store does not
// start them again (flights.go). It speaks to nobody and stores nothing: what it
// forgets, a scan of the queue finds again.
//
// Main types: Backlog, Job.
package backlog
