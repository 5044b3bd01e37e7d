package bodies

import (
	"bufio"
	"io"
	"os"

	"countersign/internal/mail"
)

// Import stores a body that another store has under its id, in place of a part
// of it that may be there, and returns when file and name are on the disk. Errors:
// fault.Full, fault.Unavailable, and those of from.
func (b *Folder) Import(id mail.ID, from io.Reader) error {
	if err := b.makeFolder(b.folder(id)); err != nil {
		return failure("body.import", err)
	}
	file, err := os.OpenFile(b.path(id), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return failure("body.import", err)
	}
	f := &File{folder: b, id: id, file: file, buffer: bufio.NewWriterSize(file, 64<<10)}
	if _, err := io.Copy(f, from); err != nil {
		_ = file.Close()
		return err
	}
	return f.Seal()
}
