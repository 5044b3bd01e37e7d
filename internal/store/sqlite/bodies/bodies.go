// Package bodies keeps large message bodies, one file each, flushed to the disk
// before anybody is told of them.
//
// It does not know which bodies are in use: package sqlite stores that, and
// names those to keep when it cleans up after a crash.
//
// A backup reads which bodies the database names, then fetches them, while mail
// flows. So it keeps the folder meanwhile (Keep), under a lock of the file system
// that ends with the process that has it: whoever would remove a stored body puts
// it off until the lock is gone.
//
// A folder is that of one database, which a file in it names (Claim): of two, the
// one whose server starts would remove what the other names.
//
// Main types: Folder, File (a body being written), Stored.
package bodies

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlkit"
)

// Folder is where bodies are kept: in sub-folders named by the last two
// characters of their ids, which are random. Its methods are safe for
// concurrent use.
type Folder struct {
	root string
	ids  mail.IDSource

	mu sync.Mutex // guards what follows
	// durable holds the folders whose own names are known to be on the disk.
	durable map[string]bool
	// putOff are the files to remove when nobody keeps the folder any more.
	putOff []string
}

// New returns the folder at root, which Create makes where it is missing.
func New(root string) *Folder { return &Folder{root: root, durable: map[string]bool{}} }

// folder returns the sub-folder of a body.
func (b *Folder) folder(id mail.ID) string {
	return filepath.Join(b.root, string(id[len(id)-2:]))
}

func (b *Folder) path(id mail.ID) string { return filepath.Join(b.root, Name(id)) }

// Create makes the file of a new body. Errors: fault.Full, fault.Unavailable.
func (b *Folder) Create() (*File, error) {
	id := b.ids.New()
	if err := b.makeFolder(b.folder(id)); err != nil {
		return nil, failure("body.new", err)
	}
	file, err := os.OpenFile(b.path(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, failure("body.new", err)
	}
	return &File{folder: b, id: id, file: file, buffer: bufio.NewWriterSize(file, 64<<10)}, nil
}

// makeFolder makes a sub-folder, and returns when its name and that of the
// root are on the disk.
func (b *Folder) makeFolder(folder string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.durable[folder] {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, parent := range []string{b.root, filepath.Dir(b.root)} {
		if err := syncFolder(parent); err != nil {
			return err
		}
	}
	b.durable[folder] = true
	return nil
}

// syncFolder flushes a folder's entries to the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// handle is what a body needs of its file.
type handle interface {
	io.WriteCloser
	Sync() error
}

// File is a body being written; it implements queue.BodyFile. It is used by one
// goroutine.
type File struct {
	folder *Folder
	id     mail.ID
	file   handle
	buffer *bufio.Writer
	size   int64
	sealed bool
	// taken says that a stored submission owns the file now.
	taken bool
}

// Write implements io.Writer. Errors: fault.Full, fault.Unavailable.
func (f *File) Write(p []byte) (int, error) {
	if f.sealed {
		return 0, fault.New("body.write", fault.Invalid, "the body is sealed")
	}
	n, err := f.buffer.Write(p)
	f.size += int64(n)
	return n, failure("body.write", err)
}

// Seal implements queue.BodyFile.
func (f *File) Seal() error {
	if f.sealed {
		return nil
	}
	err := f.buffer.Flush()
	if err == nil {
		err = f.file.Sync()
	}
	if err == nil {
		err = f.file.Close()
	}
	if err == nil {
		err = syncFolder(f.folder.folder(f.id))
	}
	f.sealed = err == nil
	if f.sealed {
		f.buffer = nil
	}
	return failure("body.seal", err)
}

// Discard implements queue.BodyFile. What it cannot remove, the next start
// does.
func (f *File) Discard() {
	if f.taken {
		return
	}
	if !f.sealed {
		_ = f.file.Close()
	}
	_ = os.Remove(f.folder.path(f.id))
}

// Ready reports whether a submission of the store that b belongs to may take
// the body: it is sealed and no other submission has it.
func (f *File) Ready(b *Folder) bool { return f.folder == b && f.sealed && !f.taken }

// Take gives the file to a stored submission: Discard does nothing any more.
func (f *File) Take() { f.taken = true }

// ID names the body.
func (f *File) ID() mail.ID { return f.id }

// Size implements queue.LargeBody.
func (f *File) Size() int64 { return f.size }

// Open implements queue.LargeBody. Before Seal part of the body is missing.
func (f *File) Open() (io.ReadCloser, error) { return f.folder.open(f.id, f.size) }

// open opens a stored body. An open file stays readable after its removal.
func (b *Folder) open(id mail.ID, size int64) (io.ReadCloser, error) {
	file, err := b.openFile(id)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(failure("body.open", err), file.Close())
	}
	if err := sqlkit.CheckBody(id, info.Size(), size); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return sqlkit.Whole(id, size, file), nil
}

func (b *Folder) openFile(id mail.ID) (*os.File, error) {
	file, err := os.Open(b.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New("body.open", fault.NotFound, "the body %s is gone", id)
	}
	if err != nil {
		return nil, failure("body.open", err)
	}
	return file, nil
}

// Stored returns a body that was stored before.
func (b *Folder) Stored(id mail.ID, size int64) Stored { return Stored{b, id, size} }

// Stored is the large body of a stored submission.
type Stored struct {
	folder *Folder
	id     mail.ID
	size   int64
}

// Size implements queue.LargeBody.
func (s Stored) Size() int64 { return s.size }

// Open implements queue.LargeBody.
func (s Stored) Open() (io.ReadCloser, error) { return s.folder.open(s.id, s.size) }

// failure gives an error of a file its kind; one that has a kind keeps it.
func failure(op string, err error) error {
	kind := fault.Unavailable
	var known *fault.Error
	switch {
	case errors.As(err, &known):
		kind = known.Kind
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		kind = fault.Full
	}
	return fault.Wrap(op, kind, err)
}
