// Package repocheck holds the architecture as tests: which package may import
// which, one package comment each, documented exported names, budgets for
// files, packages, functions and interfaces, names that may not be used,
// package-level state, links in the documents that must lead somewhere, and RFCs
// that must stand in their list.
//
// It has no code besides its tests. A rule that is broken for a reason gets an
// exception by name, with the reason beside it.
package repocheck
