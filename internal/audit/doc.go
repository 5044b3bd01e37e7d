// Package audit holds the record: immutable events, what each of them means,
// how they are searched, and a recorder that hands them to the store in
// batches.
//
// The record answers "who sent this, from where, when, to whom, and what
// became of it" by the id of a session or a submission. It holds no secrets
// and no message bodies. It is not the log of package obs, which is for the
// operator's eyes today and may be lost.
//
// Main types: Event, Kind (events.go lists them all), Query (query.go),
// Store, Recorder.
package audit
