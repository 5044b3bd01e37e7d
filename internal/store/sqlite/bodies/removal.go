package bodies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite/lockfile"
)

// lockSuffix is what the name of the lock adds to that of the folder.
const lockSuffix = ".lock"

// removed is how many files are removed under one lock, so that a backup does not
// wait long for it.
const removed = 256

// openLock opens the file that removals lock for many and a backup for itself.
// What root makes belongs to whom the folder above belongs, as a server that is
// not root has to open it; the owner of what was there stays.
func (b *Folder) openLock() (*os.File, error) {
	file, made, err := lockfile.Open(b.root + lockSuffix)
	if err != nil || !made || os.Geteuid() != 0 {
		return file, err
	}
	above, err := os.Stat(filepath.Dir(b.root))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	owner := above.Sys().(*syscall.Stat_t)
	if err := file.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Prepare makes the lock's file, so that it belongs to the server and not to
// whoever makes the first backup.
func (b *Folder) Prepare() error {
	file, err := b.openLock()
	if err != nil {
		return failure("body.lock", err)
	}
	return failure("body.lock", file.Close())
}

// RemoveStored removes the bodies of finished submissions. While somebody keeps
// the folder (Keep) they are remembered, for RemovePutOff. One that is gone is no
// error. What this process has not removed when it ends, the next start does.
func (b *Folder) RemoveStored(ids []mail.ID) error {
	paths := make([]string, len(ids))
	for i, id := range ids {
		paths[i] = b.path(id)
	}
	_, err := b.remove(paths)
	return err
}

// RemovePutOff removes what could not be removed while somebody kept the folder,
// unless somebody still does. It returns how many files wait for the next call.
func (b *Folder) RemovePutOff() (waiting int, err error) {
	b.mu.Lock()
	paths := b.putOff
	b.putOff = nil
	b.mu.Unlock()
	_, err = b.remove(paths)
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.putOff), err
}

// remove removes files and returns how many were there. What has to wait, for
// whatever reason, is remembered; the error is that of the first.
func (b *Folder) remove(paths []string) (count int, err error) {
	var left []string
	for len(paths) > 0 {
		next := paths[:min(len(paths), removed)]
		n, wait, failed := b.removeSome(next)
		count += n
		left = append(left, wait...)
		paths = paths[len(next):]
		if err == nil {
			err = failed
		}
	}
	if len(left) > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.putOff = append(b.putOff, left...)
	}
	return count, err
}

// removeSome removes files under the lock, and returns those that are left: all
// where somebody keeps them.
func (b *Folder) removeSome(paths []string) (count int, left []string, err error) {
	lock, err := b.openLock()
	if err != nil {
		return 0, paths, err
	}
	defer lock.Close() // and with it the lock
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return 0, paths, nil
	}
	if err != nil {
		return 0, paths, &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}
	}
	for _, path := range paths {
		failed := os.Remove(path)
		switch {
		case failed == nil:
			count++
		case !errors.Is(failed, fs.ErrNotExist):
			left, err = append(left, path), cmp.Or(err, failed)
		}
	}
	return count, left, err
}

// Waits for removals that are under way when somebody wants to keep the folder.
const (
	keepWait = 10 * time.Millisecond
	keepMost = 10 * time.Second
)

// Keep lets no stored body be removed until release is called or the process
// ends: removals that are asked for meanwhile are made afterwards. One process at
// a time keeps a folder; the second gets fault.Conflict.
func (b *Folder) Keep(ctx context.Context) (release func() error, err error) {
	const op = "body.keep"
	lock, err := b.openLock()
	if err != nil {
		return nil, failure(op, err)
	}
	tick := time.NewTicker(keepWait)
	defer tick.Stop()
	end := time.After(keepMost)
	for {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(failure(op, &fs.PathError{Op: "lock", Path: lock.Name(), Err: err}), lock.Close())
		}
		select {
		case <-tick.C:
		case <-end:
			return nil, errors.Join(b.keptBy(lock), lock.Close())
		case <-ctx.Done():
			return nil, errors.Join(fault.Wrap(op, fault.Canceled, ctx.Err()), lock.Close())
		}
	}
	err = lock.Truncate(0)
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(failure(op, err), lock.Close())
	}
	return lock.Close, nil
}

// keptBy says who keeps the folder, as far as the lock tells.
func (b *Folder) keptBy(lock *os.File) error {
	who := "another process"
	if text, err := io.ReadAll(io.LimitReader(lock, 32)); err == nil && strings.TrimSpace(string(text)) != "" {
		who = fmt.Sprintf("process %s", strings.TrimSpace(string(text)))
	}
	return fault.New("body.keep", fault.Conflict, "%s is making a backup of this database; wait for its end", who)
}

// RemoveOthers removes all bodies that keep does not name, with what imports have
// left, and returns their number. It is for a start, when no body is being written. While somebody keeps
// the folder they are remembered instead, for RemovePutOff.
func (b *Folder) RemoveOthers(keep map[mail.ID]bool) (int, error) {
	var others []string
	err := b.files(func(path string, d fs.DirEntry) error {
		if name := d.Name(); leftover(name) || mail.ValidID(name) && !keep[mail.ID(name)] {
			others = append(others, path)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return b.remove(others)
}

// walk calls each for every body file; somebody else's file is not ours to look
// at.
func (b *Folder) walk(each func(id mail.ID, path string, d fs.DirEntry) error) error {
	return b.files(func(path string, d fs.DirEntry) error {
		if !mail.ValidID(d.Name()) {
			return nil
		}
		return each(mail.ID(d.Name()), path, d)
	})
}

// files calls each for every file. One that goes away meanwhile is passed over.
func (b *Folder) files(each func(path string, d fs.DirEntry) error) error {
	err := filepath.WalkDir(b.root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != b.root {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		return each(path, d)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no large body was ever stored
	}
	return err
}

// Look is what a check sees of a stored body.
type Look struct {
	// Size is its octets.
	Size int64
	// Changed is when it was last written to.
	Changed time.Time
}

// Look opens a stored body and says what there is. Errors: fault.NotFound where
// there is none, fault.Unavailable where it cannot be opened.
func (b *Folder) Look(id mail.ID) (Look, error) {
	file, err := b.openFile(id)
	if err != nil {
		return Look{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Look{}, failure("body.look", err)
	}
	return Look{info.Size(), info.ModTime()}, nil
}

// Each calls each for every body file, in no particular order.
func (b *Folder) Each(each func(id mail.ID, changed time.Time) error) error {
	return failure("body.list", b.walk(func(id mail.ID, _ string, d fs.DirEntry) error {
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return each(id, info.ModTime())
	}))
}

// Name returns where a body is, relative to the folder.
func Name(id mail.ID) string { return filepath.Join(string(id[len(id)-2:]), string(id)) }
