// Package glance tells what an expression in CEL is without CEL, where that is simple: comparisons
// of texts and of numbers, and tests of texts, joined by &&, || and !. That takes a small part of
// the time, and hardly any memory.
//
// It never says anything else than CEL. Like CEL it looks at all parts of an && and takes one that
// is false for an answer whatever the others are, were it that they cannot be evaluated; and one
// that is true of an ||. Where it has no answer, as the expression has something else in it or a
// value is not to be had, CEL has to be asked, which then looks at everything. So what takes its time
// comes last, and is left alone as soon as it is clear that CEL is asked. There are no loops: what a look
// takes is bounded by the sizes of the texts.
//
// What the names of an expression mean is the caller's: F are the facts that it is about. They have
// to be known, all of them.
//
// Main types: Words, Look, Truth; function New.
package glance
