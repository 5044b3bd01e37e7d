package client

import (
	"crypto/x509"
	"strings"

	"countersign/internal/account/subject"
)

// maxDescribed is how much of a name is recorded, in octets.
const maxDescribed = 128

// Describe returns the subject of a client's certificate as it may be recorded, whoever
// made it: at most 128 octets of printable ASCII, cut to their beginning, with "?" in the
// place of any other character; and its fingerprint, in the form of
// account.Credential.Subject. Both are "" for none.
func Describe(presented []*x509.Certificate) (name, fingerprint string) {
	if len(presented) == 0 {
		return "", ""
	}
	return printable(presented[0].Subject.String()), subject.Fingerprint(presented[0].Raw)
}

// printable cuts a text and takes out what cannot be shown on one line.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), maxDescribed)]
}
