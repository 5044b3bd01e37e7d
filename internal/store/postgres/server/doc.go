// Package server uses one PostgreSQL database: a pool of connections, reads,
// transactions that are repeated where the server asks for it, the schema's
// migrations, and what its errors mean. It is the only package that knows the
// driver.
//
// A server that is away for a moment (a restart, the change to a standby) is
// waited for, as long as Options.Patience; then the answer is
// fault.Unavailable. The pool comes back by itself.
//
// It knows no table but schema_migration.
//
// Main types: DB (Open, Read, Snapshot, Change, Exclusive, Listen), Tx, Conn, Held.
package server
