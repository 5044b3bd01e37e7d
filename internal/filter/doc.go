// Package filter asks programs that others wrote what they make of the content
// of a message before it is accepted.
//
// A Program is such a program, a Message what it is asked about, an Answer what
// it says and what it wants changed. A Filter stands before a Program: it bounds
// how many messages are looked at at once and for how long, leaves one alone that
// does not answer, and says how it is. Options have what the operator lets it do.
//
// It decides nothing about messages and changes none (submission/filtering does), and
// speaks no protocol (filter/milter does).
//
// Main types: Filter, Program, Message, Answer.
package filter
