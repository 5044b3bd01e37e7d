package dnsbl

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"countersign/internal/fault"
)

// FuzzScore: whatever a list is said to mean, and whatever it answers, what it counts for is within
// bounds, and only what lists somebody counts at all.
func FuzzScore(f *testing.F) {
	for _, text := range []string{"127.0.0.2=5", "127.0.0.4-127.0.0.7=-3", "127.0.0.1=-5", "127.0.0.2-127.255.254.255=1000", "::1=1", "127.0.0.2", "=1", "-=0"} {
		f.Add(text, 1, []byte{127, 0, 0, 2, 127, 0, 0, 1, 127, 255, 255, 254})
	}
	f.Fuzz(func(t *testing.T, text string, usual int, octets []byte) {
		c, err := ParseCode(text)
		if err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
		l := List{Score: min(max(usual, -MaxScore), MaxScore)}
		if err == nil {
			l.Codes = []Code{c}
		}
		var answer []netip.Addr
		foreign := false
		for ; len(octets) >= 4; octets = octets[4:] {
			a := netip.AddrFrom4([4]byte(octets[:4]))
			answer = append(answer, a)
			n := binary.BigEndian.Uint32(octets)
			foreign = foreign || n>>24 != 127 || n>>8 == 127<<16|255<<8|255
		}
		score, on, trouble := l.score(answer)
		switch {
		case trouble != "" && (on || score != 0), foreign && trouble == "":
			t.Errorf("%v by %q: %d, %v, %q", answer, text, score, on, trouble)
		case score > MaxScore, score < -MaxScore, on && score < l.least():
			t.Errorf("%v by %q counts for %d", answer, text, score)
		case len(answer) == 0 && (on || trouble != ""):
			t.Errorf("nothing is %v, %q", on, trouble)
		}
	})
}
