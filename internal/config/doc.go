// Package config reads the one TOML file that configures a gate.
//
// Load takes the defaults, lays the file over them, checks everything and
// returns either a Config that is complete and free of contradictions or an
// *Errors that lists all that is wrong, each with file, line and a suggestion.
// Nothing is started, resolved or written here, and no other package reads
// configuration: package app turns a Config into the options of the packages it
// composes.
//
// The structs of the files schema*.go are the one description of
// the options. A field's comment is the text of the reference page, its tags
// are the rest: default, unit, bounds, version, and whether a reload applies it.
// Package option explains the tags and does what follows from them alone,
// package source has lines and problems, package value the types of values.
//
// To add an option: the field with its comment and tags, a check in validate.go
// if tags cannot say it, a case in test/badconfig, and make generate.
//
// The format is TOML 1.0. Defaults of time-outs and sizes follow RFC 5321
// sections 4.5.3.1 and 4.5.3.2, TLS versions RFC 8996, listener kinds RFC 6409
// and RFC 8314.
package config
