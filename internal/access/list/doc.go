// Package list says from which networks, countries and autonomous systems clients may come:
// entries that allow or deny, each for everybody, or for a listener, a customer, a domain, an
// account or a credential.
//
// It holds what an entry is, the decision by the entries of one subject (Sheet) and of all
// subjects of a client (Decide), the contract of the store that keeps entries, and the
// administration. All entries in memory are in package access/list/book; where an address is
// comes from package access/place; what a client is told is for those who ask.
//
// The narrowest subject whose entries say anything about a client decides; within it the
// narrowest entry, and of several such one that denies. Why so stands in
// docs/decisions/0019-access-lists.md.
//
// Main types: Entry, Sheet, Decision, Store, Admin.
package list
