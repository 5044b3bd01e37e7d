// Package queue holds what has been accepted and is not finished: submissions,
// their deliveries and states, the retry schedule, and the contract of the
// store that keeps them.
//
// It decides when a delivery is due and which state follows an outcome. It
// does not talk to remote servers (package delivery does) or to clients
// (package submission does).
//
// Main types: Submission, Delivery, Acceptance, Report, Schedule, Store,
// AdminStore.
package queue
