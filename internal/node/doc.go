// Package node says which gates share a store, and which of them may deliver what.
//
// A node owns the deliveries that it accepted. It owns them under a lease, which
// it renews all the time; one whose lease has run out delivers nothing more by
// itself, its reports are refused by the store, and the others adopt what it
// owned. Under its next lease it makes those reports once more, and the store takes
// them where the deliveries are still its own (queue.Report.Again). So no lock is
// taken for a delivery, and a node that dies, hangs or is cut off from the store
// costs no more than the time of a lease; up to two where the others had just come,
// or the database was away.
//
// Where the store itself was away, all leases may be over together. Then each node
// takes a new one, and none judges another until a whole lease has passed: who is
// alive keeps what it owned, and reports what it delivered meanwhile.
//
// It delivers nothing itself: package delivery asks Keeper.Holds before it hands
// anything over. A store that only one process can use has one node, whose
// lease never ends.
//
// Main types: Node, Lease, Store (what an engine implements), Keeper.
package node
