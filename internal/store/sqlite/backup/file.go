package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"countersign/internal/fault"
)

// pace tells of progress, and ends what takes long when its context ends.
type pace struct {
	ctx   context.Context
	what  string
	total int64
	done  int64
	told  func(what string, done, total int64)
}

// begin starts the next thing of which there are total octets.
func (p *pace) begin(what string, total int64) {
	p.what, p.total, p.done = what, total, 0
	p.tell(0)
}

// tell adds octets that are done.
func (p *pace) tell(n int64) {
	p.done += n
	if p.told != nil {
		p.told(p.what, p.done, p.total)
	}
}

// piece is how much is read at once, in octets.
const piece = 1 << 20

// digest reads a file to its end, writes it to to as well unless that is nil, and
// returns its size and sum.
func (p *pace) digest(from io.Reader, to io.Writer) (size int64, sum string, err error) {
	hash, buffer := sha256.New(), make([]byte, piece)
	for {
		if err := p.ctx.Err(); err != nil {
			return size, "", fault.Wrap("backup", fault.Canceled, err)
		}
		n, err := from.Read(buffer)
		hash.Write(buffer[:n])
		if to != nil && n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return size, "", err
			}
		}
		size += int64(n)
		p.tell(int64(n))
		if errors.Is(err, io.EOF) {
			return size, hex.EncodeToString(hash.Sum(nil)), nil
		}
		if err != nil {
			return size, "", err
		}
	}
}

// sumOf is digest of the file at path.
func (p *pace) sumOf(path string) (size int64, sum string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer file.Close()
	return p.digest(file, nil)
}

// copyFile copies a file to a new one, which is on the disk when it returns.
func (p *pace) copyFile(from, to string) (size int64, sum string, err error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, "", err
	}
	size, sum, err = p.digest(in, out)
	if err == nil {
		err = out.Sync()
	}
	return size, sum, errors.Join(err, out.Close())
}

// syncFolder flushes a folder's entries to the disk.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// syncTree flushes the entries of a folder and of those in it.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}

// room refuses to begin where the disk of folder has no room for that many octets.
func room(folder string, octets int64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(folder, &disk); err != nil {
		return &fs.PathError{Op: "statfs", Path: folder, Err: err}
	}
	if free := int64(disk.Bavail) * disk.Bsize; free < octets {
		return fault.New("backup", fault.Full, "%s has %d MiB of free space, and %d MiB are needed", folder, free>>20, octets>>20+1)
	}
	return nil
}

// failure gives an error of a file its kind.
func failure(op string, err error) error {
	var known *fault.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.Wrap(op, fault.Full, err)
	}
	return fault.Wrap(op, fault.Unavailable, err)
}
