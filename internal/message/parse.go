package message

import (
	"strings"

	"countersign/internal/mail"
)

// mailbox is one mailbox of a list (RFC 5322 section 3.4).
type mailbox struct {
	addr mail.Address
	// shown is everything around the address that a program may show: display name
	// and comments, unquoted, encoded words not decoded.
	shown string
}

// parseMailboxes reads a mailbox-list (RFC 5322 section 3.4), unfolded and in
// UTF-8, and nothing more liberal than the package comment says.
func parseMailboxes(s string) ([]mailbox, error) {
	for i := 0; i < len(s); i++ {
		if isControl(s[i]) {
			return nil, syntaxError("it holds a control character")
		}
	}
	p := mailboxParser{s: s}
	var out []mailbox
	for {
		b, err := p.mailbox()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		if p.done() {
			return out, nil
		}
		p.pos++ // the comma
	}
}

// syntaxError says in words for the sender what is wrong with a list.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// mailboxParser walks over a mailbox-list.
type mailboxParser struct {
	s     string
	pos   int
	shown strings.Builder // of the mailbox being read
}

func (p *mailboxParser) done() bool { return p.pos == len(p.s) }

// peek returns the next octet, 0 at the end; the text itself holds no NUL.
func (p *mailboxParser) peek() byte {
	if p.done() {
		return 0
	}
	return p.s[p.pos]
}

// mailbox reads one mailbox and stops at a comma or the end:
// mailbox = name-addr / addr-spec.
func (p *mailboxParser) mailbox() (mailbox, error) {
	p.shown.Reset()
	err := p.phrase()
	if err != nil {
		return mailbox{}, err
	}
	var text string
	switch p.peek() {
	case '<':
		text, err = p.angle()
	case ',', 0:
		err = syntaxError("a name has no address, or the list has an empty element")
	default:
		text, err = p.spec()
	}
	if err != nil {
		return mailbox{}, err
	}
	err = p.blanks()
	if err != nil {
		return mailbox{}, err
	}
	if !p.done() && p.peek() != ',' {
		return mailbox{}, syntaxError("something stands behind an address")
	}
	addr, err := mail.ParseAddress(text)
	if err != nil {
		return mailbox{}, err
	}
	// A receiver may decode what looks like an encoded word even here, where
	// RFC 2047 section 5 forbids it.
	if strings.Contains(addr.Local, "=?") {
		return mailbox{}, syntaxError("an address holds an encoded word")
	}
	return mailbox{addr: addr, shown: p.shown.String()}, nil
}

// phrase reads the display name, if there is one, and stops at "<". Where it
// meets a bare address instead, it stops at its beginning.
func (p *mailboxParser) phrase() error {
	words := 0
	for {
		err := p.blanks()
		if err != nil {
			return err
		}
		start := p.pos
		switch c := p.peek(); {
		case c == '<' || c == ',' || c == 0:
			return nil
		case c == '"':
			text, err := p.quoted()
			if err != nil {
				return err
			}
			if p.peek() != '@' {
				p.shown.WriteString(text)
			}
		case isAtomChar(c) || c == '.' && words > 0:
			p.atom()
			if p.peek() != '@' {
				p.shown.WriteString(p.s[start:p.pos])
			}
		default:
			return unexpected(c)
		}
		words++
		if p.peek() == '@' {
			if words > 1 {
				return syntaxError(`"@" stands in a display name outside quotes, or white space in an address`)
			}
			p.pos = start
			return nil
		}
	}
}

// unexpected explains a special that has no place in a phrase.
func unexpected(c byte) error {
	switch c {
	case ':', ';':
		// RFC 6854 section 3 allows groups in From, for limited use only.
		return syntaxError("groups are not accepted")
	case '@':
		return syntaxError("an address has no local part, or white space before the @")
	}
	return syntaxError("the character " + string(rune(c)) + " must stand in quotes")
}

// angle reads "<" addr-spec ">" without source route or comments.
func (p *mailboxParser) angle() (string, error) {
	p.pos++
	p.whitespace()
	if p.peek() == '@' {
		return "", syntaxError("source routes are not accepted")
	}
	text, err := p.spec()
	if err != nil {
		return "", err
	}
	p.whitespace()
	if p.peek() != '>' {
		return "", syntaxError("an address in angle brackets does not end where it should")
	}
	p.pos++
	return text, nil
}

// spec takes the text of an addr-spec, local part to domain, for
// mail.ParseAddress to judge.
func (p *mailboxParser) spec() (string, error) {
	start := p.pos
	if p.peek() == '"' {
		_, err := p.quoted()
		if err != nil {
			return "", err
		}
	} else {
		p.atom()
	}
	if p.peek() != '@' {
		return "", syntaxError("an address has no @, or white space in it")
	}
	p.pos++
	if p.peek() == '[' {
		end := strings.IndexByte(p.s[p.pos:], ']')
		if end < 0 {
			return "", syntaxError("an address literal does not end")
		}
		p.pos += end + 1
		return p.s[start:p.pos], nil
	}
	p.atom()
	return p.s[start:p.pos], nil
}

// atom skips atoms and dots.
func (p *mailboxParser) atom() {
	for !p.done() && (isAtomChar(p.s[p.pos]) || p.s[p.pos] == '.') {
		p.pos++
	}
}

// whitespace skips spaces and tabs and reports whether there were any.
func (p *mailboxParser) whitespace() bool {
	start := p.pos
	for !p.done() && isWSP(p.s[p.pos]) {
		p.pos++
	}
	return p.pos > start
}

// blanks skips white space and comments (CFWS of RFC 5322 section 3.2.2),
// which become part of what is shown.
func (p *mailboxParser) blanks() error {
	for {
		if p.whitespace() {
			p.shown.WriteByte(' ')
		}
		if p.peek() != '(' {
			return nil
		}
		text, ok := cutComment(p.s[p.pos:])
		if !ok {
			return syntaxError("a comment does not end")
		}
		p.pos += len(text)
		p.shown.WriteByte('(')
		p.shown.WriteString(unescape(text[1 : len(text)-1]))
		p.shown.WriteByte(')')
	}
}

// quoted reads a quoted-string (RFC 5322 section 3.2.4) and returns its
// content.
func (p *mailboxParser) quoted() (string, error) {
	text, ok := cutQuoted(p.s[p.pos:])
	if !ok {
		return "", syntaxError("a quoted string does not end")
	}
	p.pos += len(text)
	return unescape(text[1 : len(text)-1]), nil
}

// cutQuoted returns the quoted-string at the start of s with its quotes, and
// whether it ends.
func cutQuoted(s string) (string, bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1], true
		}
	}
	return s, false
}

// cutComment returns the comment at the start of s with its parentheses, and
// whether it ends. Comments nest (RFC 5322 section 3.2.2).
func cutComment(s string) (string, bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
			if depth == 0 {
				return s[:i+1], true
			}
		}
	}
	return s, false
}

// unescape resolves quoted pairs (RFC 5322 section 3.2.1).
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isAtomChar is atext (RFC 5322 section 3.2.3) with UTF-8 (RFC 6532 section
// 3.2).
func isAtomChar(c byte) bool {
	switch {
	case c <= ' ' || c == 0x7f:
		return false
	case strings.IndexByte(`()<>[]:;@\,."`, c) >= 0:
		return false
	}
	return true
}
