package breached

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"countersign/internal/fault"
)

// ImportOptions say what Import makes of what.
type ImportOptions struct {
	// From is the list in the text form, in any order.
	From io.Reader
	// To is the file that is made in the binary form, in a folder that exists. One
	// that is there already is replaced at the very end, whole.
	To string
	// MemoryBytes is what sorting may take, DefaultMemoryBytes where 0. Below 1 MiB
	// it is 1 MiB.
	MemoryBytes int64
	// Progress, if not nil, is called now and then with how many hashes have been
	// read, and how many written; both once more at the end.
	Progress func(read, written int64)
}

// DefaultMemoryBytes is what Import sorts by: 64 MiB, enough for 13,000 million
// hashes.
const DefaultMemoryBytes = 64 << 20

const (
	minMemoryBytes = 1 << 20
	// maxRuns bounds how many sorted parts are merged, each of which has a buffer.
	maxRuns = 4096
)

// Import writes a list in the binary form and returns how many hashes it holds;
// those that occur more than once count once. While it runs it needs room for
// twice the result on the disk of To.
//
// Errors: fault.Invalid where From is no such list, with the line; nothing is
// left then, and a file that was there stays as it was. fault.Unavailable where
// files cannot be read or written, fault.Canceled, and fault.TooLarge where
// MemoryBytes is too little for so many hashes without order.
func Import(ctx context.Context, opt ImportOptions) (int64, error) {
	if opt.MemoryBytes == 0 {
		opt.MemoryBytes = DefaultMemoryBytes
	}
	if opt.Progress == nil {
		opt.Progress = func(int64, int64) {}
	}
	i := &importer{opt: opt, ctx: ctx, source: newLineReader(opt.From)}
	n, err := i.run()
	if ctx.Err() != nil && err != nil {
		return 0, fault.Wrap("breached.import", fault.Canceled, ctx.Err())
	}
	return n, err
}

// importer is one run of Import. It is used by one goroutine.
type importer struct {
	opt    ImportOptions
	ctx    context.Context
	source *reader
	read   int64
	// sorted are the parts of the list that have been sorted, in one file.
	sorted *os.File
	runs   []run
	out    *writer
}

// run is a sorted part: count hashes from the offset on.
type run struct{ offset, count int64 }

func (i *importer) run() (n int64, err error) {
	if err := i.refuseBinary(); err != nil {
		return 0, err
	}
	i.sorted, err = os.CreateTemp(filepath.Dir(i.opt.To), "."+filepath.Base(i.opt.To)+".sorting-*")
	if err != nil {
		return 0, unwritten(err)
	}
	defer func() {
		_ = i.sorted.Close()
		_ = os.Remove(i.sorted.Name())
	}()
	if err := i.split(); err != nil {
		return 0, err
	}
	if i.read == 0 {
		return 0, broken(errors.New("it is empty"))
	}
	i.out, err = create(i.opt.To)
	if err != nil {
		return 0, unwritten(err)
	}
	defer i.out.discard()
	if err := i.merge(); err != nil {
		return 0, err
	}
	if err := i.out.finish(); err != nil {
		return 0, unwritten(err)
	}
	i.opt.Progress(i.read, int64(i.out.head.count))
	return int64(i.out.head.count), nil
}

// refuseBinary says so where the list has been imported already.
func (i *importer) refuseBinary() error {
	begin, err := i.source.in.Peek(len(magic))
	if err != nil && err != io.EOF {
		return unread(err)
	}
	if isBinary(begin) {
		return broken(errors.New("it has the binary form already; copy it"))
	}
	return nil
}

// split reads the list in portions that fit into memory and writes each one
// sorted. A portion that begins behind the end of the one before continues its
// run, so that a sorted list is one run.
func (i *importer) split() error {
	portion := make([]Hash, 0, max(i.opt.MemoryBytes, minMemoryBytes)/hashBytes)
	var last Hash
	for over := false; !over; {
		var err error
		portion, over, err = i.fill(portion[:0])
		if err != nil {
			return err
		}
		if len(portion) == 0 {
			continue
		}
		slices.SortFunc(portion, compare)
		portion = slices.Compact(portion)
		follows := len(i.runs) > 0 && compare(last, portion[0]) < 0
		last = portion[len(portion)-1]
		if err := i.store(portion, follows); err != nil {
			return err
		}
	}
	return nil
}

// fill reads hashes until the portion is full or the list is over.
func (i *importer) fill(portion []Hash) (_ []Hash, over bool, err error) {
	for len(portion) < cap(portion) {
		if i.read%pace == 0 {
			if i.ctx.Err() != nil {
				return nil, false, i.ctx.Err()
			}
			i.opt.Progress(i.read, 0)
		}
		h, err := i.source.next()
		if err == io.EOF {
			return portion, true, nil
		}
		if errors.As(err, new(formError)) {
			return nil, false, broken(err)
		}
		if err != nil {
			return nil, false, unread(err)
		}
		i.read++
		portion = append(portion, h)
	}
	return portion, false, nil
}

// store writes a sorted portion behind the others.
func (i *importer) store(portion []Hash, follows bool) error {
	if !follows {
		if len(i.runs) == maxRuns {
			return fault.New("breached.import", fault.TooLarge, "the list is not sorted, and too long to be sorted with %d octets of memory: give more", i.opt.MemoryBytes)
		}
		end := int64(0)
		if n := len(i.runs); n > 0 {
			end = i.runs[n-1].offset + i.runs[n-1].count*hashBytes
		}
		i.runs = append(i.runs, run{offset: end})
	}
	i.runs[len(i.runs)-1].count += int64(len(portion))
	buffer := make([]byte, 0, bufferBytes)
	for k := range portion {
		buffer = append(buffer, portion[k][:]...)
		if len(buffer)+hashBytes > bufferBytes || k == len(portion)-1 {
			if _, err := i.sorted.Write(buffer); err != nil {
				return unwritten(err)
			}
			buffer = buffer[:0]
		}
	}
	return nil
}

// merge writes the hashes of all runs in order, each once.
func (i *importer) merge() error {
	var m merger
	for _, r := range i.runs {
		section := io.NewSectionReader(i.sorted, r.offset, r.count*hashBytes)
		if err := m.add(section, int(i.opt.MemoryBytes/int64(len(i.runs)))); err != nil {
			return unread(err)
		}
	}
	for n := int64(0); ; n++ {
		if n%pace == 0 {
			if i.ctx.Err() != nil {
				return i.ctx.Err()
			}
			i.opt.Progress(i.read, n)
		}
		h, err := m.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unread(err)
		}
		if err := i.out.add(h); err != nil {
			return unwritten(err)
		}
	}
}

func compare(a, b Hash) int { return bytes.Compare(a[:], b[:]) }

// broken says that the list is none.
func broken(err error) error {
	return fault.New("breached.import", fault.Invalid, "this is no list of hashes: %v", err)
}

func unread(err error) error {
	return fault.Wrap("breached.import", fault.Unavailable, fmt.Errorf("cannot read the list: %w", err))
}

func unwritten(err error) error {
	return fault.Wrap("breached.import", fault.Unavailable, fmt.Errorf("cannot write the list: %w", err))
}
