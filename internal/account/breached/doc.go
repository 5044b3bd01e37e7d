// Package breached looks a password up in an offline list of those that others
// have stolen. The list is a sorted file of SHA-1 hashes on disk, which is
// searched where it lies: a question costs some thirty short reads, whatever
// the size, and no memory.
//
// A list has one of two forms. The text one is what the published lists
// "ordered by hash" have: a line for each hash, forty hexadecimal digits, a
// colon and a count. The binary one is what Import writes of it, about half the
// size: a head, then the hashes of twenty octets, nothing between them.
//
// SHA-1 (RFC 3174) is the key of the published lists and protects nothing here.
//
// Main types: List (asks), Import (makes the binary form, sorts where need be).
// The package fetches nothing, and does not know what a password is.
package breached
