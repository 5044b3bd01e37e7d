// Package directories opens the directories that the configuration names, each behind
// a guard, and makes the accounts of the store that theirs need: without passwords, so
// that limits, envelopes and states have a place.
//
// It verifies nothing. Main type: Set.
package directories
