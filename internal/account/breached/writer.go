package breached

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"os"
	"path/filepath"
)

// listMode lets everybody read the list: it is a published one.
const listMode = 0o644

// writer makes a file of the binary form beside the one that it will replace.
type writer struct {
	to   string
	file *os.File
	out  *bufio.Writer
	sum  hash.Hash
	head head
	last Hash
	done bool
}

// create begins a file that finish renames to to.
func create(to string) (*writer, error) {
	f, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".new-*")
	if err != nil {
		return nil, err
	}
	w := &writer{to: to, file: f, out: bufio.NewWriterSize(f, bufferBytes), sum: sha256.New()}
	if _, err := w.out.Write(w.head.bytes()); err != nil { // its place
		w.discard()
		return nil, err
	}
	return w, nil
}

// add writes the next hash, which is greater than the one before.
func (w *writer) add(h Hash) error {
	if w.head.count > 0 && compare(w.last, h) >= 0 {
		return errors.New("a hash is out of order")
	}
	w.head.count++
	w.last = h
	_, _ = w.sum.Write(h[:]) // never fails
	_, err := w.out.Write(h[:])
	return err
}

// finish writes the head, flushes all to disk and puts the file into its place.
func (w *writer) finish() error {
	copy(w.head.sum[:], w.sum.Sum(nil))
	if err := w.out.Flush(); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(w.head.bytes(), 0); err != nil {
		return err
	}
	if err := errors.Join(w.file.Chmod(listMode), w.file.Sync(), w.file.Close()); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), w.to); err != nil {
		return err
	}
	w.done = true
	folder, err := os.Open(filepath.Dir(w.to))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// discard removes what was not finished.
func (w *writer) discard() {
	if !w.done {
		_ = w.file.Close()
		_ = os.Remove(w.file.Name())
	}
}
