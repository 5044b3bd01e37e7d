// Package cluster tests several gates of the real binary on one PostgreSQL
// database: gates are killed and stopped, the database is restarted and replaced,
// and all the while clients send. The verdict is set arithmetic over three
// records: the ledger of the clients, what the receiving servers got, and the
// record in the database.
//
// Each test prints the seed of its random moments; CLUSTER_SEED repeats one, and
// CLUSTER_KILLS says how often a gate is killed, in place of twenty times.
package cluster
