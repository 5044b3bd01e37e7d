// Package recent remembers in memory what was seen lately: passwords that were verified,
// who came from where, what was said to the operator, and when credentials were used last,
// until that is written down. All of it is bounded, and a restart may forget it.
//
// It decides nothing. Main types: Passwords, Pairs, Uses, Seldom.
package recent
