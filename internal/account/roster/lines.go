package roster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"countersign/internal/fault"
)

// byteOrderMark may stand before UTF-8 (RFC 3629 section 6).
const byteOrderMark = "\ufeff"

// line is one line without its end.
type line struct {
	number int
	text   string
	// long says that it has more than MaxLine octets; text is "" then.
	long bool
}

// lines reads lines with bounded memory.
type lines struct {
	buffer *bufio.Reader
	number int
	// back are lines that were read and are to be read again.
	back []line
}

func newLines(r io.Reader) *lines {
	return &lines{buffer: bufio.NewReaderSize(r, MaxLine+len("\r\n"))}
}

// next returns the next line; io.EOF after the last one, fault.Internal where
// it cannot be read.
func (l *lines) next() (line, error) {
	if len(l.back) > 0 {
		first := l.back[0]
		l.back = l.back[1:]
		return first, nil
	}
	raw, err := l.buffer.ReadSlice('\n')
	text, long := string(raw), false
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = l.buffer.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return line{}, fault.Wrap("roster.read", fault.Internal, fmt.Errorf("after line %d: %w", l.number, err))
	}
	if err != nil && text == "" {
		return line{}, io.EOF
	}
	l.number++
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if l.number == 1 {
		text = strings.TrimPrefix(text, byteOrderMark)
	}
	if long || len(text) > MaxLine {
		return line{number: l.number, long: true}, nil
	}
	return line{number: l.number, text: text}, nil
}

// unread puts lines back before what comes next.
func (l *lines) unread(again []line) { l.back = append(again, l.back...) }

// utf16 reports whether the list begins as UTF-16 does. It reads no line.
func (l *lines) utf16() bool {
	start, _ := l.buffer.Peek(2)
	return bytes.Equal(start, []byte{0xff, 0xfe}) || bytes.Equal(start, []byte{0xfe, 0xff})
}

// tooLong is the problem of a line that is.
func tooLong(number int) Entry {
	return problem(number, "the line has more than %d octets; is it part of the list?", MaxLine)
}

// detail returns the sentence of a fault without the name of its operation.
func detail(err error) error {
	if text := fault.DetailOf(err, fault.Invalid); text != "" {
		return errors.New(text)
	}
	return err
}
