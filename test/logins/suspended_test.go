package logins

import (
	"strings"
	"testing"

	"countersign/test/harness"
)

// TestSuspendedHoweverProved: a session ends at its next command when its account is
// suspended, by whichever mechanism it has logged in, with tokens too.
func TestSuspendedHoweverProved(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	open := func(mechanism string) *client {
		t.Helper()
		c := enter(t, w.Submissions, trust(t, w.Gate))
		for _, d := range c.honest(k) {
			if d.mechanism == mechanism {
				if reply := c.auth(d); !strings.HasPrefix(reply, "235 ") {
					t.Fatalf("%s is answered with %q", mechanism, reply)
				}
				return c
			}
		}
		t.Fatalf("%s has no client", mechanism)
		return nil
	}
	mechanisms := []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"}
	idle, sending := map[string]*client{}, map[string]*client{}
	for _, m := range mechanisms {
		idle[m], sending[m] = open(m), open(m)
		sending[m].say("MAIL FROM:<"+harness.Login+">", "250 ")
		sending[m].say("RCPT TO:<b@example.com>", "250 ")
	}
	w.Admin("", "account", "suspend", harness.Login)
	for _, m := range mechanisms {
		harness.WaitFor(t, m+" to feel it", func() bool {
			idle[m].send("NOOP\r\n")
			return strings.HasPrefix(idle[m].reply(), "421 ")
		})
		sending[m].say("DATA", "421 ")
		idle[m].ended()
	}
	w.Admin("", "account", "resume", harness.Login)
	for _, m := range mechanisms {
		open(m).say("MAIL FROM:<"+harness.Login+">", "250 ")
	}
}
