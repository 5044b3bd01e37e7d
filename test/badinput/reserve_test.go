package badinput

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// reserved is the reserve of the gates here, of a disk of 24 MiB.
const reserved = 8 << 20

// freeSpace returns the octets that are free on the disk of a gate.
func freeSpace(t *testing.T, g *harness.Gate) int64 {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dataDir(g), &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// leave makes a file that leaves so many octets free, and returns its name.
func leave(t *testing.T, g *harness.Gate, octets int64) string {
	t.Helper()
	file := filepath.Join(dataDir(g), "filler")
	if err := os.WriteFile(file, make([]byte, freeSpace(t, g)-octets), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestReserve: before the disk is full new mail is refused, so that what was
// accepted is still delivered, reported and recorded, and administration works; when
// there is room again mail is taken, by itself.
func TestReserve(t *testing.T) {
	address := harness.FreePort(t) // the next hop comes later, so that all has to be kept
	g := harness.Serve(t, address, "[queue]\nretry = [\"1s\"]\n[store]\nreserve = \"8MiB\"\n")
	mounted().prepare(t, g)
	c := talk.LogIn(t, g)
	first := talk.MustSubmit(t, g, "b@example.com", "before the reserve")
	second := talk.MustSubmit(t, g, "nobody@example.com", "to be reported")

	// Somebody else takes the room.
	filler := leave(t, g, reserved*3/4)
	seen := func() float64 { return g.Metric("countersign_store_free_bytes") }
	harness.WaitFor(t, "the gate to see it", func() bool { return seen() < reserved })
	c.Say("MAIL FROM:<"+harness.Login+">", "452 4.3.1 ")
	if code, text := g.Get("/readyz"); code != 200 || !strings.Contains(text, "warning: new mail is refused") {
		t.Errorf("/readyz answers %d: %s", code, text)
	}
	if seen() == 0 {
		t.Error("the metric says that nothing is free")
	}
	g.Admin(harness.Password+"\n", "account", "add", "second@example.org")
	var away atomic.Bool
	next := listen(t, address, func(to string) string {
		switch {
		case away.Load():
			return "451 4.3.0 come again later"
		case strings.HasPrefix(to, "nobody"):
			return "550 5.1.1 no such user here"
		}
		return ""
	})
	next.waitFor(t, "before the reserve")
	harness.WaitFor(t, "the report", func() bool { return len(next.reports()) == 1 })
	waitEmpty(t, g)
	for id, want := range map[string]string{first: "delivery.delivered", second: "delivery.failed"} {
		harness.WaitFor(t, "the record of "+want, func() bool { return strings.Contains(g.Admin("", "trace", id), want) })
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	b := &book{accepted: map[string]bool{}, refused: map[string]bool{}, codes: map[string]int{}}
	harness.WaitFor(t, "the gate to see it", func() bool { return seen() > reserved*17/16 })
	if !b.submit(t, c, 4_000) {
		t.Error("mail is not taken again")
	}
	for _, kind := range []string{"store.low", "store.regained"} {
		harness.WaitFor(t, "the record of "+kind, func() bool {
			return strings.Contains(g.Admin("", "audit", "search", "--kind", kind), kind)
		})
	}
	waitEmpty(t, g)

	// Large bodies are files, small ones make the database grow, which keeps what it has.
	for _, size := range []int{400_000, 30_000} {
		away.Store(true)
		flood(t, g, c, b, size)
		away.Store(false)
		harness.WaitFor(t, "what was accepted to arrive", func() bool {
			for subject := range b.accepted {
				if len(next.find(subject)) == 0 {
					return false
				}
			}
			return true
		})
		waitEmpty(t, g)
		harness.WaitFor(t, "the gate to see it", func() bool {
			return seen()+g.Metric("countersign_store_spare_bytes") > reserved*17/16
		})
		c = talk.LogIn(t, g)
		for _, size := range []int{4_000, 400_000} {
			if !b.submit(t, c, size) {
				t.Errorf("mail of %d octets is not taken again", size)
			}
		}
	}
}

// flood lets one account take what room it can, while nothing is delivered.
func flood(t *testing.T, g *harness.Gate, c *talk.Client, b *book, size int) {
	t.Helper()
	for taken, refused := 0, 0; refused < 5; taken++ {
		if taken > 1000 {
			t.Fatal("one account fills the disk without end")
		}
		if !b.submit(t, c, size) {
			refused++
		}
	}
	// The write-ahead log, of some 4 MiB, grows in the reserve: it is what that is for.
	if free := freeSpace(t, g); free < reserved/4 || free > reserved+2<<20 {
		t.Errorf("%d octets are free, about %d were to be kept", free, reserved)
	}
	t.Logf("%d accepted, %d refused with %v, %d octets free", len(b.accepted), len(b.refused), b.codes, freeSpace(t, g))
}
