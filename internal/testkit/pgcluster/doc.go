// Package pgcluster starts throw-away PostgreSQL servers for tests, from the
// programs that are installed, and breaks them on demand.
//
// A cluster lives in a folder of its own among the temporary files (TMPDIR) or under
// /tmp and is reached through a Unix socket there, on demand also through TLS on a
// loopback port. Nothing depends on a server that happens to run. PostgreSQL refuses to be root: a test that is root
// runs it as the system user postgres, any other test as itself. Where
// PostgreSQL is missing a test fails with the command that installs it.
//
// Each cluster has a watchdog, a shell that waits on a pipe for the test
// process to end, however it ends. It kills what still works in the folder, and
// removes the folder.
//
// A test gets a database of its own from Cluster.Database, copied from one that
// Options.Prepare filled once, and from Cluster.Copy copies of one that it filled
// itself. Faults are methods: Stop, Kill, Pause, SetReadOnly, Standby and Promote,
// Tablespace and Disk. A package whose tests share one cluster declares a Shared.
//
// It works on Linux, whose /proc tells which processes belong to a cluster.
//
// Main types: Cluster, Options, Shared, Disk.
package pgcluster
