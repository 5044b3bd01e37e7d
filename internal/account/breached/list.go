package breached

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"countersign/internal/fault"
)

// List is a file of hashes. Each question opens the file anew, so a new file that
// is renamed into its place counts from the next question on, and a question
// under way goes on with the old one. It is safe for concurrent use.
type List struct{ path string }

// Open returns the list in a file, of either form, after a look at its beginning
// and its end. Errors: fault.Unavailable where the file cannot be read,
// fault.Corrupt where it is no such list.
func Open(path string) (*List, error) {
	l := &List{path: path}
	f, err := l.open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.ends(); err != nil {
		return nil, l.corrupt(err)
	}
	return l, nil
}

// Holds reports whether a hash is in the list. Errors: fault.Unavailable where the
// file cannot be read, fault.Corrupt where what is read is no list, and
// fault.Canceled.
func (l *List) Holds(ctx context.Context, h Hash) (bool, error) {
	const op = "breached.look"
	if ctx.Err() != nil {
		return false, fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	f, err := l.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	found, err := f.search(h)
	if err != nil {
		return false, l.corrupt(err)
	}
	return found, nil
}

// Verify reads the whole list and returns how many hashes it holds. Each must be
// greater than the one before it, and the binary form must have the checksum
// that its head names. Errors are those of Holds.
func (l *List) Verify(ctx context.Context) (int64, error) {
	f, err := l.open()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.verify(ctx)
	if ctx.Err() != nil {
		return n, fault.Wrap("breached.verify", fault.Canceled, ctx.Err())
	}
	if err != nil {
		return n, l.corrupt(err)
	}
	return n, nil
}

// corrupt says what is wrong with the list.
func (l *List) corrupt(err error) error {
	kind := fault.Corrupt
	if errors.As(err, new(*os.PathError)) { // the disk's fault, not the list's
		kind = fault.Unavailable
	}
	return &fault.Error{Op: "breached.read", Kind: kind, Err: fmt.Errorf("the list of breached passwords %s cannot be used: %w", l.path, err)}
}

// file is an open list.
type file struct {
	*os.File
	size int64
	// binary is nil for the text form.
	binary *head
}

// open opens the list and finds out its form.
func (l *List) open() (*file, error) {
	opened, err := os.Open(l.path)
	if err != nil {
		return nil, fault.Wrap("breached.open", fault.Unavailable, err)
	}
	f, err := newFile(opened)
	if err != nil {
		_ = opened.Close()
		return nil, l.corrupt(err)
	}
	return f, nil
}

// newFile finds out the size and the form of an open file.
func newFile(opened *os.File) (*file, error) {
	info, err := opened.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no file")
	}
	f := &file{File: opened, size: info.Size()}
	begin := make([]byte, headBytes)
	n, err := opened.ReadAt(begin, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("it is empty")
	}
	if isBinary(begin[:n]) {
		h, err := readHead(begin[:n], f.size)
		if err != nil {
			return nil, err
		}
		f.binary = &h
	}
	return f, nil
}

// search looks for a hash by halving.
func (f *file) search(want Hash) (bool, error) {
	if f.binary != nil {
		return f.searchBinary(want)
	}
	return f.searchText(want)
}

func (f *file) searchBinary(want Hash) (bool, error) {
	from, to := int64(0), int64(f.binary.count) // the records among which it may be
	for from < to {
		middle := from + (to-from)/2
		got, err := f.record(middle)
		if err != nil {
			return false, err
		}
		switch bytes.Compare(got[:], want[:]) {
		case 0:
			return true, nil
		case -1:
			from = middle + 1
		default:
			to = middle
		}
	}
	return false, nil
}

// record reads the n-th hash of the binary form.
func (f *file) record(n int64) (Hash, error) {
	var h Hash
	_, err := f.ReadAt(h[:], headBytes+n*hashBytes)
	return h, noEOF(err)
}

// searchText halves octets, not lines: the line that it looks at is the one
// that begins at the middle or next after it.
func (f *file) searchText(want Hash) (bool, error) {
	from, to := int64(0), f.size // a line that begins in [from, to) may be the one
	for from < to {
		middle := from + (to-from)/2
		at, err := f.lineFrom(from, middle)
		if err != nil {
			return false, err
		}
		if at >= to { // none begins in [middle, to)
			to = middle
			continue
		}
		got, next, err := f.line(at)
		if err != nil {
			return false, err
		}
		switch bytes.Compare(got[:], want[:]) {
		case 0:
			return true, nil
		case -1:
			from = next
		default:
			to = middle
		}
	}
	return false, nil
}

// lineFrom returns where the first line begins that begins at or after middle;
// at from, a line begins. At the end of the file that is its size.
func (f *file) lineFrom(from, middle int64) (int64, error) {
	if middle == from {
		return from, nil
	}
	var buffer [maxLine + 1]byte
	n, err := f.ReadAt(buffer[:], middle-1)
	if err != nil && err != io.EOF {
		return 0, err
	}
	end := bytes.IndexByte(buffer[:n], '\n')
	if end >= 0 {
		return middle + int64(end), nil
	}
	if middle-1+int64(n) == f.size {
		return f.size, nil
	}
	return 0, fmt.Errorf("at octet %d there is a line of more than %d octets", middle, maxLine)
}

// line reads the line that begins at an offset, and where the next one begins.
func (f *file) line(at int64) (h Hash, next int64, err error) {
	var buffer [maxLine]byte
	n, err := f.ReadAt(buffer[:], at)
	if err != nil && err != io.EOF {
		return h, 0, err
	}
	line, _, found := bytes.Cut(buffer[:n], []byte("\n"))
	next = at + int64(len(line)) + 1
	if !found && at+int64(n) < f.size {
		return h, 0, fmt.Errorf("at octet %d there is a line of more than %d octets", at, maxLine)
	}
	h, err = parseLine(line)
	if err != nil {
		return h, 0, fmt.Errorf("the line at octet %d is broken: %w", at, err)
	}
	return h, min(next, f.size), nil
}

// ends looks at the first and the last hash.
func (f *file) ends() error {
	first, last, err := f.firstAndLast()
	if err == nil && bytes.Compare(first[:], last[:]) > 0 {
		err = errors.New("it is not sorted by hash: its first is greater than its last")
	}
	return err
}

func (f *file) firstAndLast() (first, last Hash, err error) {
	if f.binary != nil {
		if first, err = f.record(0); err != nil {
			return first, last, err
		}
		last, err = f.record(int64(f.binary.count) - 1)
		return first, last, err
	}
	first, at, err := f.line(0)
	if err != nil || at >= f.size {
		return first, first, err
	}
	// The last line begins behind the last LF but the one that ends the file.
	from := max(f.size-2*maxLine, 0)
	buffer := make([]byte, f.size-from)
	if _, err := f.ReadAt(buffer, from); err != nil && err != io.EOF {
		return first, last, err
	}
	buffer = bytes.TrimSuffix(buffer, []byte("\n"))
	last, _, err = f.line(from + int64(bytes.LastIndexByte(buffer, '\n')) + 1)
	return first, last, err
}

// verify reads all hashes.
func (f *file) verify(ctx context.Context) (int64, error) {
	var source *reader
	sum := sha256.New()
	if f.binary != nil {
		body := io.NewSectionReader(f, headBytes, f.size-headBytes)
		source = newRecordReader(io.TeeReader(body, sum))
	} else {
		source = newLineReader(io.NewSectionReader(f, 0, f.size))
	}
	n, err := ascending(ctx, source)
	if err != nil {
		return n, err
	}
	if f.binary != nil && !bytes.Equal(sum.Sum(nil)[:sumBytes], f.binary.sum[:]) {
		return n, errors.New("its hashes are not those that its head has the checksum of")
	}
	return n, nil
}

// ascending counts hashes, each of which must be greater than the one before.
func ascending(ctx context.Context, source *reader) (int64, error) {
	var before Hash
	for n := int64(0); ; n++ {
		h, err := source.next()
		if err == io.EOF {
			return n, nil
		}
		if n%pace == 0 && ctx.Err() != nil {
			err = ctx.Err()
		}
		if err != nil {
			return n, err
		}
		if n > 0 && bytes.Compare(before[:], h[:]) >= 0 {
			return n, fmt.Errorf("it is not sorted by hash: number %d is not greater than the one before", n+1)
		}
		before = h
	}
}

// noEOF is for reads that must not meet the end of the file.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
