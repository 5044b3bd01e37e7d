package strict

import (
	"bytes"
	"io"
)

// DataReader reads the message that follows DATA: leading dots unstuffed, CRLF
// kept, io.EOF after the CRLF.CRLF that ends it (RFC 5321 sections 4.1.1.4 and
// 4.5.2). Nothing but that ends it: not LF.LF, LF.CRLF, CRLF.LF, CR.CR or any
// other mixture, all of which are a *DataError. It is for one goroutine.
type DataReader struct {
	r *Reader
	c content
	// err is what Read returns from now on, once set.
	err error
	// done says that the end of the message has been consumed.
	done bool
}

// Data returns the reader of the message that begins at the next octet. Until
// its Done is true, no other method of r may be used.
func (r *Reader) Data(o DataOptions) *DataReader {
	return &DataReader{r: r, c: content{opt: o}}
}

// Read returns the next octets of the message. Errors: io.EOF at its end; a
// *DataError at the first violation, and again at each later call (Drain then
// finds the end); io.ErrUnexpectedEOF when the connection ended first; else the
// connection's error. After a connection's error the session must end.
func (d *DataReader) Read(p []byte) (int, error) {
	n := 0
	for d.err == nil && n < len(p) {
		part, err := d.next(len(p)-n, n == 0)
		if err != nil {
			d.err = err
			break
		}
		if len(part) == 0 {
			break // needs more octets than are there: not now
		}
		d.c.scan(part)
		if d.c.violation != nil {
			d.err = d.c.violation
			break
		}
		n += copy(p[n:], part)
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, d.err
}

// Drain consumes what is left of the message up to its true end and throws it away. nil means that
// the session may go on with the next command, whatever Read has returned
// before; an error means that it must end: the connection's error, or ErrDrainLimit.
// Deadlines of the connection bound it in time.
func (d *DataReader) Drain() error {
	limit := d.c.maxDrain()
	for !d.done {
		part, err := d.next(len(d.r.buf), true)
		if err == io.EOF {
			break
		}
		if err != nil {
			d.err = err
			return err
		}
		d.c.scan(part)
		if limit -= int64(len(part)); limit < 0 {
			d.r.err = ErrDrainLimit
			d.err = ErrDrainLimit
			return ErrDrainLimit
		}
	}
	if d.err == nil {
		d.err = io.EOF
	}
	return nil
}

// Done reports whether the end of the message has been consumed.
func (d *DataReader) Done() bool { return d.done }

// Size returns the octets of the message so far, unstuffed, those that Drain
// threw away included.
func (d *DataReader) Size() int64 { return d.c.size }

// Violation returns what Read or Drain has found wrong with the message, nil for nothing.
func (d *DataReader) Violation() error {
	if d.c.violation == nil {
		return nil
	}
	return d.c.violation
}

// next consumes and returns up to limit octets of one line of content, valid
// until the next call; io.EOF at the end. Without wait it returns nothing
// rather than wait for the connection.
func (d *DataReader) next(limit int, wait bool) ([]byte, error) {
	r := d.r
	if d.done {
		return nil, io.EOF
	}
	if r.err != nil {
		return nil, r.err
	}
	if r.Buffered() == 0 {
		if err := d.fill(wait); err != nil || r.Buffered() == 0 {
			return nil, err
		}
	}
	if !d.c.inLine && r.buf[r.r] == '.' {
		ready, err := d.unstuff(wait)
		if !ready {
			return nil, err
		}
	}
	part := r.buf[r.r:min(r.w, r.r+limit)]
	if i := bytes.IndexByte(part, '\n'); i >= 0 {
		part = part[:i+1]
	}
	r.r += len(part)
	return part, nil
}

// unstuff deals with a dot at the beginning of a line: with CRLF after it, it
// is the end; otherwise it is dropped (RFC 5321 section 4.5.2). ready says that content
// follows in the buffer; without it and without an error, more octets are needed.
func (d *DataReader) unstuff(wait bool) (ready bool, err error) {
	const end = ".\r\n"
	r := d.r
	for {
		have := r.buf[r.r:min(r.w, r.r+len(end))]
		if string(have) == end {
			r.r += len(end)
			d.done = true
			return false, io.EOF
		}
		if len(have) > 1 && string(have) != end[:2] {
			r.r++
			return true, nil
		}
		if !wait {
			return false, nil
		}
		if err := d.fill(true); err != nil {
			return false, err
		}
	}
}

// fill reads from the connection if the caller wants to wait for it. Any error
// sticks to the Reader, so that no octet after it is taken for a command.
func (d *DataReader) fill(wait bool) error {
	if !wait {
		return nil
	}
	err := d.r.fill()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		d.r.err = err
	}
	return err
}
