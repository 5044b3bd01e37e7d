// Package alike knows what names must look like that a directory does not have, so that
// nobody can tell them from those that it has: which name and password a question in vain
// is asked with, what a challenge of SCRAM shows and when it comes (RFC 5802 section 5.1),
// which kinds of hashes a failure costs.
//
// It learns all that from what the directory does for accounts that it has. What challenges
// look like is kept in the store for all gates (package shape) and asked for there; all else is
// in memory. Main types: Fronts, Front, View, Places, Kinds.
package alike
