package badinput

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"countersign/test/harness"
)

// holdsBans waits until a gate holds clients against so many bans.
func holdsBans(t *testing.T, g *harness.Gate, n int) {
	t.Helper()
	want := fmt.Sprintf("\ncountersign_access_bans %d\n", n)
	harness.WaitFor(t, "bans to be known", func() bool {
		resp, err := http.Get("http://" + g.Metrics + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return err == nil && strings.Contains(string(text), want)
	})
}

// opening connects and returns all that is said until the connection ends, or the greeting.
func opening(t *testing.T, address string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := conn.Read(buf)
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// TestBanMistakes: what cannot be meant is refused in words before it takes effect, by a
// gate that serves on; what was set survives a restart.
func TestBanMistakes(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "")
	for want, args := range map[string][]string{
		"has bits set behind its first 16: write 10.1.0.0/16":   {"add", "10.1.2.3/16", "--because", "x"},
		"is every IPv4 address there is":                        {"add", "::ffff:0:0/96", "--because", "x"},
		"wider than any network":                                {"add", "2000::/3", "--because", "x"},
		"has addresses of the machine itself":                   {"add", "127.0.0.0/9", "--because", "x"},
		"is not an address or network":                          {"add", "10.0.0.0/33", "--because", "x"},
		"printable ASCII":                                       {"add", "10.0.0.0/8", "--because", "a\r\n250 ok"},
		"at most 150 are told":                                  {"add", "10.0.0.0/8", "--because", strings.Repeat("x", 100_000)},
		"which is past":                                         {"add", "10.0.0.0/8", "--because", "x", "--until", "2020-01-01"},
		"there is no ban 7ZZZZZZZZZZZZZZZZZZZZZZZZZ":            {"lift", "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
		"there is no ban of exactly 10.0.0.0/8 that holds":      {"lift", "10.0.0.0/8"},
		"the id of a ban does as well":                          {"lift", "everything"},
		"\"127.0.0.1/8\" is not an address: write 192.0.2.1 or": {"show", "127.0.0.1/8"},
	} {
		if said := g.Refused(append([]string{"ban"}, args...)...); !strings.Contains(said, want) {
			t.Errorf("ban %q says %s, want %q", args, said, want)
		}
	}
	if said := g.Admin("", "ban", "list", "--all", "--json"); strings.TrimSpace(said) != "[]" {
		t.Errorf("there are bans: %s", said)
	}
	if said := opening(t, g.Submission); !strings.HasPrefix(said, "220 ") {
		t.Errorf("it greets with %q", said)
	}
	g.Admin("", "ban", "add", "127.0.0.1", "--because", "on purpose", "--force")
	holdsBans(t, g, 1)
	for range 2 {
		if said := opening(t, g.Submission); !strings.HasPrefix(said, "554 5.7.1 ") || !strings.Contains(said, "(on purpose)") {
			t.Errorf("it says %q", said)
		}
		if said := opening(t, g.Submissions); said != "" {
			t.Errorf("the TLS port says %q", said)
		}
		g.Kill(syscall.SIGKILL)
		g.Start()
	}
	g.Admin("", "ban", "lift", "127.0.0.1")
	holdsBans(t, g, 0)
	if said := opening(t, g.Submission); !strings.HasPrefix(said, "220 ") {
		t.Errorf("it greets with %q", said)
	}
}
