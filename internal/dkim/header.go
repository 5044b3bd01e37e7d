package dkim

import (
	"bytes"
	"strings"

	"countersign/internal/fault"
)

// signedField is one line of the table of what a signature covers.
type signedField struct {
	name string
	// over says that the name is listed once more than it occurs, so that
	// nobody can add such a field later (RFC 6376 section 8.15).
	over bool
}

// signedFields are the fields that a signature covers where they are present (RFC
// 6376 section 5.4.1; RFC 8058 section 4 for the last two of List-). Those that say who wrote
// what to whom, and how the body is to be read, are oversigned also where they are
// absent: nobody can add one and keep the signature. The Resent- fields are not: who
// resends a message puts a block of them on top (RFC 5322 section 3.6.6), and the
// signature, which counts from the bottom, goes on covering those that were there.
func signedFields() []signedField {
	return []signedField{
		{"From", true}, {"Sender", true}, {"Reply-To", true}, {"To", true}, {"Cc", true},
		{"Subject", true}, {"Date", true}, {"Message-ID", true},
		{"In-Reply-To", false}, {"References", false},
		{"Resent-From", false}, {"Resent-Sender", false}, {"Resent-To", false}, {"Resent-Cc", false},
		{"Resent-Date", false}, {"Resent-Message-ID", false},
		{"MIME-Version", true}, {"Content-Type", true}, {"Content-Transfer-Encoding", true},
		{"List-ID", false}, {"List-Help", false}, {"List-Subscribe", false}, {"List-Post", false},
		{"List-Owner", false}, {"List-Archive", false},
		{"List-Unsubscribe", false}, {"List-Unsubscribe-Post", false},
	}
}

// headerField is a field of a header block as it stands.
type headerField struct {
	name string
	raw  []byte // with name and final CRLF
}

// splitHeader cuts a header block, with or without its blank line, into its
// fields. The caller has made sure that it is well-formed; what is not is an error.
func splitHeader(head []byte) ([]headerField, error) {
	fields := make([]headerField, 0, 24)
	for len(head) > 0 && !bytes.Equal(head, []byte("\r\n")) {
		end := fieldEnd(head)
		colon := bytes.IndexByte(head[:end], ':')
		if colon < 1 || !bytes.HasSuffix(head[:end], []byte("\r\n")) {
			return nil, fault.New("dkim.sign", fault.Internal, "the header block is not well-formed at %.40q", head[:end])
		}
		fields = append(fields, headerField{name: string(bytes.TrimRight(head[:colon], " \t")), raw: head[:end]})
		head = head[end:]
	}
	return fields, nil
}

// fieldEnd returns the length of the first field, folds included.
func fieldEnd(head []byte) int {
	end := 0
	for {
		n := bytes.IndexByte(head[end:], '\n')
		if n < 0 {
			return len(head)
		}
		end += n + 1
		if end == len(head) || head[end] != ' ' && head[end] != '\t' {
			return end
		}
	}
}

// chooseFields returns the names for the h= tag in order, and the canonical
// form of the fields that they choose. Of several fields of one name the last is taken
// first (RFC 6376 section 5.4.2).
func chooseFields(fields []headerField) (names []string, canonical []byte) {
	canonical = make([]byte, 0, 2048)
	for _, sf := range signedFields() {
		for i := len(fields) - 1; i >= 0; i-- {
			if strings.EqualFold(fields[i].name, sf.name) {
				names = append(names, sf.name)
				canonical = append(appendRelaxed(canonical, fields[i].raw), '\r', '\n')
			}
		}
		if sf.over {
			names = append(names, sf.name)
		}
	}
	return names, canonical
}

// appendRelaxed appends the "relaxed" form of a field without its final CRLF
// (RFC 6376 section 3.4.2): name in lower case, unfolded, white space reduced
// to single spaces, none around the colon and at the end.
func appendRelaxed(dst, raw []byte) []byte {
	colon := bytes.IndexByte(raw, ':')
	dst = append(dst, bytes.ToLower(bytes.TrimRight(raw[:colon], " \t"))...)
	dst = append(dst, ':')
	start := len(dst)
	blank := false
	for _, c := range raw[colon+1:] {
		switch c {
		case ' ', '\t':
			blank = true
		case '\r', '\n':
		default:
			if blank && len(dst) > start {
				dst = append(dst, ' ')
			}
			blank = false
			dst = append(dst, c)
		}
	}
	return dst
}
