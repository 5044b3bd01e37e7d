// Package backup tests backups of the real binary under load: that they are whole,
// that one that is killed leaves nothing that looks whole, and that what was
// acknowledged before a backup began is in it.
package backup
