// Package rules judges messages by rules that the operator has written: expressions in CEL, the
// Common Expression Language, each with a verdict and a reason.
//
// Compile reads the rules, says at which row and column of an expression what is wrong, and
// refuses what may cost too much; a Set judges by them, as often and as concurrently as wanted.
// It asks nobody, stores nothing and does not know SMTP: all that an expression may look at is in
// Facts, and what follows from a Decision is for the caller.
//
// An evaluation ends within a bounded time whatever a client sends: every value that an
// expression sees has a largest size, from these the worst case is computed when a rule is
// compiled, and what is over it at run time is cut off. Of simple expressions package glance tells
// what they are, so that CEL is not asked; they have no loops.
//
// Main types: Spec, Set, Facts, Decision; functions Compile, Vocabulary.
package rules
