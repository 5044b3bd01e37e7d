// Package upkeep does what is done to a whole store: it makes and restores backups of it,
// looks for what is wrong with it, copies it into another one, and has gates serve again from
// one that was copied.
//
// It finds out of the configuration which engine that is, and says what to use instead where
// an engine has better means. The work is done in store/sqlite, store/postgres and
// store/transfer. It runs no gate, and needs none.
//
// Main types: BackupOptions, CopyOptions, Side.
package upkeep
