// Package interop lets programs that others wrote judge the gate: swaks, curl
// and msmtp submit; gsasl, Python's smtplib, nodemailer, go-mail and a Postfix with
// Cyrus SASL log in by every mechanism that they know; Postfix receives, dkimpy verifies
// the signatures, rspamd looks at what is in messages, openssl makes certificates and
// handshakes. A shell runs the commands that quickstart prints, and the script that installs
// all these programs.
//
// The programs come from Debian's packages; scripts/tools.sh installs them. A
// program that is missing fails the test.
package interop
