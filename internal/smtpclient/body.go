package smtpclient

import (
	"bufio"
	"bytes"
	"io"
)

// stuffer writes message content with its dots doubled (RFC 5321 section
// 4.5.2). It allocates nothing.
type stuffer struct {
	w *bufio.Writer
	// inLine says that the last octet written did not end a line.
	inLine bool
	// last are the last two octets written; begun says that there are any.
	last  [2]byte
	begun bool
}

// lineDot is what gets a dot more. A dot behind a bare LF is doubled too: there
// is none in what we accepted, and should one come about, no peer that takes LF for
// a line end may find an end of the message there.
var lineDot = []byte("\n.")

// Write implements io.Writer.
func (s *stuffer) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	s.note(p)
	if p[0] == '.' && !s.inLine {
		s.w.WriteByte('.') // a buffered writer repeats its error
	}
	for rest := p; ; {
		i := bytes.Index(rest, lineDot)
		if i < 0 {
			_, err := s.w.Write(rest)
			s.inLine = p[len(p)-1] != '\n'
			return len(p), err
		}
		s.w.Write(rest[:i+1]) // as above
		s.w.WriteByte('.')
		rest = rest[i+1:]
	}
}

// note remembers the end of what is written.
func (s *stuffer) note(p []byte) {
	s.begun = true
	if len(p) == 1 {
		s.last = [2]byte{s.last[1], p[0]}
		return
	}
	s.last = [2]byte(p[len(p)-2:])
}

// end writes the end of the content into the buffer; an unfinished last line is finished first.
func (s *stuffer) end() {
	if s.begun && s.last != [2]byte{'\r', '\n'} {
		s.w.WriteString("\r\n") // a buffered writer repeats its error at Flush
	}
	s.w.WriteString(".\r\n")
}

// is8Bit reports whether content holds an octet beyond ASCII.
func is8Bit(r io.Reader) (bool, error) {
	buf := make([]byte, 32<<10)
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if c >= 0x80 {
				return true, nil
			}
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
