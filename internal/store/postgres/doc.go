// Package postgres is the storage engine that any number of nodes share: accounts,
// queue, record, certificates and large bodies in one PostgreSQL database.
//
// What comes in while mail flows goes through one writer for each process: queue.go
// hands it to package hot, whose commit a 250 waits for. The lease of a node is
// renewed in roster.go of package nodes. All else is a transaction of its own that
// is alone with accounts and queue, in the SQL that the engines share (package
// sqlkit). Every delivery belongs to a node.
//
// It decides nothing: who may send, when a delivery is due and what an outcome
// means is for packages account and queue, whose contracts it keeps. Package
// storetest proves that.
//
// Main types: Store, Options. The schema is in migrations/.
package postgres
