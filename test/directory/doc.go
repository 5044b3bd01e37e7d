// Package directory tests directories against real servers, PostgreSQL, MariaDB,
// Dovecot and OpenLDAP, which it starts itself: the queries that docs/ops/directories.md
// shows, on the schemas that they are for, what a server may do to us, and the real gate
// with each kind of directory, configured as that page says.
//
// The schemas have the columns that the queries touch, written after what the
// projects publish of them.
package directory
