package message

import (
	"regexp"
	"slices"
	"strings"
)

// checkContent refuses content fields (RFC 2045) that two programs could read
// differently, so that a filter would see another message than the recipient:
// an encoding that is none or that is forbidden for the type, a parameter
// twice, and anything but one plain boundary of a multipart. It judges the
// message's own header and no part's.
func (h *Header) checkContent() error {
	kind, _ := h.Value("Content-Type")
	err := checkType(kind)
	if err != nil {
		return refuse(ReasonContent, "Content-Type: %s", err)
	}
	encoding, _ := h.Value("Content-Transfer-Encoding")
	err = checkEncoding(strings.ToLower(encoding), isComposite(kind))
	if err != nil {
		return refuse(ReasonContent, "Content-Transfer-Encoding: %s", err)
	}
	disposition, _ := h.Value("Content-Disposition")
	_, err = parameters(disposition)
	if err != nil {
		return refuse(ReasonContent, "Content-Disposition: %s", err)
	}
	return nil
}

// checkEncoding judges a Content-Transfer-Encoding in lower case, "" where there is
// none. RFC 2045 section 6.1 lets others be made up (x-token), and comments
// stand there; what that means for the body each program decides for itself.
func checkEncoding(encoding string, composite bool) error {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return nil
	case "base64", "quoted-printable":
		// RFC 2045 section 6.4 forbids them around other parts.
		if composite {
			return syntaxError("a multipart or message is never encoded as a whole")
		}
		return nil
	}
	return syntaxError("it must be 7bit, 8bit, binary, quoted-printable or base64")
}

// isComposite reports whether the type is multipart or message (RFC 2046
// section 5).
func isComposite(kind string) bool {
	kind = strings.ToLower(kind)
	return strings.HasPrefix(kind, "multipart") || strings.HasPrefix(kind, "message")
}

// typePattern is what stands before the first ";" of Content-Type: a type with a
// subtype (RFC 2045 section 5.1); or, as scripts write it, a type alone, or something behind
// it that is no second type, such as "charset=utf-8" after a forgotten ";".
var typePattern = regexp.MustCompile(`^[!#-'*+.0-9A-Z^-~-]+(/[!#-'*+.0-9A-Z^-~-]+)?([ \t(][^/]*)?$`)

// checkType judges the body of Content-Type, "" where there is none.
func checkType(body string) error {
	params, err := parameters(body)
	if err != nil || body == "" {
		return err
	}
	kind, _, _ := strings.Cut(body, ";")
	kind = strings.Trim(kind, " \t")
	match := typePattern.FindStringSubmatch(kind)
	composite := isComposite(kind)
	if match == nil || composite && (match[1] == "" || match[2] != "") {
		return syntaxError("it does not begin with a type and a subtype")
	}
	if strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		return checkMultipart(body, params)
	}
	return nil
}

// checkMultipart insists on one boundary that every program finds.
func checkMultipart(body string, params []parameter) error {
	if strings.Contains(body, `\`) {
		return syntaxError("a multipart has a backslash in it")
	}
	found := false
	for _, p := range params {
		switch name, _, _ := strings.Cut(p.name, "*"); {
		case name != p.name && name == "boundary":
			// RFC 2231 section 3, which half of the programs read.
			return syntaxError("a boundary stands there in pieces")
		case name == "boundary":
			found = true
			if !isBoundary(p.value) {
				return syntaxError("its boundary cannot be used")
			}
		case looseBoundary.MatchString(p.name + "=" + p.value):
			return syntaxError("a boundary stands within another parameter")
		}
	}
	if !found {
		return syntaxError("a multipart has no boundary")
	}
	return nil
}

// quotedBoundary and bareBoundary are the boundaries that all read alike. RFC 2046
// section 5.1.1 has fewer characters; programs use those of the rest that ends neither a
// parameter nor a quoted string. 70 octets are the most, and the last is no space. looseBoundary
// is what a program finds that looks for a boundary without reading the parameters before it.
var (
	quotedBoundary = regexp.MustCompile(`^"[ !#-:<-\[\]-~]{0,69}[!#-:<-\[\]-~]"$`)
	looseBoundary  = regexp.MustCompile(`(?i)boundary[ \t]*[*=]`)
	bareBoundary   = regexp.MustCompile(`^[!#-'*+.-:=?A-Z^-~-]{1,70}$`)
)

// isBoundary reports whether value, quotes included, is a boundary as programs
// write it.
func isBoundary(value string) bool {
	return quotedBoundary.MatchString(value) || bareBoundary.MatchString(value)
}

// parameter is one "name=value" of a content field.
type parameter struct {
	// name is in lower case, with what RFC 2231 puts behind it.
	name string
	// value stands as it was written, quotes included.
	value string
}

// maxParameters bounds the parameters of one field; programs write a handful.
const maxParameters = 100

// parameters returns what stands behind the first ";" of a content field. A
// name that stands there twice (RFC 6838 section 4.3), a charset in two forms, and a
// quoted string that does not end are errors.
func parameters(body string) ([]parameter, error) {
	pieces, err := splitParameters(body)
	if err != nil {
		return nil, err
	}
	if len(pieces) > maxParameters {
		return nil, syntaxError("it has too many parameters")
	}
	var list []parameter
	var names []string
	for _, piece := range pieces[1:] {
		name, value, found := strings.Cut(piece, "=")
		if !found && strings.Trim(piece, " \t") == "" {
			continue // after a final ";"
		}
		p := parameter{name: strings.ToLower(strings.Trim(name, " \t")), value: strings.TrimRight(value, " \t")}
		key := p.name
		if base, _, _ := strings.Cut(p.name, "*"); base == "charset" {
			key = base
		}
		if slices.Contains(names, key) {
			return nil, syntaxError("the parameter " + p.name + " stands there twice")
		}
		names = append(names, key)
		list = append(list, p)
		// White space around "=" hides a parameter from some.
		if name != strings.TrimRight(name, " \t") && p.name == "boundary" {
			return nil, syntaxError("its boundary cannot be used")
		}
	}
	return list, nil
}

// splitParameters cuts at each ";" outside quotes.
func splitParameters(body string) ([]string, error) {
	var pieces []string
	start := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '"':
			text, ended := cutQuoted(body[i:])
			if !ended {
				return nil, syntaxError("a quoted string does not end")
			}
			i += len(text) - 1
		case ';':
			pieces = append(pieces, body[start:i])
			start = i + 1
		}
	}
	return append(pieces, body[start:]), nil
}
