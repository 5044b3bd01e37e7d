// Package transfer copies a whole store into another one, of the same engine or
// not: accounts, keys, certificates, queue and record.
//
// Rows go table by table in the order of their keys, in batches that are one
// transaction each, large bodies before the rows that name them. So the greatest
// key in the target says how far a table has come, and a copy that was
// interrupted, however, goes on where it was. At the end both stores are read
// once more, and only where they agree in every octet the target becomes a store
// that others may open. Before that the source is marked, so that at no moment
// gates could serve from both.
//
// It knows no engine and no command line: an engine implements Side and Target.
//
// Main types: Side, Target, Options; Run does it.
package transfer
