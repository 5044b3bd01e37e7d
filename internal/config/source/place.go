package source

import (
	"bytes"
	"unicode/utf8"
)

// Place returns where in the file a character of a text stands: its line and its column, both
// from 1, columns in characters. The character is at a row and column of Text, which are counted
// likewise; what is behind the end is at the end. It is for strings; for anything else it is the
// line of the node and column 0.
func (n *Node) Place(row, column int) (line, at int) {
	if n.Shape != String || len(n.raw) == 0 {
		return n.Line, 0
	}
	s := scan{rest: n.raw, line: n.Line, column: n.column}
	s.open()
	for r, c := 1, 1; (r < row || r == row && c < column) && !s.ended(); {
		s.fold()
		if s.ended() || r == row && c >= column {
			break
		}
		if s.next() == '\n' {
			r, c = r+1, 1
		} else {
			c++
		}
	}
	s.fold()
	return s.line, s.column
}

// scan goes through a string of TOML 1.0 as it stands in the file. The string is known to be
// sound.
type scan struct {
	rest []byte
	// quote is what the string ends with.
	quote []byte
	// line and column are where rest begins.
	line, column int
}

// open goes behind the opening quotes, and behind a line end that follows three of them.
func (s *scan) open() {
	width := 1
	if three := s.rest[:min(3, len(s.rest))]; bytes.Equal(three, []byte(`"""`)) || bytes.Equal(three, []byte(`'''`)) {
		width = 3
	}
	s.quote = s.rest[:width]
	s.skip(width)
	for _, end := range []string{"\n", "\r\n"} {
		if width == 3 && bytes.HasPrefix(s.rest, []byte(end)) {
			s.skip(len(end))
			return
		}
	}
}

// ended reports whether the closing quotes are next.
func (s *scan) ended() bool { return len(s.rest) <= len(s.quote) }

// escapes reports whether a backslash means something in this kind of string.
func (s *scan) escapes() bool { return s.quote[0] == '"' }

// fold goes behind a backslash at the end of a line and the white space that follows it, which
// stand for nothing.
func (s *scan) fold() {
	for len(s.quote) == 3 && s.escapes() && s.rest[0] == '\\' {
		blank := bytes.TrimLeft(s.rest[1:], " \t\r\n")
		width := len(s.rest) - len(blank)
		if !bytes.Contains(s.rest[:width], []byte("\n")) {
			return
		}
		s.skip(width)
	}
}

// next goes behind one character of the text and returns it, or some other one that ends no line
// either.
func (s *scan) next() rune {
	r, width := utf8.DecodeRune(s.rest)
	if r == '\\' && s.escapes() && len(s.rest) > 1 {
		kind := s.rest[1]
		width = 2
		switch {
		case kind == 'n':
			r = '\n'
		case kind == 'u' && len(s.rest) >= 6:
			width = 6
		case kind == 'U' && len(s.rest) >= 10:
			width = 10
		}
		if digits := bytes.TrimLeft(s.rest[2:width], "0"); width > 2 && bytes.EqualFold(digits, []byte("a")) {
			r = '\n'
		}
	}
	s.skip(width)
	return r
}

// skip goes over octets of the file.
func (s *scan) skip(width int) {
	for _, r := range string(s.rest[:width]) {
		if s.column++; r == '\n' {
			s.line, s.column = s.line+1, 1
		}
	}
	s.rest = s.rest[width:]
}
