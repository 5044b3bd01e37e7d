package strict

import (
	"bytes"
	"io"

	"countersign/internal/smtp"
)

// LineError is a line that cannot be a command. Each is one of the four values
// below; compare with errors.Is or look at the fields.
type LineError struct {
	// Reason is the catalogue entry to answer with.
	Reason smtp.Reason
	// Fatal says that client and server no longer agree where a line begins:
	// answer, then end the session. The Reader then repeats the error.
	Fatal bool
}

// Error returns the reason.
func (e *LineError) Error() string { return "smtp: " + string(e.Reason) }

// Reply returns the catalogue's reply.
func (e *LineError) Reply() smtp.Reply { return smtp.Refusal(e.Reason, "") }

// What ReadLine finds wrong with a line. After ErrLineTooLong and ErrNUL the
// line has been consumed and the session may go on.
var (
	ErrLineTooLong = &LineError{Reason: smtp.ELineTooLong}
	ErrLineEndless = &LineError{Reason: smtp.ELineTooLong, Fatal: true}
	ErrNUL         = &LineError{Reason: smtp.ENUL}
	ErrBareCR      = &LineError{Reason: smtp.EBareCR, Fatal: true}
	ErrBareLF      = &LineError{Reason: smtp.EBareLF, Fatal: true}
)

const (
	// minBuffer is the smallest buffer: a Peek of a TLS record header and the
	// end of data fit, and reading stays worth a system call.
	minBuffer = 512
	// maxSkip is how many octets of an over-long line are thrown away in search
	// of its end.
	maxSkip = 64 << 10
	// maxEmptyReads is how often a source may return nothing in a row.
	maxEmptyReads = 100
)

// Reader reads lines, message content and chunks from one connection through
// one buffer, so that no octet is ever read twice or by the wrong hand. Only CRLF
// ends a line (RFC 5321 sections 2.3.7 and 2.3.8). Once a read has failed, or a
// line error was fatal, every later read fails alike: what arrives after a
// failure in the middle of a message can never become a command. A Reader is
// for one goroutine.
type Reader struct {
	src io.Reader
	// base is the buffer of the agreed size; buf is base, or a larger one
	// while a line longer than base is read.
	base, buf []byte
	// buf[r:w] is read but not consumed.
	r, w int
	// err is what every further read returns, once set.
	err error
}

// NewReader returns a Reader over src with a buffer of size octets, at least
// 512. A line longer than that is read through a buffer of its own size, which is
// dropped afterwards.
func NewReader(src io.Reader, size int) *Reader {
	base := make([]byte, max(size, minBuffer))
	return &Reader{src: src, base: base, buf: base}
}

// Reset makes r read from src as if new and forgets what was buffered: at
// STARTTLS, look at Buffered first.
func (r *Reader) Reset(src io.Reader) {
	*r = Reader{src: src, base: r.base, buf: r.base}
}

// Buffered returns how many octets have been received and not yet consumed.
func (r *Reader) Buffered() int { return r.w - r.r }

// Peek returns the next n octets without consuming them, waiting for them; n
// is at most the buffer's size. With an error it returns what there is. The
// error does not stick, so that a caller may peek under a short deadline.
func (r *Reader) Peek(n int) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if n > len(r.buf) {
		return nil, io.ErrShortBuffer
	}
	for r.Buffered() < n {
		if err := r.fill(); err != nil {
			return r.buf[r.r:r.w], err
		}
	}
	return r.buf[r.r : r.r+n], nil
}

// Read reads raw octets, as the chunks of BDAT are (RFC 3030 section 2).
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if r.Buffered() == 0 {
		if len(p) >= len(r.buf) {
			n, err := r.src.Read(p)
			r.err = err
			return n, err
		}
		if err := r.fill(); err != nil {
			r.err = err
			return 0, err
		}
	}
	n := copy(p, r.buf[r.r:r.w])
	r.r += n
	return n, nil
}

// ReadLine returns the next line without its CRLF; the slice is valid until the
// next call of any method. limit is the longest line allowed, in octets with
// its CRLF (as RFC 5321 section 4.5.3.1 counts). Errors: a *LineError; io.EOF
// at the end before a line; io.ErrUnexpectedEOF within one; else the
// source's error as it is. It does not allocate unless the line is longer than the buffer.
func (r *Reader) ReadLine(limit int) ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	line, err := r.readLine(limit)
	if err == ErrLineTooLong {
		err = r.skipLine()
	}
	if le, ok := err.(*LineError); err != nil && (!ok || le.Fatal) {
		r.err = err
	}
	return line, err
}

func (r *Reader) readLine(limit int) ([]byte, error) {
	seen := 0 // octets of the buffer already searched
	for {
		if i := bytes.IndexByte(r.buf[r.r+seen:r.w], '\n'); i >= 0 {
			end := r.r + seen + i
			if end+1-r.r > limit {
				return nil, ErrLineTooLong
			}
			line := r.buf[r.r:end]
			r.r = end + 1
			return checkLine(line)
		}
		seen = r.Buffered()
		if seen >= limit {
			return nil, ErrLineTooLong
		}
		if seen == len(r.buf) {
			r.grow(limit)
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && seen > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// checkLine looks at a line that ended at a line feed, which is cut off.
func checkLine(line []byte) ([]byte, error) {
	cr := bytes.IndexByte(line, '\r')
	if cr < 0 {
		return nil, ErrBareLF
	}
	if cr != len(line)-1 {
		return nil, ErrBareCR
	}
	line = line[:cr]
	if bytes.IndexByte(line, 0) >= 0 {
		return nil, ErrNUL
	}
	return line, nil
}

// skipLine throws away the rest of an over-long line up to its CRLF, and
// returns what is to be said about it. A line feed alone is no end here either.
func (r *Reader) skipLine() error {
	lastCR := false
	for skipped := 0; skipped < maxSkip; {
		b := r.buf[r.r:r.w]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			r.r += i + 1
			if i > 0 {
				lastCR = b[i-1] == '\r'
			}
			if !lastCR {
				return ErrBareLF
			}
			return ErrLineTooLong
		}
		if len(b) > 0 {
			lastCR = b[len(b)-1] == '\r'
		}
		skipped += len(b)
		r.r = r.w
		if err := r.fill(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return ErrLineEndless
}

// grow moves what is buffered to a buffer that holds a line of limit octets.
func (r *Reader) grow(limit int) {
	larger := make([]byte, max(limit, len(r.buf)))
	r.w = copy(larger, r.buf[r.r:r.w])
	r.r = 0
	r.buf = larger
}

// fill reads once more from the source; afterwards at least one octet more is
// buffered, or there is an error. The buffer must not be full.
func (r *Reader) fill() error {
	if r.r == r.w {
		r.r, r.w = 0, 0
		r.buf = r.base
	} else if r.w == len(r.buf) {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		if n > 0 {
			return nil // an error with it comes again with the next read
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}
