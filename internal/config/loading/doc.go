// Package loading reads the file of a configuration and judges it.
//
// Load takes the defaults, lays the file over them, checks everything and
// returns either a Config that is complete and free of contradictions or an
// *Errors that lists all that is wrong, each with file, line and a suggestion.
// LoadPart does so for a command that needs a part of the file alone.
// Nothing is started, resolved or written here.
//
// Main functions: Load, LoadPart, StoreAt.
package loading
