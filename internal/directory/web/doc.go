// Package web asks a directory over HTTP: a callback of the operator's that is sent
// a question as JSON and answers with an account as JSON.
//
// Each request is signed with a key that both share: the header
// Countersign-Signature holds the time and the HMAC-SHA256 (RFC 2104) of time and
// body, by which the callback knows who asks, and that it is now. The callback is
// known by its certificate: https, or http on loopback alone.
//
// No redirect is followed and no proxy used, so a password goes where the
// configuration says. An answer is read strictly (RFC 8259, no member twice, none
// that is unknown): what cannot be read in one way only lets nobody in. Any status
// but 200 is a directory that is down; that a login is unknown stands in the
// answer, so that a wrong address of the callback is not taken for it.
//
// Main types: Web (a directory.Source), Options.
package web
