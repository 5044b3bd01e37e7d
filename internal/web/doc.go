// Package web is the gate's HTTP server: it listens, in clear text or over TLS, bounds
// whoever connects, and gives each request to the handler that is mounted at its path. It
// is for people and programs outside; metrics have a server of their own in package obs.
//
// It knows nothing of what the handlers do and asks for no login: that is for each of
// them to say.
//
// Main types: Server, Mount. HTTP is RFC 9110 and RFC 9112; only HTTP/1.1 is spoken.
package web
