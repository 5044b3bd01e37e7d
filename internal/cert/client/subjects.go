package client

import (
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"countersign/internal/account/subject"
	"countersign/internal/mail"
)

// Name is a way in which a certificate names its owner.
type Name string

// The names, the most exact first.
const (
	// Fingerprint is the SHA-256 of the certificate: it names this one alone.
	Fingerprint Name = "fingerprint"
	// Email is each mail address among the subject's alternative names (RFC 5280 section
	// 4.2.1.6).
	Email Name = "email"
	// CommonName is the common name of the subject: what it means is up to the
	// authority.
	CommonName Name = "cn"
)

// Names returns all names, the most exact first.
func Names() []Name { return []Name{Fingerprint, Email, CommonName} }

// maxSubjects bounds what a certificate may say of its owner.
const maxSubjects = 32

// subjects returns what a certificate says of its owner by the names that count. What
// is no address, or no common name that can be written down, is passed over.
func subjects(leaf *x509.Certificate, count []Name) []string {
	var list []string
	add := func(subject string) {
		if subject != "" && len(list) < maxSubjects && !slices.Contains(list, subject) {
			list = append(list, subject)
		}
	}
	if slices.Contains(count, Fingerprint) {
		add(subject.Fingerprint(leaf.Raw))
	}
	if slices.Contains(count, Email) {
		for _, text := range leaf.EmailAddresses[:min(len(leaf.EmailAddresses), maxSubjects)] {
			if address, err := mail.ParseAddress(text); err == nil {
				add(subject.Email(address))
			}
		}
	}
	if slices.Contains(count, CommonName) {
		add(subject.CommonName(commonName(leaf)))
	}
	return list
}

// commonName returns the one common name of a certificate; "" where there are several:
// programs differ in which of them they see.
func commonName(c *x509.Certificate) string {
	name := ""
	for _, attribute := range c.Subject.Names {
		if !attribute.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) {
			continue
		}
		text, ok := attribute.Value.(string)
		if !ok || name != "" {
			return ""
		}
		name = text
	}
	return name
}
