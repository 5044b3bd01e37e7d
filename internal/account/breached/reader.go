package breached

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// bufferBytes is what a stream of hashes is read and written by.
const bufferBytes = 256 << 10

// pace is how many hashes pass between two looks at whether the caller has given
// up, and between two reports of progress.
const pace = 1 << 16

// reader is a stream of hashes. It is used by one goroutine.
type reader struct {
	in *bufio.Reader
	// text says that there are lines; lines counts them.
	text  bool
	lines int64
}

// newRecordReader reads hashes of the binary form, behind its head.
func newRecordReader(r io.Reader) *reader {
	return &reader{in: bufio.NewReaderSize(r, bufferBytes)}
}

// newLineReader reads hashes of the text form.
func newLineReader(r io.Reader) *reader {
	return &reader{in: bufio.NewReaderSize(r, bufferBytes), text: true}
}

// formError is what is wrong with the form of a list, as opposed to the reading.
type formError struct{ error }

// next returns the next hash, io.EOF behind the last, and a formError for what is
// none. What a broken line says is not in it: it may be a file of passwords.
func (r *reader) next() (Hash, error) {
	if r.text {
		return r.nextLine()
	}
	var h Hash
	_, err := io.ReadFull(r.in, h[:])
	if err == io.ErrUnexpectedEOF {
		err = formError{errors.New("it ends within a hash")}
	}
	return h, err
}

func (r *reader) nextLine() (Hash, error) {
	line, err := r.in.ReadSlice('\n')
	if err == io.EOF && len(line) == 0 {
		return Hash{}, io.EOF
	}
	r.lines++
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return Hash{}, err
	}
	if len(line) > maxLine {
		return Hash{}, formError{fmt.Errorf("line %d has more than %d octets", r.lines, maxLine)}
	}
	if err == nil {
		line = line[:len(line)-1]
	}
	h, err := parseLine(line)
	if err != nil {
		return h, formError{fmt.Errorf("line %d is broken: %w", r.lines, err)}
	}
	return h, nil
}
