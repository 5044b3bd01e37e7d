package pgcluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// oldest is the first major version that the product supports.
const oldest = 15

// systemUser is who the server runs as when the test is root.
const systemUser = "postgres"

// errMissing says how to get what no test can do without.
var errMissing = errors.New("PostgreSQL 15 or later is not installed; run: apt-get install -y --no-install-recommends postgresql")

// programs is an installation of PostgreSQL and who runs it.
type programs struct {
	// folder holds postgres, initdb and the rest.
	folder string
	// owner is who the programs run as, nil for the user of the test.
	owner *syscall.Credential
}

// installed looks for the programs once for a test process.
var installed = sync.OnceValues(findPrograms)

// findPrograms takes the programs of PATH, or else the newest of Debian's.
func findPrograms() (programs, error) {
	owner, err := serverUser()
	if err != nil {
		return programs{}, err
	}
	for _, folder := range candidates() {
		if isUsable(folder) {
			return programs{folder: folder, owner: owner}, nil
		}
	}
	return programs{}, errMissing
}

// candidates lists folders that may hold an installation, best first.
func candidates() []string {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.SortFunc(debian, func(a, b string) int { return majorOf(b) - majorOf(a) })
	return append(folders, debian...)
}

// majorOf reads the version in a path of Debian's, 0 where there is none.
func majorOf(folder string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return n
}

// version finds the major version in what "postgres --version" prints.
var version = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// isUsable reports whether folder holds every program in a version that the
// product supports.
func isUsable(folder string) bool {
	for _, name := range []string{"postgres", "initdb", "pg_basebackup"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	out, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
	if err != nil {
		return false
	}
	match := version.FindSubmatch(out)
	if match == nil {
		return false
	}
	major, err := strconv.Atoi(string(match[1]))
	return err == nil && major >= oldest
}

// serverUser returns who the server runs as: the system user when the test is
// root, nil for the user of the test.
func serverUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(systemUser)
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user %s: %w", systemUser, errMissing)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// command prepares a program of PostgreSQL that works in folder in, so that the
// folder's watchdog finds it, and under the right user.
func (p programs) command(in *folder, name string, args ...string) *exec.Cmd {
	return p.inFolder(in, filepath.Join(p.folder, name), args...)
}

// inFolder prepares any program in the same way. What a terminal sends to the
// test does not reach it.
func (p programs) inFolder(in *folder, path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	cmd.Dir = in.path
	cmd.Env = []string{"PATH=" + p.folder + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: p.owner}
	return cmd
}

// finish runs a prepared command to its end; its error holds what was printed.
func finish(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(out.String()))
	}
	return nil
}
