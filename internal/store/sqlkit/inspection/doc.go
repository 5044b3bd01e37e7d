// Package inspection looks for what is wrong in the tables that the SQL engines
// share: rows that belong to none, totals that are not what is counted, and
// breaks in the record: what was accepted has to wait or to have an outcome.
//
// It reads within one state of the database, in an order in which nothing has to
// be remembered: of a million deliveries and a record of millions of events it
// holds one submission at a time.
//
// The record's beginning may have been removed, from its first event on. What was
// accepted before its first event then is not missed.
//
// A table that no query reads is left out for a reason (LeftOut); a test of each
// engine fails until one or the other is so.
//
// Main functions: Tables, Due, Record.
package inspection
