package logins

import (
	"crypto/tls"
	"strings"
	"testing"

	"countersign/test/harness/talk"
)

// TestHonestClients: what all attacks here begin with gets in.
func TestHonestClients(t *testing.T) {
	w := newWorld(t, "")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := talk.Trust(t, w.Gate)
		config.MinVersion, config.MaxVersion = version, version
		for _, mechanism := range talk.Mechanisms() {
			c := talk.Enter(t, w.Submissions, config)
			if reply := c.Auth(c.By(mechanism, w.key())); !strings.HasPrefix(reply, "235 ") {
				t.Errorf("%s with %s: %q", mechanism, tls.VersionName(version), reply)
			}
		}
	}
	w.unharmed()
}

// TestReplay: what was heard of a login opens nothing, in another session or in the same,
// by any mechanism that does not show the secret itself.
func TestReplay(t *testing.T) {
	w := newWorld(t, "")
	for _, mechanism := range talk.Mechanisms() {
		if mechanism != "CRAM-MD5" && mechanism != "DIGEST-MD5" && !strings.HasPrefix(mechanism, "SCRAM-") {
			continue
		}
		first := talk.Open(t, w.Gate)
		d := first.By(mechanism, w.key())
		reply, said := first.Lines(d, 1+len(d.Answers))
		if !strings.HasPrefix(reply, "235 ") {
			t.Fatalf("%s: %q", mechanism, reply)
		}
		second := talk.Open(t, w.Gate)
		want := "replay"
		if mechanism == "CRAM-MD5" {
			want = "wrong-password" // its response does not name the challenge
		}
		for range 2 {
			second.IsRefused(mechanism+" again", second.Repeat(said))
			w.cause(second, want)
		}

		// One that was not finished is not gone on with either.
		third := talk.Open(t, w.Gate)
		_, begun := third.Lines(third.By(mechanism, w.key()), 2)
		if len(begun) == 2 {
			fourth := talk.Open(t, w.Gate)
			fourth.IsRefused(mechanism+" from another connection", fourth.Repeat(begun))
		}
	}
	w.unharmed()
}
