package badinput

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// disk is a way to have a disk without free space.
type disk struct {
	// prepare brings the data directory of a running gate onto it.
	prepare func(t *testing.T, g *harness.Gate)
	// fill takes all space, free gives it back.
	fill, free func(t *testing.T, g *harness.Gate)
}

// limited stands for a full disk: the gate's files may not grow beyond a limit.
// A write that would fails with EFBIG.
func limited() disk {
	set := func(t *testing.T, g *harness.Gate, octets uint64) {
		t.Helper()
		limit := unix.Rlimit{}
		process := pid(t, g)
		if err := unix.Prlimit(process, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
			t.Fatal(err)
		}
		limit.Cur = min(octets, limit.Max)
		if err := unix.Prlimit(process, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	return disk{
		prepare: func(*testing.T, *harness.Gate) {},
		fill: func(t *testing.T, g *harness.Gate) {
			most := int64(0)
			for _, name := range []string{"log", "data/countersign.db", "data/countersign.db-wal"} {
				if info, err := os.Stat(filepath.Join(g.Dir, name)); err == nil {
					most = max(most, info.Size())
				}
			}
			set(t, g, uint64(most)+512<<10)
		},
		free: func(t *testing.T, g *harness.Gate) { set(t, g, unix.RLIM_INFINITY) },
	}
}

// mounted is a real small file system that is full to its last block.
func mounted() disk {
	filler := func(g *harness.Gate) string { return filepath.Join(dataDir(g), "filler") }
	return disk{
		prepare: func(t *testing.T, g *harness.Gate) {
			g.Kill(syscall.SIGTERM)
			kept := dataDir(g) + ".kept"
			move(t, dataDir(g), kept)
			if err := os.Mkdir(dataDir(g), 0o700); err != nil {
				t.Fatal(err)
			}
			mount(t, dataDir(g), 0, "size=24m,mode=0700")
			t.Cleanup(func() { g.Kill(syscall.SIGTERM) })
			if out, err := exec.Command("cp", "-a", kept+"/.", dataDir(g)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			g.Start()
		},
		fill: func(t *testing.T, g *harness.Gate) {
			file, err := os.Create(filler(g))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			for block := make([]byte, 64<<10); len(block) > 0; {
				if _, err = file.Write(block); errors.Is(err, syscall.ENOSPC) {
					block = block[:len(block)/2]
				} else if err != nil {
					t.Fatal(err)
				}
			}
		},
		free: func(t *testing.T, g *harness.Gate) {
			if err := os.Remove(filler(g)); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// mount mounts a small file system for the time of the test, which fails
// where that is not allowed.
func mount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Fatalf("this test mounts a file system, which root may do, in a container with the capability SYS_ADMIN: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// noReserve lets a gate go on until its disk is really full.
const noReserve = "[queue]\nretry = [\"1s\"]\n[store]\nreserve = \"0\"\n"

// noRoom is how a gate without space refuses.
var noRoom = regexp.MustCompile(`^(452 4\.3\.1|451 4\.3\.0) `)

// TestFullDisk: while there is no room nothing is acknowledged that is not
// stored, clients are told to come again, and when there is room the gate goes
// on by itself. The verdict is arithmetic: each message that got a 250 arrives
// once, no other does.
func TestFullDisk(t *testing.T) {
	for name, d := range map[string]disk{"file size limit": limited(), "full file system": mounted()} {
		t.Run(name, func(t *testing.T) { fullDisk(t, d) })
	}
}

// TestStartOnFullDisk: a server that cannot begin says why and begins when
// there is room; what it had accepted is there.
func TestStartOnFullDisk(t *testing.T) {
	address := harness.FreePort(t)
	g := harness.Serve(t, address, noReserve)
	d := mounted()
	d.prepare(t, g)
	talk.MustSubmit(t, g, "b@example.com", "before the disk was full")
	d.fill(t, g)
	g.Kill(syscall.SIGKILL)
	up, out := begins(t, g)
	if !up && !strings.Contains(out, "space") && !strings.Contains(out, "room") {
		t.Errorf("on a full disk the server does not start and says\n%s", out)
	}
	t.Logf("with data on a full disk: up %v", up)

	// A new database has no room at all.
	for _, name := range []string{"", "-wal", "-shm"} {
		file := filepath.Join(dataDir(g), "countersign.db"+name)
		if _, err := os.Stat(file); err == nil {
			copyAway(t, file, filepath.Join(g.Dir, "kept"+name))
		}
	}
	d.fill(t, g)
	refused(t, []string{dataDir(g), "space"}, "serve", "--config", g.Config)

	d.free(t, g)
	for _, name := range []string{"", "-wal", "-shm"} {
		file := filepath.Join(dataDir(g), "countersign.db"+name)
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(g.Dir, "kept"+name)); err == nil {
			copyAway(t, filepath.Join(g.Dir, "kept"+name), file)
		}
	}
	next := listen(t, address, nil)
	g.Start()
	next.waitFor(t, "before the disk was full")
}

// copyAway moves a file to another file system.
func copyAway(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, to, string(text))
	if err := os.Remove(from); err != nil {
		t.Fatal(err)
	}
}

// begins starts the server of a gate and reports whether it came up; then it
// is ended again. out is what it wrote.
func begins(t *testing.T, g *harness.Gate) (up bool, out string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out")
	log, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := harness.Command(t, "serve", "--config", g.Config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	harness.WaitFor(t, "the server to be up, or to give up", func() bool {
		if conn, err := net.Dial("tcp", g.Submissions); err == nil {
			conn.Close()
			up = true
		}
		select {
		case <-ended:
			return true
		default:
			return up
		}
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && up {
		t.Error(err)
	}
	<-ended
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return up, string(text)
}

// book holds which messages were acknowledged and which refused, by subject.
type book struct {
	accepted, refused map[string]bool
	// codes counts the refusals by code.
	codes  map[string]int
	number int
}

// submit submits one message of about that size and books the answer. It
// reports whether it was accepted.
func (b *book) submit(t *testing.T, c *talk.Client, size int) bool {
	t.Helper()
	b.number++
	subject := fmt.Sprintf("disk %d", b.number)
	reply := c.Submit("b@example.com", talk.Message(subject, strings.TrimSuffix(lines(size), "\r\n")))
	if talk.QueuedAs(reply) != "" {
		b.accepted[subject] = true
		return true
	}
	if !noRoom.MatchString(reply) {
		t.Errorf("without room the answer is %q", reply)
	}
	b.refused[subject] = true
	b.codes[reply[:9]]++
	c.Say("NOOP", "250 ")
	return false
}

func fullDisk(t *testing.T, d disk) {
	address := harness.FreePort(t) // the next hop comes later, so that all has to be kept
	g := harness.Serve(t, address, noReserve)
	d.prepare(t, g)
	c := talk.LogIn(t, g)
	b := &book{accepted: map[string]bool{}, refused: map[string]bool{}, codes: map[string]int{}}
	for range 5 {
		if !b.submit(t, c, 4_000) {
			t.Fatal("refused while there is room")
		}
	}
	d.fill(t, g)
	// What was allocated before may still take some.
	for tries := 0; len(b.refused) < 10; tries++ {
		if tries > 2000 {
			t.Fatal("the disk does not get full")
		}
		b.submit(t, c, 30_000)
	}
	for range 3 {
		if b.submit(t, c, 4_000_000) {
			t.Error("a body that has no room was accepted")
		}
	}
	if code, text := g.Get("/healthz"); code != 200 {
		t.Errorf("/healthz answers %d: %s", code, text)
	}
	fresh := talk.LogIn(t, g) // logging in needs no room
	b.submit(t, fresh, 30_000)
	t.Logf("%d accepted, %d refused with %v", len(b.accepted), len(b.refused), b.codes)

	d.free(t, g)
	harness.WaitFor(t, "a message to be accepted again", func() bool { return b.submit(t, c, 30_000) })
	b.submit(t, fresh, 400_000)
	ready(t, g)
	next := listen(t, address, nil)
	harness.WaitFor(t, "all that was acknowledged to arrive", func() bool {
		for subject := range b.accepted {
			if len(next.find(subject)) == 0 {
				return false
			}
		}
		return true
	})
	waitEmpty(t, g)
	for subject := range b.accepted {
		if n := len(next.find(subject)); n != 1 {
			t.Errorf("%s was acknowledged once and arrived %d times", subject, n)
		}
	}
	for subject := range b.refused {
		if n := len(next.find(subject)); n != 0 {
			t.Errorf("%s was refused and arrived %d times", subject, n)
		}
	}
	if n := g.Metric("countersign_audit_dropped_total"); n != 0 {
		t.Errorf("%v events are missing from the record", n)
	}
	if left, err := filepath.Glob(filepath.Join(dataDir(g), "bodies", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("body files that nobody needs were left: %q, %v", left, err)
	}
}
