// Package hash reads password hashes of every kind that mail servers store,
// tries passwords against them, and says what that costs: argon2id and
// argon2i, bcrypt, SHA-256- and SHA-512-crypt, MD5-crypt, yescrypt, PBKDF2,
// SCRAM, and digests with and without salt. New ones are argon2id (RFC 9106).
//
// It knows the forms of crypt(3), PHC, Dovecot ("{SCHEME}", with ".hex" and
// ".b64"), passlib and Django. What a hash may cost is bounded when it is
// read, so nothing expensive is ever derived for a hash brought in from elsewhere.
//
// It does not prepare passwords or bound how much runs at the same time
// (package account does). Main types: Hash, Cost, Reader.
package hash
