// Package incoming makes what comes into the queue and what attempts report ready
// for an engine: it checks what the caller has to keep and binds all values, in
// the goroutine that brings them, so that the engine's writer only stores rows.
//
// Main types: Acceptance, Outcome, Report.
package incoming
