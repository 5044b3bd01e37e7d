package strict

import (
	"bytes"
	"errors"
	"strconv"

	"countersign/internal/smtp"
)

// MaxTextLine is the longest line of a message in octets, without its CRLF
// (RFC 5322 section 2.1.1; RFC 5321 section 4.5.3.1.6 counts the CRLF).
const MaxTextLine = 998

// DefaultMaxDrain is what DataOptions.MaxDrain means when it is 0, in octets.
const DefaultMaxDrain = 32 << 20

// ErrDrainLimit is what Drain returns when the sender of a refused message
// does not come to its end: the session must end.
var ErrDrainLimit = errors.New("smtp: refused message does not end")

// DataOptions bounds the content of a message. The zero value bounds nothing
// but what Drain throws away.
type DataOptions struct {
	// MaxBytes is the largest message in octets, counted after dot-unstuffing
	// and without the final dot (RFC 1870 section 4); 0 means no limit.
	MaxBytes int64
	// MaxLine is the longest line in octets without CRLF, MaxTextLine by the
	// standard; 0 means no limit.
	MaxLine int
	// MaxDrain is how many octets are thrown away at most after a violation to
	// reach the end of the message; 0 means DefaultMaxDrain.
	MaxDrain int64
}

// DataError is a violation found in the content of a message.
type DataError struct {
	// Reason is the catalogue entry to answer with.
	Reason smtp.Reason
	// Detail is the limit that was passed, as a number of octets, or "".
	Detail string
}

// Error returns the reason.
func (e *DataError) Error() string { return "smtp: " + string(e.Reason) }

// Reply returns the catalogue's reply.
func (e *DataError) Reply() smtp.Reply { return smtp.Refusal(e.Reason, e.Detail) }

// content looks at the octets of a message as they come, in pieces of any
// size, and remembers the first violation. Its findings do not depend on how
// the octets are cut into pieces.
type content struct {
	opt DataOptions
	// size is the octets so far.
	size int64
	// line is the octets so far of the current line, without a CR that may
	// belong to its end.
	line int
	// lastCR says that the last octet was a carriage return.
	lastCR bool
	// inLine says that the last octets were not a CRLF, nor the beginning.
	inLine bool
	// violation is the first one, nil while there is none.
	violation *DataError
}

// scan takes the next octets.
func (c *content) scan(p []byte) {
	for len(p) > 0 {
		n := c.scanLine(p)
		for n == 0 || n < len(p) && p[n-1] != '\n' { // to the line's end, not to pay twice for it
			c.step(p[n])
			n++
		}
		p = p[n:]
	}
}

// scanLine takes a whole faultless line, or a faultless beginning of one, in
// one go and returns its length; 0 means that it has to be looked at octet by octet.
func (c *content) scanLine(p []byte) int {
	if c.lastCR {
		return 0
	}
	text, ends := p, false
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		if i == 0 || p[i-1] != '\r' {
			return 0
		}
		text, ends = p[:i-1], true
	}
	if bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		return 0
	}
	n := len(text)
	if ends {
		n += len("\r\n")
	}
	if c.tooLong(c.line+len(text)) || c.tooLarge(c.size+int64(n)) {
		return 0
	}
	c.size += int64(n)
	c.line += len(text)
	c.inLine = true
	if ends {
		c.line, c.inLine = 0, false
	}
	return n
}

// step takes one octet. It states the rules; scanLine only skips over what
// obeys them.
func (c *content) step(b byte) {
	afterCR := c.lastCR
	c.lastCR = b == '\r'
	c.size++
	if c.tooLarge(c.size) {
		c.violate(smtp.EMessageTooLarge, c.opt.MaxBytes)
	}
	if b == '\n' && afterCR {
		c.line, c.inLine = 0, false
		return
	}
	c.inLine = true
	if afterCR { // RFC 5321 section 2.3.8: CR and LF only together
		c.violate(smtp.EDataBareCR, 0)
		c.line++
	}
	switch b {
	case '\r':
		return
	case '\n':
		c.violate(smtp.EDataBareLF, 0)
	case 0: // RFC 5322 section 4: obsolete, and no program that behaves sends it
		c.violate(smtp.EDataNUL, 0)
	}
	c.line++
	if c.tooLong(c.line) {
		c.violate(smtp.EDataLineTooLong, int64(c.opt.MaxLine))
	}
}

func (c *content) tooLong(line int) bool {
	return c.opt.MaxLine > 0 && line > c.opt.MaxLine
}

func (c *content) tooLarge(size int64) bool {
	return c.opt.MaxBytes > 0 && size > c.opt.MaxBytes
}

// violate remembers the first violation; limit is for its detail, 0 for none.
func (c *content) violate(reason smtp.Reason, limit int64) {
	if c.violation != nil {
		return
	}
	c.violation = &DataError{Reason: reason}
	if limit > 0 {
		c.violation.Detail = strconv.FormatInt(limit, 10)
	}
}

// maxDrain returns the limit of Drain.
func (c *content) maxDrain() int64 {
	if c.opt.MaxDrain > 0 {
		return c.opt.MaxDrain
	}
	return DefaultMaxDrain
}
