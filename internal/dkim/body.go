package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
)

// BodyHash canonicalises a body by the "relaxed" algorithm (RFC 6376 section
// 3.4.4) and hashes it with SHA-256, in one pass, while it is written to. Write the body as it
// was received, CRLF line ends, in pieces of any size. It is used by one
// goroutine.
type BodyHash struct {
	hash hash.Hash
	// buf holds canonical octets that are not hashed yet.
	buf []byte
	// crlfs counts line ends that are kept back: those at the end of the body do
	// not count (rule b).
	crlfs int
	// blank says that white space is kept back: at the end of a line it does
	// not count, elsewhere it is one space (rule a).
	blank bool
	// cr says that the last octet was a CR.
	cr bool
	// last and before are the last two octets written, for MissingCRLF.
	last, before byte
	written      bool
	// nonEmpty says that the canonical body has anything in it; if it has, it
	// ends in CRLF.
	nonEmpty bool
}

// bodyBuffer is the size of buf; canonical text goes to the hash in pieces of
// about this size.
const bodyBuffer = 4096

// NewBodyHash returns a BodyHash for one message.
func NewBodyHash() *BodyHash {
	return &BodyHash{hash: sha256.New(), buf: make([]byte, 0, bodyBuffer)}
}

// Write takes the next piece of the body. It never fails.
func (b *BodyHash) Write(p []byte) (int, error) {
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	b.note(p)
	for len(p) > 0 {
		// A line at a time, or what there is of one.
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			end = len(p)
		}
		b.line(p[:end])
		p = p[end:]
	}
	return n, nil
}

// note remembers the last two octets of the body.
func (b *BodyHash) note(p []byte) {
	b.written = true
	b.before = b.last
	if len(p) > 1 {
		b.before = p[len(p)-2]
	}
	b.last = p[len(p)-1]
}

// line takes octets with at most one LF, which is then the last.
func (b *BodyHash) line(p []byte) {
	if b.cr {
		b.cr = false
		if p[0] == '\n' {
			b.blank = false
			b.crlfs++
			return
		}
		b.text([]byte{'\r'}) // a lone CR, which strict input does not have
	}
	text, ended := bytes.CutSuffix(p, []byte("\r\n"))
	if !ended && text[len(text)-1] == '\r' {
		b.cr = true
		text = text[:len(text)-1]
	}
	b.text(text)
	if ended {
		b.blank = false
		b.crlfs++
	}
	if len(b.buf) > bodyBuffer-1024 {
		b.hash.Write(b.buf)
		b.buf = b.buf[:0]
	}
}

// text takes octets within a line. What was kept back counts as soon as
// something else than white space follows.
func (b *BodyHash) text(p []byte) {
	start := 0
	for start < len(p) && (p[start] == ' ' || p[start] == '\t') {
		start++
	}
	b.blank = b.blank || start > 0
	p = p[start:]
	if len(p) == 0 {
		return
	}
	for ; b.crlfs > 0; b.crlfs-- {
		b.buf = append(b.buf, '\r', '\n')
	}
	b.nonEmpty = true
	if b.blank {
		b.buf = append(b.buf, ' ')
		b.blank = false
	}
	if bytes.IndexByte(p, '\t') < 0 && !bytes.Contains(p, []byte("  ")) { // most lines
		text := bytes.TrimSuffix(p, []byte(" "))
		b.blank = len(text) < len(p)
		b.buf = append(b.buf, text...)
		return
	}
	for _, c := range p {
		if c == ' ' || c == '\t' {
			b.blank = true
			continue
		}
		if b.blank {
			b.buf = append(b.buf, ' ')
			b.blank = false
		}
		b.buf = append(b.buf, c)
	}
}

// MissingCRLF reports whether the body written so far is not empty and does
// not end in CRLF. The hash is taken as if it did, since every path adds it (RFC 5321 section
// 4.1.1.4); whoever stores the body appends it, so that what is stored is what was signed.
func (b *BodyHash) MissingCRLF() bool {
	return b.written && (b.before != '\r' || b.last != '\n')
}

// sum ends the body and returns its hash. Nothing may be written after it.
func (b *BodyHash) sum() []byte {
	if b.cr {
		b.cr = false
		b.text([]byte{'\r'})
	}
	if b.nonEmpty {
		b.buf = append(b.buf, '\r', '\n')
		b.nonEmpty = false
	}
	b.hash.Write(b.buf)
	b.buf = b.buf[:0]
	return b.hash.Sum(nil)
}
