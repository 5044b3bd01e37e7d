// Package holding lets waiting mail follow its accounts: it holds what may not
// go any more after a suspension, a removal or a move, and releases what may go
// again.
//
// The change itself must not wait for that: a customer may have a million
// deliveries. So the change notes a task in its own transaction, which is all
// that its commit takes, and the deliveries follow in portions, between which
// mail flows. As long as there is any task, Due and Waiting look at the account
// of each delivery (MayGo), so what is not yet held does not leave. A task has
// no memory of how far it came and none of its direction: it compares each
// delivery with what holds at that moment, so that it can be run again after a
// crash, by another process, or beside another task, and the result is the same.
//
// Whoever makes the change runs the task; one that nobody works on any more is
// taken over by the server (Resume).
//
// It decides nothing about who may send, and knows of the queue's tables only
// what it needs to hold and to release.
//
// Main types: Holder, Object, Task.
package holding
