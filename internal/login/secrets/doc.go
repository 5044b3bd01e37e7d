// Package secrets turns passwords into what is stored of them, and tries passwords
// against that: on few workers that are shared out fairly, at a cost that is the same
// whatever is wrong.
//
// The hash of a password is slow; what mechanisms need that never see the password
// (SCRAM, CRAM-MD5, DIGEST-MD5) is sealed beside it. It knows neither the store nor
// whether somebody may log in. Main types: Hasher, Maker.
package secrets
