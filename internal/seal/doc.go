// Package seal keeps secrets at rest unreadable: what goes into the database
// that must not be read from a copy of it is encrypted with AES-256-GCM under
// a key that lies in a file beside it.
//
// LoadOrCreate reads the key file, and makes it at the first start. A sealed
// secret is bound to a Purpose and a name: it opens for these alone, so that
// one domain's key cannot be put in another's place, nor a signing key in that
// of a certificate. It bears the name of the sealing key, so that a wrong key
// file is told from damage, and so that the file may hold several keys, one of
// which seals while all open.
//
// It stores nothing. File puts another key in front or removes one; what is
// sealed is made anew by package seal/rotation.
//
// Main types: Sealer, File.
package seal
