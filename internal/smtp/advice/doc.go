// Package advice says, for each refusal of the catalogue in package smtp, what it means to
// the owner of a mailbox, what they can do about it, and what their provider can. It is the
// text of the gate's help pages, which package web/help shows.
//
// It tells nothing of accounts or of the gate's insides: its texts are the same for everybody.
// A refusal either has its text in a table here, or stands in the list of those that have
// none; a test fails for one that does neither.
//
// Main type: Advice; main function: For.
package advice
