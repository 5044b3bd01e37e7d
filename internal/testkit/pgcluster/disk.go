package pgcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Disk is a small disk in memory that a test can fill. To mount it takes root.
type Disk struct{ path string }

// mount makes a disk of a size in bytes at path.
func mount(path string, size int64, owner *syscall.Credential) (*Disk, error) {
	if owner == nil {
		return nil, fmt.Errorf("a disk that can be filled is mounted, which needs root")
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	options := fmt.Sprintf("size=%d,mode=0700,uid=%d,gid=%d", size, owner.Uid, owner.Gid)
	if err := finish(exec.Command("mount", "-t", "tmpfs", "-o", options, "pgcluster", path)); err != nil {
		return nil, err
	}
	return &Disk{path: path}, nil
}

// filler is the file that fills a disk.
const filler = "filler"

// Fill leaves no byte free. What the server has room for in files that it has
// it still writes: it takes some rows until it fails, with SQLSTATE 53100.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(d.path, filler), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	zeros := make([]byte, 64<<10)
	for err == nil {
		_, err = file.Write(zeros)
	}
	must(t, file.Close())
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// Free undoes Fill.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	must(t, os.Remove(filepath.Join(d.path, filler)))
}

// Disk returns the disk that holds all data, log included; the cluster must
// have Options.DiskBytes. A server that cannot write its log ends: after Free
// it takes Kill and Start, or Start alone where it has ended already.
func (c *Cluster) Disk() *Disk { return c.disk }

// DatabaseOnDisk makes a database as Database does, on a disk of its own of this
// size. When that is full the database's tables cannot grow, but the server and
// its log go on. 16 MiB is the least that is of use.
func (c *Cluster) DatabaseOnDisk(t testing.TB, bytes int64) (string, *Disk) {
	t.Helper()
	name := fmt.Sprintf("space_%d", c.names.Add(1))
	disk, err := mount(filepath.Join(c.folder.path, name), bytes, c.programs.owner)
	must(t, err)
	location := filepath.Join(disk.path, "space") // must be empty, which the disk is not when it is full
	must(t, os.Mkdir(location, 0o700))
	must(t, os.Chown(location, int(c.programs.owner.Uid), int(c.programs.owner.Gid)))
	must(t, c.admin("CREATE TABLESPACE "+name+" LOCATION "+quote(location)))
	must(t, c.prepared())
	url := c.database(t, prepared, "TABLESPACE "+name)
	// The copy has holes. Without its pages on the disk no checkpoint would
	// succeed once the disk is full.
	must(t, c.admin("CHECKPOINT"))
	return url, disk
}
