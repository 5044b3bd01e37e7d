// Package directory is what the gate knows of directories: places outside of its
// own store where accounts live.
//
// A Source answers one Question about one login: either with a hash that the gate
// verifies, or that it has verified the password itself. Guard stands before
// each: it bounds the time of a question and how many run at once, stops asking a
// directory that is down, and believes no answer that it has not checked.
//
// Some are asked otherwise too: a Witness how an account stands, a Bearer about a token, a
// Believer about an account whose owner the gate has seen a certificate of.
//
// It does not verify hashes, keeps no accounts, and does not decide which source is
// asked. The sources are packages database, dovecot, ldap and web.
//
// A login that the directory does not know must cost the client what a wrong
// password costs. So whoever asks verifies some hash after fault.NotFound too,
// where the source is one that answers with hashes; a source that verifies itself
// must take care of that itself.
package directory
