package message

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"countersign/internal/fault"
)

// Limits bound what ReadHeader reads.
type Limits struct {
	// MaxBytes bounds the header block in octets; 0 means 262,144.
	MaxBytes int
	// MaxFields bounds the number of fields; 0 means 1,000.
	MaxFields int
	// MaxLine bounds a line in octets without its CRLF; 0 means 998 (RFC 5322
	// section 2.1.1).
	MaxLine int
}

// withDefaults returns l with its zeros filled in.
func (l Limits) withDefaults() Limits {
	if l.MaxBytes == 0 {
		l.MaxBytes = 256 << 10
	}
	if l.MaxFields == 0 {
		l.MaxFields = 1000
	}
	if l.MaxLine == 0 {
		l.MaxLine = maxLine
	}
	return l
}

// ReadHeader reads a header block from r up to and with its blank line. rest
// reads what follows, which is the body; r itself must not be read any more
// (unless it is a *bufio.Reader, which is used as it is). A message that ends within
// the header block has an empty body. A broken or over-long header is a *fault.Error with a reason;
// an error of r is returned as it is.
func ReadHeader(r io.Reader, limits Limits) (h *Header, rest io.Reader, err error) {
	br, ok := r.(*bufio.Reader)
	if !ok {
		br = bufio.NewReader(r)
	}
	rd := headerReader{br: br, limits: limits.withDefaults(), block: make([]byte, 0, 2048)}
	err = rd.readAll()
	if err != nil {
		return nil, nil, err
	}
	return &Header{fields: rd.fields()}, br, nil
}

// headerReader collects the lines of one header block.
type headerReader struct {
	br     *bufio.Reader
	limits Limits
	// block is everything read so far, less the blank line.
	block []byte
	// marks holds start and colon of each field within block.
	marks []mark
}

type mark struct{ start, colon int }

// readAll reads lines until the blank one or the end of the message.
func (r *headerReader) readAll() error {
	for {
		start := len(r.block)
		last, err := r.readLine()
		if err != nil {
			return err
		}
		line := r.block[start:]
		if len(line) == 2 { // the blank line
			r.block = r.block[:start]
			return nil
		}
		if len(line) > 0 {
			err = r.addLine(start, line[:len(line)-2])
			if err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// readLine appends the next line with its CRLF to block; last says that the
// message ended with it. A last line without CRLF gets one.
func (r *headerReader) readLine() (last bool, err error) {
	start := len(r.block)
	for {
		part, err := r.br.ReadSlice('\n')
		r.block = append(r.block, part...)
		if len(r.block) > r.limits.MaxBytes {
			return false, tooLarge("the header is longer than %d octets", r.limits.MaxBytes)
		}
		if len(r.block)-start > r.limits.MaxLine+2 {
			return false, tooLarge("a header line is longer than %d octets", r.limits.MaxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(r.block) > start {
				r.block = append(r.block, '\r', '\n')
			}
			last = true
		case err != nil:
			return false, err
		}
		return last, checkLine(r.block[start:])
	}
}

// checkLine insists on CRLF as the only line end and on no NUL (RFC 5321
// section 2.3.8). The data reader of the session has refused these already;
// this keeps the promise that Bytes is fit for the wire. It also refuses the other
// control characters but TAB, which RFC 5322 section 4.1 has as obsolete (obs-NO-WS-CTL)
// and some programs take for the end of a line or of a text.
func checkLine(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	text, found := bytes.CutSuffix(line, []byte("\r\n"))
	if !found || bytes.ContainsAny(text, "\r\n\x00") {
		return refuse(ReasonMalformed, "a header line holds a bare CR, bare LF or NUL")
	}
	for _, c := range text {
		if isControl(c) {
			return refuse(ReasonControl, "0x%02x in the line %.60q", c, text)
		}
	}
	return nil
}

// isControl reports whether c is a control character of ASCII other than TAB.
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// addLine takes one line, without CRLF, that begins at start: the first of a
// field, or a continuation.
func (r *headerReader) addLine(start int, line []byte) error {
	if isWSP(line[0]) {
		// RFC 5322 section 2.2.3: folding continues a field. A line of white
		// space only, which section 3.2.2 forbids, is the end of the header to some.
		if len(r.marks) == 0 {
			return refuse(ReasonMalformed, "the header begins with a continuation line")
		}
		if onlyWSP(line) {
			return refuse(ReasonMalformed, "a header line holds only white space")
		}
		return nil
	}
	if len(r.marks) == r.limits.MaxFields {
		return tooLarge("the header has more than %d fields", r.limits.MaxFields)
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return refuse(ReasonMalformed, "line %d of the header is not a field: it has no colon", len(r.marks)+1)
	}
	if !isFieldName(line[:colon]) {
		return refuse(ReasonMalformed, "%.80q is not the name of a header field", line[:colon])
	}
	r.marks = append(r.marks, mark{start: start, colon: colon})
	return nil
}

// fields cuts block into its fields.
func (r *headerReader) fields() []field {
	// Room for what Complete adds and the signatures' owner may prepend.
	out := make([]field, 0, len(r.marks)+4)
	for i, m := range r.marks {
		end := len(r.block)
		if i+1 < len(r.marks) {
			end = r.marks[i+1].start
		}
		out = append(out, field{raw: r.block[m.start:end:end], colon: m.colon})
	}
	return out
}

// isFieldName reports whether b is field-name = 1*ftext (RFC 5322 section
// 3.6.8): printable ASCII, which has neither the white space before the colon
// of section 4.5 nor anything invisible.
func isFieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(b) > 0
}

// tooLarge makes the error of a header over a limit.
func tooLarge(format string, args ...any) error {
	e := fault.New("message.header", fault.TooLarge, format, args...)
	e.Reason = ReasonTooLarge
	return e
}
