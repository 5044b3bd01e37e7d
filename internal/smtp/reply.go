package smtp

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EnhancedCode is an enhanced status code (RFC 3463 section 2): class, subject
// and detail. The zero value means that there is none.
type EnhancedCode [3]int

// String returns "5.7.8", or "" for the zero value.
func (c EnhancedCode) String() string {
	if c == (EnhancedCode{}) {
		return ""
	}
	return string(c.appendTo(nil))
}

func (c EnhancedCode) appendTo(b []byte) []byte {
	b = strconv.AppendInt(b, int64(c[0]), 10)
	b = append(b, '.')
	b = strconv.AppendInt(b, int64(c[1]), 10)
	b = append(b, '.')
	return strconv.AppendInt(b, int64(c[2]), 10)
}

// Reply is one answer to a command (RFC 5321 section 4.2). It is a value and
// an error, so that a parser can return the reply that its finding deserves.
type Reply struct {
	// Code is the three-digit reply code.
	Code int
	// Enhanced is the enhanced status code, zero for the replies that carry
	// none (RFC 2034 section 4: the greeting, EHLO, and 3xx).
	Enhanced EnhancedCode
	// Reason names the catalogue entry of a refusal, "" for other replies.
	Reason Reason
	// Text is for people; "\n" separates lines. Anything else that is not
	// printable is replaced when the reply is written.
	Text string
}

// Length limits in octets.
const (
	// maxReplyLine is a reply line with its CRLF (RFC 5321 section 4.5.3.1.5).
	maxReplyLine = 512
	// maxDetail bounds what a caller may put into a catalogue text.
	maxDetail = 200
	// maxRecordDetail does so where the detail holds a DNS record to publish, such
	// as that of a key of 2048 bits with some 410.
	maxRecordDetail = 1200
)

// Temporary reports whether the same command may succeed later (4yz).
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

// Error returns code, enhanced code and text in one line.
func (r Reply) Error() string {
	head := strconv.Itoa(r.Code)
	if e := r.Enhanced.String(); e != "" {
		head += " " + e
	}
	return head + " " + printable(strings.ReplaceAll(r.Text, "\n", " "))
}

// AppendTo appends the wire form to b. Each line of Text becomes a line of the
// reply with the codes in front (RFC 5321 section 4.2.1; RFC 2034 section 4);
// a line that would pass 512 octets is folded into several, except in a 334,
// whose text is one base64 word of up to 12,288 octets (RFC 4954 section 4).
func (r Reply) AppendTo(b []byte) []byte {
	head := make([]byte, 0, 16)
	head = strconv.AppendInt(head, int64(r.Code), 10)
	head = append(head, ' ')
	if r.Enhanced != (EnhancedCode{}) {
		head = append(r.Enhanced.appendTo(head), ' ')
	}
	room := maxReplyLine - len(head) - len("\r\n")
	if r.Code == codeChallenge {
		room = len(r.Text)
	}
	rest := printable(r.Text)
	for more := true; more; {
		var line string
		line, rest, more = cutReplyLine(rest, room)
		start := len(b)
		b = append(b, head...)
		b = append(b, line...)
		if more {
			b[start+3] = '-' // RFC 5321 section 4.2.1: all lines but the last
		} else if line == "" && r.Enhanced != (EnhancedCode{}) {
			b = b[:len(b)-1]
		}
		b = append(b, '\r', '\n')
	}
	return b
}

// cutReplyLine takes the next line of at most room octets off text: up to a line feed,
// else up to the last space that fits, else as many whole characters as fit.
func cutReplyLine(text string, room int) (line, rest string, more bool) {
	line, rest, more = strings.Cut(text, "\n")
	if len(line) <= room {
		return line, rest, more
	}
	cut := strings.LastIndexByte(line[:room+1], ' ')
	if cut > 0 {
		return text[:cut], text[cut+1:], true
	}
	for cut = room; cut > 1 && !utf8.RuneStart(text[cut]); cut-- {
	}
	return text[:cut], text[cut:], true
}

// printable replaces in s, by "?", each character that is not printable and not a line
// feed, and each octet that is not UTF-8.
func printable(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = s[i] == '\n' || s[i] >= ' ' && s[i] <= '~'
	}
	if clean {
		return s
	}
	return strings.Map(func(c rune) rune {
		if c == '\n' || c != utf8.RuneError && unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s)
}

// cleanDetail makes s fit for the inside of a text: printable, in one line, at
// most so many octets.
func cleanDetail(s string, most int) string {
	const dots = "..."
	s = printable(strings.ReplaceAll(s, "\n", "?"))
	if len(s) <= most {
		return s
	}
	cut := most - len(dots)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + dots
}
