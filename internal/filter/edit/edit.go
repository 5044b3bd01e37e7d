// Package edit applies what content filters want changed of a header block.
//
// Header takes the block and the changes and returns the new block. Other fields keep
// their octets. It takes what makes a field of its own and nothing else: a name by RFC
// 5322 section 3.6.8, and a value whose lines are folded by section 2.2.3. What the block is
// worth afterwards, whoever reads it next decides (package message).
package edit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"countersign/internal/filter"
)

// Header returns head, which ends in its blank line, with the changes applied in
// their order. Lines end in CRLF in both. An error names the first change that cannot be made; head is as it was.
func Header(head []byte, changes []filter.HeaderChange) ([]byte, error) {
	fields := split(head)
	for _, c := range changes {
		var field []byte
		if c.Act != filter.Change || c.Value != "" {
			var err error
			if field, err = format(c.Name, c.Value); err != nil {
				return nil, err
			}
		}
		switch c.Act {
		case filter.Add:
			fields = append(fields, field)
		case filter.Insert:
			fields = slices.Insert(fields, min(max(c.At, 0), len(fields)), field)
		case filter.Change:
			fields = change(fields, c, field)
		}
	}
	out := make([]byte, 0, len(head)+1024)
	for _, f := range fields {
		out = append(out, f...)
	}
	return append(out, '\r', '\n'), nil
}

// change puts field in the place of the nth of its name, or removes that where field is nil.
// Where there are not so many, it is added.
func change(fields [][]byte, c filter.HeaderChange, field []byte) [][]byte {
	n := 0
	for i, f := range fields {
		if !is(f, c.Name) {
			continue
		}
		if n++; n < c.At {
			continue
		}
		if field == nil {
			return slices.Delete(fields, i, i+1)
		}
		fields[i] = field
		return fields
	}
	if field == nil {
		return fields
	}
	return append(fields, field)
}

// is reports whether a field is called name; case does not matter (RFC 5322 section 1.2.2).
func is(field []byte, name string) bool {
	own, _, _ := bytes.Cut(field, []byte(":"))
	return strings.EqualFold(string(own), name)
}

// split cuts a header block into its fields, each with its CRLF.
func split(head []byte) (fields [][]byte) {
	start := 0
	for i := 0; i < len(head); {
		end := bytes.Index(head[i:], []byte("\r\n"))
		if end < 0 {
			return fields
		}
		i += end + 2
		if i < len(head) && (head[i] == ' ' || head[i] == '\t') {
			continue // RFC 5322 section 2.2.3: folding continues a field
		}
		if i-start > 2 {
			fields = append(fields, head[start:i:i])
		}
		start = i
	}
	return fields
}

// format makes a field of what a filter wrote, or says why that is none.
func format(name, value string) ([]byte, error) {
	if !isName(name) {
		return nil, fmt.Errorf("%.80q is not the name of a header field", name)
	}
	// libmilter has LF where a value is folded.
	value = strings.TrimRight(strings.ReplaceAll(value, "\r\n", "\n"), "\n")
	for line := range strings.SplitSeq(value, "\n") {
		for i := range len(line) {
			if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
				return nil, fmt.Errorf("the value of %s has the control character 0x%02x", name, c)
			}
		}
	}
	for i := range len(value) - 1 {
		if value[i] == '\n' && value[i+1] != ' ' && value[i+1] != '\t' {
			return nil, fmt.Errorf("the value of %s has a line that does not continue it", name)
		}
	}
	return []byte(name + ":" + strings.ReplaceAll(value, "\n", "\r\n") + "\r\n"), nil
}

// isName reports whether s is field-name (RFC 5322 section 3.6.8).
func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// maxName bounds the name of a field, so that it fits on a line with its colon.
const maxName = 200
