// Package backup makes whole copies of a SQLite store while mail flows, and puts
// them back.
//
// A backup is a folder with the database, the large bodies that it names, and a
// manifest that has the size and the sum of each file. It is made under another
// name and renamed when all of it is on the disk, so that a folder is a whole
// backup or none. The key file that seals secrets is not part of it; the manifest
// names the keys that are needed.
//
// The order that makes it exact: nobody may remove a body (bodies.Keep), one state
// of the database is copied, the bodies that this state names are linked or
// copied, bodies may be removed again.
//
// Main functions: Make, Verify, Restore. Main type: Manifest.
package backup
