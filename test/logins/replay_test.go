package logins

import (
	"crypto/tls"
	"strings"
	"testing"
)

// TestHonestClients: what all attacks here begin with gets in.
func TestHonestClients(t *testing.T) {
	w := newWorld(t, "")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := trust(t, w.Gate)
		config.MinVersion, config.MaxVersion = version, version
		for i := range open(t, w.Gate).honest(w.key()) {
			c := enter(t, w.Submissions, config)
			d := c.honest(w.key())[i]
			if reply := c.auth(d); !strings.HasPrefix(reply, "235 ") {
				t.Errorf("%s with %s: %q", d.mechanism, tls.VersionName(version), reply)
			}
		}
	}
	w.unharmed()
}

// TestReplay: what was heard of a login opens nothing, in another session or in the same,
// by any mechanism that does not show the secret itself.
func TestReplay(t *testing.T) {
	w := newWorld(t, "")
	for i, d := range open(t, w.Gate).honest(w.key()) {
		if d.mechanism != "CRAM-MD5" && d.mechanism != "DIGEST-MD5" && !strings.HasPrefix(d.mechanism, "SCRAM-") {
			continue
		}
		first := open(t, w.Gate)
		d := first.honest(w.key())[i]
		reply, said := first.lines(d, 1+len(d.answers))
		if !strings.HasPrefix(reply, "235 ") {
			t.Fatalf("%s: %q", d.mechanism, reply)
		}
		second := open(t, w.Gate)
		want := "replay"
		if d.mechanism == "CRAM-MD5" {
			want = "wrong-password" // its response does not name the challenge
		}
		for range 2 {
			second.isRefused(d.mechanism+" again", second.repeat(said))
			w.cause(second, want)
		}

		// One that was not finished is not gone on with either.
		third := open(t, w.Gate)
		_, begun := third.lines(third.honest(w.key())[i], 2)
		if len(begun) == 2 {
			fourth := open(t, w.Gate)
			fourth.isRefused(d.mechanism+" from another connection", fourth.repeat(begun))
		}
	}
	w.unharmed()
}
