// Package record keeps audit events and finds them.
//
// A search by id has an index. Any other turns its times into a range of
// numbers, which the index of times has too, and reads that range in the order
// of the events, an account's with the help of an index that is divided by the
// same numbers. So every search gives its events in order without gathering
// them first, and no search needs an index that accepting a message would have
// to keep up.
//
// Main functions: Bind, Find.
package record
