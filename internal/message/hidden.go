package message

import (
	"strings"

	"countersign/internal/message/encoded"
	"countersign/internal/message/visible"
)

// checkHidden refuses what encoded words (RFC 2047) and invisible characters
// hide from whoever reads the header undecoded. In a field whose names say who
// sends, that is every character of which visible.Misleads is true; in any other, a
// line end or NUL that text follows, as a program that decodes first and cuts into lines
// afterwards would find another field there.
func (h *Header) checkHidden() error {
	for _, f := range h.fields {
		if namesSender(f) {
			err := checkName(toUTF8(f.unfolded()))
			if err != nil {
				return refuse(ReasonName, "%s: %s", f.name(), err)
			}
			continue
		}
		if hidesLineEnd(f.unfolded()) {
			return refuse(ReasonHiddenLine, "%s", f.name())
		}
	}
	return nil
}

// namesSender reports whether programs show a name in the field as that of
// the sender, or of whom a reply goes to.
func namesSender(f field) bool {
	return f.is("From") || f.is("Reply-To") || f.is("Resent-Reply-To") || identityName(f) != ""
}

// maxNested is how many times text is decoded that is encoded twice or more.
const maxNested = 3

// checkName refuses what no name needs in the body of an address field, which
// is unfolded and in UTF-8. It looks at the body as a whole, as it stands and
// with its quoted pairs resolved, and so does not depend on where a parser sees a name
// begin. An encoded word that cannot be decoded is an error too: one program
// shows its octets, the next something else.
func checkName(body string) error {
	if !strings.Contains(body, "=") && !has8Bit(body) {
		return nil
	}
	for _, text := range []string{body, unescape(body)} {
		for range maxNested {
			if strings.ContainsFunc(text, visible.Misleads) {
				return syntaxError("it holds a control character or one that changes the writing direction")
			}
			decoded, err := encoded.Decode(text)
			if err != nil {
				return err
			}
			if decoded == text {
				break
			}
			text = decoded
		}
		if strings.ContainsFunc(text, visible.Misleads) {
			return syntaxError("it holds a control character or one that changes the writing direction")
		}
	}
	return nil
}

// hidesLineEnd reports whether an encoded word in body holds a line end or a
// NUL with text behind it. At the very end they show nothing, and scripts that
// encode a line with its end are many.
func hidesLineEnd(body string) bool {
	if !strings.Contains(body, "=?") {
		return false
	}
	text, _ := encoded.Resolve(body, func(w encoded.Word) (string, error) {
		text, err := w.Decode()
		if err != nil {
			text, _ = w.Octets()
		}
		return text, nil
	})
	return strings.ContainsAny(strings.TrimRight(text, " \t\r\n\x00"), "\r\n\x00")
}
