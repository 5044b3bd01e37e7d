package guarding

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// TestDraw: what is drawn is the same whenever it is asked for, and differs by network and by
// window; and it is nothing of what passwords are told apart by.
func TestDraw(t *testing.T) {
	s := &Set{opt: Options{Lasting: func(names ...string) []byte {
		sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
		return sum[:]
	}}}
	networks, windows := map[uint16]bool{}, map[uint16]bool{}
	for n := range 100 {
		network, window := fmt.Sprintf("192.0.2.%d/32", n), fmt.Sprint(n)
		if first, again := s.draw(network, "1"), s.draw(network, "1"); first != again {
			t.Fatal("the same is drawn twice, and differs")
		}
		networks[s.draw(network, "1")], windows[s.draw("192.0.2.1/32", window)] = true, true
	}
	if len(networks) < 90 || len(windows) < 90 {
		t.Errorf("of 100 networks %d are drawn, of 100 windows %d", len(networks), len(windows))
	}
	if s.draw("a@one.example", "x") == s.Digest("a@one.example", "x") {
		t.Error("what is drawn is the digest of a password")
	}
}
