package badinput

import (
	"slices"
	"testing"
	"time"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestRefusedLoginsLookAlike: neither the words nor the time of a refusal tell
// whether the account exists, is suspended or is banned where the client is.
func TestRefusedLoginsLookAlike(t *testing.T) {
	next := listen(t, "127.0.0.1:0", nil)
	g := harness.Serve(t, next.addr(), "[session]\nmax_auth_failures = 1000\n")
	const suspended, banned, bannedNobody = "gone@example.org", "banned@example.org", "banned-nobody@example.org"
	g.Admin(harness.Password+"\n", "account", "add", suspended)
	g.Admin("", "account", "suspend", suspended)
	g.Admin(harness.Password+"\n", "account", "add", banned)
	for _, login := range []string{banned, bannedNobody} {
		g.Admin("", "ban", "add", "127.0.0.0/8", "--login", login, "--because", "x", "--force")
	}
	holdsBans(t, g, 2)
	kinds := []struct{ name, command string }{
		{"wrong password", talk.Plain(harness.Login, "not the password at all")},
		{"unknown account", talk.Plain("nobody@example.org", harness.Password)},
		{"unknown domain", talk.Plain("nobody@example.invalid", harness.Password)},
		{"not an address", talk.Plain("administrator", harness.Password)},
		{"suspended account", talk.Plain(suspended, harness.Password)},
		{"banned account", talk.Plain(banned, harness.Password)},
		{"banned unknown", talk.Plain(bannedNobody, harness.Password)},
	}
	c := talk.Open(t, g)
	replies, times := map[string]bool{}, make([][]time.Duration, len(kinds))
	for round := range 21 {
		for i, k := range kinds {
			began := time.Now()
			c.Send(k.command + "\r\n")
			reply := c.Reply()
			if round > 0 { // the first round warms up
				times[i] = append(times[i], time.Since(began))
			}
			replies[reply] = true
		}
	}
	if len(replies) != 1 {
		t.Errorf("refusals differ: %v", replies)
	}
	for reply := range replies {
		if len(reply) < 10 || reply[:10] != "535 5.7.8 " {
			t.Errorf("the refusal is %q", reply)
		}
	}
	// The least that each took: what others do on the machine at the same time adds to the rest.
	base := slices.Min(times[0])
	for i, k := range kinds {
		least := slices.Min(times[i])
		t.Logf("%-18s at least %v", k.name, least)
		if least < base/2 || least > base*2 {
			t.Errorf("%s takes %v, a wrong password %v", k.name, least, base)
		}
	}
	if base < time.Millisecond {
		t.Errorf("a refusal takes %v: no password was hashed", base)
	}
}
