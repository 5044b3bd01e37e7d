package directory

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// challenged is what a client of a gate is shown by SCRAM for a name (RFC 5802 section 7), but
// for the nonce.
func challenged(t *testing.T, g *harness.Gate, name string) string {
	t.Helper()
	c := talk.Open(t, g)
	defer c.Raw.Close()
	c.Send("AUTH SCRAM-SHA-256 " + base64.StdEncoding.EncodeToString([]byte("n,,n="+name+",r=abcdefgh")) + "\r\n")
	text, shown := strings.CutPrefix(strings.TrimSpace(c.Reply()), "334 ")
	challenge, err := base64.StdEncoding.DecodeString(text)
	_, rest, found := strings.Cut(string(challenge), ",")
	if !shown || err != nil || !found {
		t.Fatalf("%s is answered with %q", name, text)
	}
	return rest
}

// TestANameThatIsNotThereAfterARestart: what a Dovecot's accounts show is shown for names that
// it does not have, one challenge for each, before a restart of the gate and after it, when
// nobody has logged in yet.
func TestANameThatIsNotThereAfterARestart(t *testing.T) {
	d := startDovecot(t)
	key := base64.StdEncoding.EncodeToString(make([]byte, 32))
	const salt = "a salt of 24 octets long"
	hash := "{SCRAM-SHA-256}7777," + base64.StdEncoding.EncodeToString([]byte(salt)) + "," + key + "," + key
	write(t, d.path("mailboxes"), mailboxes+live+":"+hash+"::::::\n")
	config := adapted(t, example(t, "## Dovecot"), map[string]string{"url": strconv.Quote(d.socket()), "mechanisms": `["PLAIN", "SCRAM-SHA-256"]`})
	_, hop := newBox(t)
	g := harness.ServeEmpty(t, hop, config+"pass_challenges = true\n")
	its := "s=" + base64.StdEncoding.EncodeToString([]byte(salt)) + ",i=7777"
	harness.WaitFor(t, "Dovecot to read its file, which it looks at once a second", func() bool { return challenged(t, g, live) == its })
	challenged(t, g, live) // now the salt is known to stay
	const name = "nobody%d@example.org"
	harness.WaitFor(t, "names that are not there to show the same", func() bool {
		return strings.HasSuffix(challenged(t, g, fmt.Sprintf(name, 0)), ",i=7777")
	})
	shown := map[string]string{}
	for n := range 5 {
		who := fmt.Sprintf(name, n)
		shown[who] = challenged(t, g, who)
		if len(shown[who]) != len(its) || !strings.HasSuffix(shown[who], ",i=7777") || shown[who] == its {
			t.Errorf("%s shows %s, an account %s", who, shown[who], its)
		}
	}
	g.Kill(syscall.SIGTERM)
	g.Start()
	for who, before := range shown {
		if after := challenged(t, g, who); after != before {
			t.Errorf("%s shows %s, after a restart %s", who, before, after)
		}
	}
}
