package logins

import (
	"strings"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestSuspendedHoweverProved: a session ends at its next command when its account is
// suspended, by whichever mechanism it has logged in, with tokens too.
func TestSuspendedHoweverProved(t *testing.T) {
	w := newWorld(t, "")
	k := w.key()
	open := func(mechanism string) *talk.Client {
		t.Helper()
		c := talk.Enter(t, w.Submissions, talk.Trust(t, w.Gate))
		if reply := c.Auth(c.By(mechanism, k)); !strings.HasPrefix(reply, "235 ") {
			t.Fatalf("%s is answered with %q", mechanism, reply)
		}
		return c
	}
	mechanisms := []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"}
	idle, sending := map[string]*talk.Client{}, map[string]*talk.Client{}
	for _, m := range mechanisms {
		idle[m], sending[m] = open(m), open(m)
		sending[m].Say("MAIL FROM:<"+harness.Login+">", "250 ")
		sending[m].Say("RCPT TO:<b@example.com>", "250 ")
	}
	w.Admin("", "account", "suspend", harness.Login)
	for _, m := range mechanisms {
		harness.WaitFor(t, m+" to feel it", func() bool {
			idle[m].Send("NOOP\r\n")
			return strings.HasPrefix(idle[m].Reply(), "421 ")
		})
		sending[m].Say("DATA", "421 ")
		idle[m].Ended()
	}
	w.Admin("", "account", "resume", harness.Login)
	for _, m := range mechanisms {
		open(m).Say("MAIL FROM:<"+harness.Login+">", "250 ")
	}
}
