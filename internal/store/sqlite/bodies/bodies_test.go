package bodies

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
)

// failing is a file on a disk that gives an error.
type failing struct {
	write, sync, close error
	short              int
}

func (f failing) Write(p []byte) (int, error) { return len(p) - f.short, f.write }
func (f failing) Sync() error                 { return f.sync }
func (f failing) Close() error                { return f.close }

// TestFailuresAreNotSealed lets each step fail: no body that may be incomplete
// is ever ready to be stored.
func TestFailuresAreNotSealed(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	broken := &os.PathError{Op: "write", Path: "x", Err: syscall.EIO}
	for name, c := range map[string]struct {
		disk failing
		want fault.Kind
	}{
		"full while writing":   {failing{write: full}, fault.Full},
		"over quota":           {failing{write: syscall.EDQUOT}, fault.Full},
		"broken while writing": {failing{write: broken}, fault.Unavailable},
		"short write":          {failing{short: 1}, fault.Unavailable},
		"full while flushing":  {failing{sync: full}, fault.Full},
		"broken while closing": {failing{close: broken}, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(t.TempDir())
			f, err := b.Create()
			if err != nil {
				t.Fatal(err)
			}
			if err := f.file.Close(); err != nil {
				t.Fatal(err)
			}
			f.file = c.disk
			f.buffer.Reset(c.disk)
			_, err = f.Write(make([]byte, 200_000))
			if err == nil {
				err = f.Seal()
			}
			if !fault.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
			if f.Ready(b) {
				t.Error("the body counts as complete")
			}
			f.Discard()
			if _, err := os.Stat(b.path(f.id)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file stays: %v", err)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "deep", "bodies"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if err := writeOne(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, err := b.RemoveOthers(nil); n != 40 || err != nil {
		t.Errorf("there were %d files, %v", n, err)
	}
}

// writeOne writes a body, seals it and reads it again.
func writeOne(b *Folder) error {
	f, err := b.Create()
	if err != nil {
		return err
	}
	text := strings.Repeat(string(f.ID()), 5000)
	if _, err := io.WriteString(f, text); err != nil {
		return err
	}
	if err := f.Seal(); err != nil {
		return err
	}
	r, err := b.Stored(f.ID(), f.Size()).Open()
	if err != nil {
		return err
	}
	read, err := io.ReadAll(r)
	if string(read) != text || f.Size() != int64(len(text)) {
		return errors.Join(errors.New("the body is not what was written"), err, r.Close())
	}
	return errors.Join(err, r.Close())
}

func TestOnlyTheFolderOfTheStoreIsReady(t *testing.T) {
	one, two := New(t.TempDir()), New(t.TempDir())
	f, err := one.Create()
	if err == nil && f.Ready(one) {
		t.Error("a body is ready before it is sealed")
	}
	if err := errors.Join(err, f.Seal()); err != nil {
		t.Fatal(err)
	}
	if !f.Ready(one) || f.Ready(two) {
		t.Error("a body is ready in the wrong folder")
	}
	f.Take()
	f.Discard()
	if f.Ready(one) {
		t.Error("a taken body is ready again")
	}
	if _, err := os.Stat(one.path(f.ID())); err != nil {
		t.Errorf("a taken body was discarded: %v", err)
	}
}

func TestRemoving(t *testing.T) {
	b := New(filepath.Join(t.TempDir(), "bodies"))
	if n, err := b.RemoveOthers(nil); n != 0 || err != nil {
		t.Errorf("without a folder: %d, %v", n, err)
	}
	if err := b.RemoveStored([]mail.ID{mail.ID("01M85RM9P62D31H7STSCFHADBD")}); err != nil {
		t.Errorf("what is gone: %v", err)
	}
	if _, err := b.Stored("01M85RM9P62D31H7STSCFHADBD", 1).Open(); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is gone: %v", err)
	}
}

// TestBodiesAreWholeOrFail shortens the file of a stored body and lengthens it,
// before it is opened and while it is read.
func TestBodiesAreWholeOrFail(t *testing.T) {
	const size = 200_000
	for name, c := range map[string]struct {
		becomes int64
		short   bool
	}{
		"empty": {0, true}, "one octet is missing": {size - 1, true}, "one is too many": {size + 1, false},
	} {
		b := New(t.TempDir())
		f, err := b.Create()
		if err == nil {
			_, err = f.Write(make([]byte, size))
		}
		if err == nil {
			err = f.Seal()
		}
		if err != nil {
			t.Fatal(err)
		}
		early, err := b.Stored(f.ID(), size).Open()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(b.path(f.ID()), c.becomes); err != nil {
			t.Fatal(err)
		}
		_, underway := io.Copy(io.Discard, early)
		_, err = b.Stored(f.ID(), size).Open()
		for _, err := range []error{underway, err} {
			if !fault.Is(err, fault.Corrupt) || errors.Is(err, io.ErrUnexpectedEOF) != c.short {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := early.Close(); err != nil {
			t.Error(err)
		}
	}
}
