package testkit

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreeAddress returns an address of 127.0.0.1, host:port, that nobody listens on. Unlike port 0
// it may be listened on later, and again after a restart: the port is outside the range that the
// system hands out by itself, and until the test ends no other test on this machine gets it.
func FreeAddress(t testing.TB) string {
	t.Helper()
	const first, count, tries = 10000, 10000, 1000
	for range tries {
		port := strconv.Itoa(first + rand.IntN(count))
		claim, err := net.Listen("unix", "@countersign-test-port-"+port)
		if err != nil {
			continue // another test has it
		}
		address := net.JoinHostPort("127.0.0.1", port)
		if l, err := net.Listen("tcp", address); err == nil {
			t.Cleanup(func() { claim.Close() })
			l.Close()
			return address
		}
		claim.Close()
	}
	t.Fatalf("found no free port of 127.0.0.1 from %d to %d in %d tries", first, first+count-1, tries)
	return ""
}
