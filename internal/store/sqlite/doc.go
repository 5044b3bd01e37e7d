// Package sqlite is the storage engine of a single node: accounts, queue,
// record and certificates in one SQLite file, and large bodies in files of
// their own beside it.
//
// All changes of a process go through one writer goroutine that commits what
// waits together (writer.go of package database); accept.go is what a 250 waits
// for. Reads have connections of their own. The log is flushed to the disk before
// any change is answered. Several processes may use one database at the same
// time: one server, which holds a lock, and any number of short-lived commands.
//
// It decides nothing: who may send, when a delivery is due and what an outcome
// means is for packages account and queue, whose contracts it keeps. Package
// storetest proves that.
//
// Main types: Store, Options. The schema is in migrations/.
package sqlite
