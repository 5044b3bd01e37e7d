package client

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// authority names who issues certificates and the lists of those that are revoked: by
// name and key, as an authority that changes its key keeps its name.
type authority struct{ subject, key string }

func authorityOf(c *x509.Certificate) authority {
	return authority{string(c.RawSubject), string(c.RawSubjectPublicKeyInfo)}
}

// step names a certificate as a list of revocations does: by who has issued it, here as a
// digest, and by its number.
func (a authority) step(serial string) string {
	digest := sha256.Sum256([]byte(strconv.Itoa(len(a.subject)) + " " + a.subject + a.key))
	return hex.EncodeToString(digest[:16]) + "/" + hex.EncodeToString([]byte(serial))
}

// maxSteps is how many certificates of a path are named, the client's own first. RFC 5280
// section 4.1.2.2: numbers have at most 20 octets; of longer ones the name is too long.
const maxSteps, maxSerial = 13, 20

// pathOf is Identity.Path of a path that ends in a root.
func pathOf(path []*x509.Certificate) string {
	var steps []string
	for i, c := range path[:len(path)-1] {
		if serial := string(c.SerialNumber.Bytes()); len(serial) <= maxSerial && i < maxSteps {
			steps = append(steps, authorityOf(path[i+1]).step(serial))
		}
	}
	return strings.Join(steps, " ")
}

// Revokes reports whether the lists that are in force name one of the certificates of
// Identity.Path. A list that is past its next update does too: nothing is taken back.
func (v *Verifier) Revokes(path string) bool {
	t := v.trust.Load()
	for step := range strings.FieldsSeq(path) {
		issuer, number, _ := strings.Cut(step, "/")
		serial, err := hex.DecodeString(number)
		if err != nil {
			continue
		}
		for a, list := range t.lists {
			if _, revoked := list.serials[string(serial)]; revoked && strings.HasPrefix(a.step(""), issuer+"/") {
				return true
			}
		}
	}
	return false
}

// revokesMore reports whether there is a certificate that t revokes and before does not.
func (t *trust) revokesMore(before *trust) bool {
	for a, list := range t.lists {
		old := before.lists[a]
		for serial := range list.serials {
			if old == nil {
				return true
			}
			if _, known := old.serials[serial]; !known {
				return true
			}
		}
	}
	return false
}

// revocations is the list of one authority.
type revocations struct {
	// issued and next are its times; from next on it says nothing any more.
	issued, next time.Time
	// serials are the numbers that are revoked, as octets.
	serials map[string]struct{}
}

// revocation asks the lists about a path, of which the last certificate is a root and
// stands for itself. It returns when the first of the lists that were asked ends, zero
// where there are none. Errors: errRevoked, errStale, errNoList.
func (t *trust) revocation(path []*x509.Certificate, at time.Time) (until time.Time, err error) {
	if t.lists == nil {
		return until, nil
	}
	for i, c := range path[:len(path)-1] {
		list := t.lists[authorityOf(path[i+1])]
		if list == nil {
			err = errNoList
			continue
		}
		if _, revoked := list.serials[string(c.SerialNumber.Bytes())]; revoked {
			return until, errRevoked // a list that is stale too: nothing is taken back
		}
		if !at.Before(list.next) && err == nil {
			err = errStale
		}
		if until.IsZero() || list.next.Before(until) {
			until = list.next
		}
	}
	return until, err
}

// stale returns the end of the list that has ended first, if any has.
func (t *trust) stale(at time.Time) (end time.Time, ok bool) {
	for _, list := range t.lists {
		if !at.Before(list.next) && (!ok || list.next.Before(end)) {
			end, ok = list.next, true
		}
	}
	return end, ok
}

// readRevocations reads the lists of a file, all of them or none. Each must be signed by
// one of the authorities.
func readRevocations(file string, authorities []*x509.Certificate) (map[authority]*revocations, error) {
	data, err := readFile(file, maxCRLFile)
	if err != nil {
		return nil, err
	}
	return parseRevocations(file, data, authorities)
}

// parseRevocations reads the content of a file.
func parseRevocations(file string, data []byte, authorities []*x509.Certificate) (map[authority]*revocations, error) {
	lists := map[authority]*revocations{}
	for i, der := range encodedLists(data) {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("list %d of %s cannot be read: %w%s", i+1, file, err, versionHint(err))
		}
		if err := checkList(crl); err != nil {
			return nil, fmt.Errorf("list %d of %s %w", i+1, file, err)
		}
		issuer := issuerOf(crl, authorities)
		if issuer == nil {
			return nil, fmt.Errorf("list %d of %s is not signed by an authority of client_ca_file: %s", i+1, file, printable(crl.Issuer.String()))
		}
		// RFC 5280 section 6.3.3: the current one counts.
		if other := lists[authorityOf(issuer)]; other == nil || other.issued.Before(crl.ThisUpdate) {
			lists[authorityOf(issuer)] = newRevocations(crl)
		}
	}
	if len(lists) == 0 {
		return nil, fmt.Errorf("%s has no list of revocations, in PEM or DER", file)
	}
	return lists, nil
}

// versionHint says what to do about a list of version 1, which crypto/x509 does not read
// and RFC 5280 section 5.1.2.1 has no use for; "" for another error.
func versionHint(err error) string {
	if strings.Contains(err.Error(), "unsupported crl version") {
		return "; version 2 is needed, which openssl ca makes where its configuration sets crlnumber"
	}
	return ""
}

// derSequence begins whatever a list is in DER.
const derSequence = 0x30

// encodedLists returns the lists in a text of PEM, or else the one that data is.
func encodedLists(data []byte) [][]byte {
	var all [][]byte
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "X509 CRL" {
			all = append(all, block.Bytes)
		}
	}
	if len(all) == 0 && bytes.HasPrefix(data, []byte{derSequence}) {
		all = append(all, data)
	}
	return all
}

// issuerOf returns the authority that has signed a list, nil for none. CheckSignatureFrom
// also wants it to be one that may (RFC 5280 section 4.2.1.3, cRLSign).
func issuerOf(crl *x509.RevocationList, authorities []*x509.Certificate) *x509.Certificate {
	for _, a := range authorities {
		if bytes.Equal(crl.RawIssuer, a.RawSubject) && crl.CheckSignatureFrom(a) == nil {
			return a
		}
	}
	return nil
}

// checkList refuses a list that cannot be used: without an end (RFC 5280 section 5.1.2.5
// wants one), or with a critical extension that is not understood here (section 5.2),
// such as that of a list of changes, or of a part.
func checkList(crl *x509.RevocationList) error {
	if crl.NextUpdate.IsZero() {
		return fmt.Errorf("does not say when the next one comes")
	}
	if id := critical(crl.Extensions); id != nil {
		return fmt.Errorf("is of a kind that is not understood here (critical extension %s): give a full list", id)
	}
	for i := range crl.RevokedCertificateEntries {
		if id := critical(crl.RevokedCertificateEntries[i].Extensions); id != nil { // section 5.3
			return fmt.Errorf("has an entry that is not understood here (critical extension %s)", id)
		}
	}
	return nil
}

// critical returns the first critical extension, nil for none. None is known here.
func critical(list []pkix.Extension) asn1.ObjectIdentifier {
	for _, e := range list {
		if e.Critical {
			return e.Id
		}
	}
	return nil
}

func newRevocations(crl *x509.RevocationList) *revocations {
	r := &revocations{issued: crl.ThisUpdate, next: crl.NextUpdate, serials: make(map[string]struct{}, len(crl.RevokedCertificateEntries))}
	for i := range crl.RevokedCertificateEntries {
		r.serials[string(crl.RevokedCertificateEntries[i].SerialNumber.Bytes())] = struct{}{}
	}
	return r
}
