// Package guard stops those who guess passwords, without hurting those who have one.
//
// It is told how each attempt to log in ended, and counts what differs: the same wrong
// secret for the same login counts once, however often a forgotten telephone repeats it.
// Many secrets for one login from one network slow the answers down, then ban the pair of
// them. Many logins from one network ban the network, names that nobody has sooner; a
// network from which others log in is closed instead: who has logged in there before goes
// on. A login that is guessed at from many networks is closed likewise. No order of events
// bans or closes a login where it has logged in from before, nor a network that is
// allowed.
//
// All of it is one set of Records that only grow until they are too old, so that those of
// several gates, and of before a restart, are put together in any order (Merge). Of a
// secret a Record has two octets of a keyed digest, in package tried: enough to tell a repeated
// secret from another one, far too little to find it.
//
// It decides in memory and in no time; the store is written behind (Sharer), bans are set
// by package enforcing. It knows neither sessions, nor mechanisms, nor SQL, and waits for nobody.
//
// Main types: Guard, Rules, Record, Store.
package guard
