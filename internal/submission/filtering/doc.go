// Package filtering takes a message through the content filters of its listener, in
// their order, before it is signed and stored.
//
// A Chain is the filters, a Draft the message: what it is now, who judges what it becomes,
// and what is to be recorded. Each filter sees what those before it have made. What
// one says is followed as its options allow: refused, held, changed, or, in shadow mode,
// recorded alone. Whatever a filter wants changed is done as a whole or not at all: where a
// part of it may not be, or cannot be, nothing is, and the message is held for a person to
// decide. Nothing is thrown away.
//
// It speaks to no filter (package filter does) and stores nothing (package submission does).
//
// Main types: Chain, Draft.
package filtering
