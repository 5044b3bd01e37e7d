// Package access says which clients may not come in: bans, each of a network prefix, or
// of a login where it comes from one, with a reason, an end and who set it.
//
// It holds what a ban is, which ones are refused as mistakes, the contract of the store
// that keeps them, and the administration. Whether a client is hit is for package
// access/book, which has all bans in memory; what a client is told is for those who ask
// there. It knows neither sessions nor SQL.
//
// Main types: Ban, Store, Admin.
package access
