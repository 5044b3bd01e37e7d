package badinput

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // as the store's driver: the tests look behind it

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestUnusableDataDirectory: the directory is named, and no listener opens. As
// tests may run as root, the directories are such that not even root can write
// there; the last is a file system that takes no writes, or, for a user who may
// not mount, a directory without the right to write.
func TestUnusableDataDirectory(t *testing.T) {
	sealed := readOnly(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("not a directory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, names string }{
		{"a file", file, file},
		{"below a file", filepath.Join(file, "data"), file},
		{"not a real disk", "/proc/countersign", "/proc/countersign"},
		{"not writable", sealed, sealed},
		{"not writable, to be made", filepath.Join(sealed, "data"), sealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config, data, _ := configFile(t, goodName, selfCertificate)
			text, err := os.ReadFile(config)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.ReplaceAll(string(text), strconv.Quote(data), strconv.Quote(tt.dir))
			if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			out := refused(t, []string{tt.names}, "serve", "--config", config)
			if strings.Contains(out, "countersign is up") {
				t.Errorf("it was up for a moment:\n%s", out)
			}
			refused(t, []string{tt.names}, "customer", "add", "acme", "--config", config)
		})
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "not a directory\n" {
		t.Errorf("the file in the way was changed: %q, %v", text, err)
	}
}

// readOnly returns an empty directory in which this process cannot write.
func readOnly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	mount(t, dir, unix.MS_RDONLY, "size=64k")
	return dir
}

// TestBodiesUnusable: where only the folder of large bodies cannot be used,
// large messages are refused for the time being and small ones go on; when it
// can be used again, so do large ones.
func TestBodiesUnusable(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	bodies := filepath.Join(dataDir(g), "bodies")
	if err := os.RemoveAll(bodies); err != nil { // with the name of the database that it is for
		t.Fatal(err)
	}
	if err := os.WriteFile(bodies, []byte("in the way\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := talk.LogIn(t, g)
	large := func(subject string) string {
		return c.Submit("b@example.com", talk.Message(subject, strings.TrimSuffix(lines(200_000), "\r\n")))
	}
	for range 2 {
		if reply := large("large, refused"); !noRoom.MatchString(reply) {
			t.Errorf("without a folder for it a large message is answered %q", reply)
		}
		talk.Accepted(t, c.Submit("b@example.com", talk.Message("small", "text")))
	}
	if err := os.Remove(bodies); err != nil {
		t.Fatal(err)
	}
	talk.Accepted(t, large("large, taken"))
	next.waitFor(t, "large, taken")
	waitEmpty(t, g)
	if refused, small := len(next.find("large, refused")), len(next.find("small")); refused != 0 || small != 2 {
		t.Errorf("%d refused and %d small messages arrived", refused, small)
	}
}

// TestSecondServer: a data directory belongs to one server. The second says
// whose it is, and the first goes on.
func TestSecondServer(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	config, data, _ := configFile(t, goodName, selfCertificate)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), data, dataDir(g))
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	holder := pid(t, g)
	refused(t, []string{dataDir(g), "process " + strconv.Itoa(holder), "already used"}, "serve", "--config", config)
	if now := pid(t, g); now != holder {
		t.Errorf("the lock names process %d now, it was %d", now, holder)
	}
	talk.MustSubmit(t, g, "b@example.com", "after the second server")
	next.waitFor(t, "after the second server")

	// After a kill nobody holds it any more.
	g.Kill(syscall.SIGKILL)
	g.Start()
	talk.MustSubmit(t, g, "b@example.com", "after the kill")
	next.waitFor(t, "after the kill")
}

// database opens the database of a gate that is stopped.
func database(t *testing.T, g *harness.Gate) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dataDir(g), "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// change changes the database of a gate that is stopped.
func change(t *testing.T, g *harness.Gate, statement string, args ...any) {
	t.Helper()
	db := database(t, g)
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestNewerDatabase: a database that a later release has changed is refused
// untouched, by the server and by administration; nothing in it is lost.
func TestNewerDatabase(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, "[queue]\nretry = [\"1s\"]\n")
	talk.MustSubmit(t, g, "b@example.com", "from before")
	g.Kill(syscall.SIGTERM)

	const next = "(SELECT max(version) + 1 FROM schema_migration)"
	change(t, g, "INSERT INTO schema_migration (version, name, checksum, compatible, applied) VALUES ("+next+", 'later', 'unknown', "+next+", 0)")
	before := digest(t, filepath.Join(dataDir(g), "countersign.db"))
	for _, args := range [][]string{{"serve"}, {"account", "list"}, {"queue", "list"}} {
		refused(t, []string{"schema version", "release"}, append(args, "--config", g.Config)...)
	}
	if after := digest(t, filepath.Join(dataDir(g), "countersign.db")); after != before {
		t.Error("the database was changed")
	}

	change(t, g, "DELETE FROM schema_migration WHERE name = 'later'")
	late := listen(t, address, nil)
	g.Start()
	late.waitFor(t, "from before")
}

func digest(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// TestNotADatabase: a file that is no database is named and left alone.
func TestNotADatabase(t *testing.T) {
	config, data, _ := configFile(t, goodName, selfCertificate)
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "countersign.db")
	text := strings.Repeat("these are somebody's notes\n", 400)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, []string{file, "damaged or not a database"}, "serve", "--config", config)
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("the file was changed: %v", err)
	}
}
