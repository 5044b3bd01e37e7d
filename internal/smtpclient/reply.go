package smtpclient

import (
	"bufio"
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on one reply.
const (
	// maxReplyLine is the longest line taken, in octets with its end; RFC 5321
	// section 4.5.3.1.5 allows 512, and servers are not always exact.
	maxReplyLine = 2048
	// maxReplyLines is the most lines of one reply.
	maxReplyLines = 128
	// maxText is what is kept of a reply's text, in octets.
	maxText = 1000
)

// Reply is a remote server's answer.
type Reply struct {
	// Code is the three-digit code.
	Code int
	// Enhanced is the enhanced status code, "5.1.1"; "" where there was none.
	Enhanced string
	// Text is what the server said besides, its lines joined by spaces: valid
	// UTF-8 of printable characters, at most 1000 octets.
	Text string
}

// String returns code, enhanced code and text in one line.
func (r Reply) String() string {
	parts := []string{strconv.Itoa(r.Code)}
	if r.Enhanced != "" {
		parts = append(parts, r.Enhanced)
	}
	if r.Text != "" {
		parts = append(parts, r.Text)
	}
	return strings.Join(parts, " ")
}

// errGarbage marks a reply that is not one.
var errGarbage = errors.New("not an SMTP reply")

// rawReply is a reply as it came, its lines without codes.
type rawReply struct {
	code  int
	lines []string
}

// readReply reads one reply of any number of lines (RFC 5321 section 4.2.1). A
// line may end in LF alone; the codes of all lines must agree. Errors:
// errGarbage, or the reader's.
func readReply(r *bufio.Reader) (rawReply, error) {
	var reply rawReply
	for len(reply.lines) < maxReplyLines {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return rawReply{}, errGarbage
		}
		if err != nil {
			return rawReply{}, err
		}
		code, last, text, ok := cutLine(strings.TrimRight(string(line), "\r\n"))
		if !ok || len(reply.lines) > 0 && code != reply.code {
			return rawReply{}, errGarbage
		}
		reply.code = code
		reply.lines = append(reply.lines, text)
		if last {
			return reply, nil
		}
	}
	return rawReply{}, errGarbage
}

// cutLine takes a reply line apart. "250" alone is taken as "250 ".
func cutLine(line string) (code int, last bool, text string, ok bool) {
	if len(line) < 3 {
		return 0, false, "", false
	}
	for i := range 3 {
		if line[i] < '0' || line[i] > '9' {
			return 0, false, "", false
		}
		code = code*10 + int(line[i]-'0')
	}
	if code < 200 || code > 599 { // RFC 5321 section 4.2.1: first digit 2 to 5
		return 0, false, "", false
	}
	if len(line) == 3 {
		return code, true, "", true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, "", false
	}
	return code, line[3] == ' ', line[4:], true
}

// reply returns the form that leaves the package: enhanced code cut off each
// line, lines joined, cleaned.
func (r rawReply) reply() Reply {
	out := Reply{Code: r.code}
	texts := make([]string, 0, len(r.lines))
	for i, line := range r.lines {
		enhanced, rest := cutEnhanced(line, r.code/100)
		if i == 0 {
			out.Enhanced = enhanced
		}
		if enhanced != out.Enhanced {
			rest = line // RFC 2034 section 4: all lines have the same
		}
		texts = append(texts, rest)
	}
	out.Text = cleanText(strings.Join(texts, " "))
	return out
}

// cutEnhanced takes "5.1.1 " off the front of text. Its class must be that of
// the code (RFC 2034 section 4).
func cutEnhanced(text string, class int) (enhanced, rest string) {
	word, rest, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(class) {
		return "", text
	}
	for _, p := range parts[1:] { // RFC 3463 section 2: one to three digits
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || len(p) > 3 || p[0] == '+' || p[0] == '-' {
			return "", text
		}
	}
	return word, rest
}

// cleanText makes a peer's text fit for records and reports.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxText {
		return s
	}
	cut := maxText - len("...")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
