// Package cells keeps what was counted of one subject: in cells of time, a row of them for
// each window that slides, and beside them who holds something at the moment. It has the
// form, too, in which a store keeps that.
//
// Cells are short against their window. The cell in which a window begins counts as a whole,
// so that a sum is conservative by one cell at most, and never too low. What goes later is in
// the cell of the moment at which it goes, so that cells may lie ahead.
//
// It adds up numbers, and knows neither what they count nor what is too much: package limit
// does, which names measures and windows by their places here.
//
// Main types: Counted, Amounts, Span.
package cells
