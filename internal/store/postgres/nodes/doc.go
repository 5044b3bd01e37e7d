// Package nodes keeps in a PostgreSQL database which gates share it, and shares
// out what dead ones have left: it implements node.Store.
//
// A lease is a row of table node: an epoch and a time, both by the server's
// clock. Whoever writes in a node's name locks that row (FOR KEY SHARE) while
// epoch and time hold; whoever ends a lease locks it for himself (FOR UPDATE) and
// so waits for the last of those. A row whose lease_until is 0 has no lease: what
// it owns belongs to nobody and may be shared out. Adoption and joining exclude
// each other by the same row.
//
// That two processes are not one node is told by a lock of the server's that
// lives as long as its connection: a process that was killed can come back at
// once, without waiting for its own lease to end.
//
// Main types: Roster.
package nodes
