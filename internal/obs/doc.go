// Package obs is how the program is observed from outside: a logger that masks
// what must not be logged, the registry that packages put their metrics in,
// named health checks, and the HTTP listener that shows the latter two.
//
// It does not decide what is logged or measured: each package has its own
// Metrics struct, made with the registry it is given. The record of what
// happened to mail is package audit, not the log.
//
// Main types: Format, Health, Server.
package obs
