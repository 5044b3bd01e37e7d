package dkim

import (
	"bytes"
	"io"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"countersign/internal/fault"
)

// Result is what became of one signature of a message.
type Result struct {
	// Domain, Selector and Algorithm are its d=, s= and a= tags; the
	// algorithm is "rsa-sha256" or "ed25519-sha256" for ours.
	Domain    string
	Selector  string
	Algorithm string
	// Err is nil if the signature is valid.
	Err error
}

// Verify checks every signature of the message, in their order from the top.
// lookupTXT returns the TXT records of a name, the strings of each joined. No
// signature is no result and no error; an error means that the message could not be read.
func Verify(message io.Reader, lookupTXT func(name string) ([]string, error)) ([]Result, error) {
	const op = "dkim.verify"
	var head bytes.Buffer
	found, err := msgauth.VerifyWithOptions(io.TeeReader(message, &head), &msgauth.VerifyOptions{LookupTXT: lookupTXT})
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	tags, err := signatureTags(&head)
	if err != nil {
		return nil, fault.Wrap(op, fault.Invalid, err)
	}
	results := make([]Result, len(found))
	for i, v := range found {
		results[i] = Result{Domain: v.Domain, Err: v.Err}
		if i < len(tags) {
			results[i].Selector, results[i].Algorithm = tags[i]["s"], tags[i]["a"]
		}
	}
	return results, nil
}

// signatureTags returns the tags of each DKIM-Signature field (RFC 6376
// section 3.2), for naming them only.
func signatureTags(r *bytes.Buffer) ([]map[string]string, error) {
	var block []byte
	for {
		line, err := r.ReadBytes('\n')
		if err != nil || len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
		block = append(block, line...)
	}
	fields, err := splitHeader(block)
	if err != nil {
		return nil, err
	}
	var out []map[string]string
	for _, f := range fields {
		if !strings.EqualFold(f.name, "DKIM-Signature") {
			continue
		}
		tags := make(map[string]string)
		_, body, _ := strings.Cut(string(f.raw), ":")
		for tag := range strings.SplitSeq(body, ";") {
			name, value, _ := strings.Cut(tag, "=")
			tags[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		out = append(out, tags)
	}
	return out, nil
}
