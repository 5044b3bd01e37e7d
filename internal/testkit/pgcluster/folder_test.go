package pgcluster

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestClustersLiveAmongTheTemporaryFiles(t *testing.T) {
	open, err := os.MkdirTemp("/tmp", "place")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(open) })
	must(t, os.Chmod(open, 0o711))
	closed, long := filepath.Join(open, "closed"), filepath.Join(open, strings.Repeat("long", 16))
	must(t, os.Mkdir(closed, 0o700))
	must(t, os.MkdirAll(filepath.Join(closed, "open"), 0o711))
	must(t, os.Mkdir(long, 0o711))
	server := &syscall.Credential{}
	for _, c := range []struct {
		temporary string
		owner     *syscall.Credential
		want      string
	}{
		{open, server, open},
		{closed, server, "/tmp"},
		{filepath.Join(closed, "open"), server, "/tmp"},
		{closed, nil, closed},
		{long, nil, "/tmp"},
		{filepath.Join(open, "none"), server, "/tmp"},
	} {
		t.Setenv("TMPDIR", c.temporary)
		if got := place(c.owner); got != c.want {
			t.Errorf("clusters live in %s where temporary files are in %s, want %s", got, c.temporary, c.want)
		}
	}
}
