// Package config describes the one TOML file that configures a gate: what can be set, and
// what follows from it.
//
// The structs of the files schema*.go are the one description of
// the options. A field's comment is the text of the reference page, its tags
// are the rest: default, unit, bounds, version, and whether a reload applies it.
// Package option explains the tags and does what follows from them alone,
// package source has lines and problems, package value the types of values, package
// loading reads a file into a Config and judges it. No other package reads
// configuration: package app turns a Config into the options of the packages it
// composes.
//
// To add an option: the field with its comment and tags, a check in package loading
// if tags cannot say it, a case in test/badconfig, and make generate.
//
// The format is TOML 1.0. Defaults of time-outs and sizes follow RFC 5321
// sections 4.5.3.1 and 4.5.3.2, TLS versions RFC 8996, listener kinds RFC 6409
// and RFC 8314.
package config
