// Package nodes keeps in a PostgreSQL database which gates share it, and shares
// out what dead ones have left: it implements node.Store.
//
// A lease is a row of table node: an epoch and a time, both by the server's
// clock. Whoever writes in a node's name locks that row (FOR KEY SHARE) while
// epoch and time hold; whoever ends a lease locks it for himself (FOR UPDATE) and
// so waits for the last of those. A row whose lease_until is 0 has no lease: what
// it owns belongs to nobody and may be shared out.
//
// Joining, leaving, draining and sharing out take turns: one lock of the server's
// for all nodes, which those that share out only try. A row alone would not do:
// those that lock it together with others may follow each other without a gap.
//
// That two processes are not one node is told by a lock that bears the epoch of
// the lease and lives as long as the connection of the process that has it: a
// process that was killed can come back at once, without waiting for its own lease
// to end, and of several that start at once one succeeds.
//
// Main types: Roster.
package nodes
