// Package directory tests directories against real servers, PostgreSQL, MariaDB,
// Dovecot and OpenLDAP, which it starts itself: the queries that docs/ops/directories.md
// shows, on the schemas that they are for, and what a server may do to us.
//
// The schemas have the columns that the queries touch, written after what the
// projects publish of them.
package directory
