// Package directories opens the directories that the configuration names, each behind
// a guard, and beside them what keeps the accounts of the store that theirs need.
//
// It verifies nothing. Main type: Set.
package directories
