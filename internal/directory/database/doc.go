// Package database asks a directory that is a table of an SQL database: of
// PostgreSQL, MySQL or MariaDB. The query is the operator's.
//
// What a client has sent is a parameter of the query (:login, :local, :domain) and
// never a part of its text. A query is one statement that reads: it runs in a
// read-only transaction, under a time-out of the server's too, and must answer with
// one row at the most, whose columns are known by name. The password of the client
// is not sent there; the hash comes back, so the connection is a local one or TLS
// with a certificate that is verified.
//
// Main types: Database (a directory.Source), Options.
package database
