// Package app is the one place where the parts are put together: it turns a
// configuration into a running gate, takes a changed configuration, and ends
// it in the reverse order of its beginning.
//
// It decides nothing about mail. A program, or a test on port 0, makes an App
// with New, calls Start, reads its addresses, and calls Stop.
//
// Main types: App; convert.go holds what config means to each part.
package app
