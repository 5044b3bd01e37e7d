package bodies

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"countersign/internal/mail"
)

// importing is what the name of a body adds to its id until all of it is there.
const importing = ".import"

// Import stores a body that another store has under its id, in place of what may
// be there, and returns when file and name are on the disk. What was there is as it
// was until then, and afterwards for whoever has a link to it, such as a backup.
// One import of an id runs at a time. Errors: fault.Full, fault.Unavailable, and
// those of from.
func (b *Folder) Import(id mail.ID, from io.Reader) error {
	if err := b.makeFolder(b.folder(id)); err != nil {
		return failure("body.import", err)
	}
	part := b.path(id) + importing
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure("body.import", err)
	}
	file, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return failure("body.import", err)
	}
	f := &File{folder: b, id: id, file: file, buffer: bufio.NewWriterSize(file, 64<<10)}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Seal()
	}
	if err != nil {
		_ = file.Close() // where Seal has not
		_ = os.Remove(part)
		return err
	}
	err = os.Rename(part, b.path(id))
	if err == nil {
		err = syncFolder(b.folder(id))
	}
	return failure("body.import", err)
}

// leftover reports whether a file's name is that of an import that was cut off.
func leftover(name string) bool {
	id, ok := strings.CutSuffix(name, importing)
	return ok && mail.ValidID(id)
}
