package strict

import (
	"io"

	"countersign/internal/smtp"
)

// ChunkChecker applies the rules of message content to the chunks of BDAT (RFC
// 3030 section 2), which are not dot-stuffed: CRLF only, no NUL, bounded lines
// and size. Its state carries over the borders of chunks. It is for one
// goroutine.
type ChunkChecker struct {
	c content
}

// NewChunkChecker returns a checker for the chunks of one message.
func NewChunkChecker(o DataOptions) *ChunkChecker {
	return &ChunkChecker{c: content{opt: o}}
}

// Check takes the next octets of the message. It returns a *DataError at the
// first violation, and the same one from then on.
func (c *ChunkChecker) Check(p []byte) error {
	c.c.scan(p)
	return c.Violation()
}

// Finish says that the last chunk is complete, and returns the violation of
// the whole, if there is one. A message whose last line lacks its CRLF passes: see InLine.
func (c *ChunkChecker) Finish() error {
	if c.c.lastCR {
		c.c.violate(smtp.EDataBareCR, 0)
	}
	return c.Violation()
}

// Violation returns what Check or Finish has found, nil for nothing.
func (c *ChunkChecker) Violation() error {
	if c.c.violation == nil {
		return nil
	}
	return c.c.violation
}

// InLine reports whether the octets so far end within a line. After Finish, it
// tells the caller to append the CRLF that the message will need to be sent
// on by DATA (RFC 5321 section 4.1.1.4).
func (c *ChunkChecker) InLine() bool { return c.c.inLine }

// Size returns the octets of the message so far.
func (c *ChunkChecker) Size() int64 { return c.c.size }

// ChunkReader reads one chunk of BDAT. It is for one goroutine.
type ChunkReader struct {
	r       *Reader
	checker *ChunkChecker
	// left is the octets of the chunk that have not been consumed.
	left int64
}

// Chunk returns the reader of the chunk of n octets that begins at the next
// octet, checked by c as part of its message. Until its Done is true, no other
// method of r may be used.
func (r *Reader) Chunk(n int64, c *ChunkChecker) *ChunkReader {
	return &ChunkReader{r: r, checker: c, left: n}
}

// Read returns the next octets of the chunk. Errors as DataReader.Read, with
// io.EOF at the end of the chunk.
func (k *ChunkReader) Read(p []byte) (int, error) {
	if err := k.checker.Violation(); err != nil {
		return 0, err
	}
	n, err := k.read(p)
	if err != nil {
		return 0, err
	}
	if err := k.checker.Violation(); err != nil {
		return 0, err
	}
	return n, nil
}

// Drain consumes what is left of the chunk. nil means that the session may go on
// with the next command; errors as DataReader.Drain.
func (k *ChunkReader) Drain() error {
	if k.left > k.checker.c.maxDrain() {
		k.r.err = ErrDrainLimit
		return ErrDrainLimit
	}
	var p [1024]byte
	for !k.Done() {
		if _, err := k.read(p[:]); err != nil {
			return err
		}
	}
	return nil
}

// Done reports whether the whole chunk has been consumed.
func (k *ChunkReader) Done() bool { return k.left == 0 }

// read takes octets of the chunk from the connection past the checker.
func (k *ChunkReader) read(p []byte) (int, error) {
	if k.left == 0 {
		return 0, io.EOF
	}
	n, err := k.r.Read(p[:min(int64(len(p)), k.left)])
	k.left -= int64(n)
	k.checker.c.scan(p[:n])
	if n > 0 {
		return n, nil
	}
	if err == io.EOF {
		k.r.err = io.ErrUnexpectedEOF
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}
