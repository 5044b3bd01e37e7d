package cluster

import (
	"strings"
	"testing"
	"time"

	"countersign/internal/queue"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestGrantIsFeltEverywhere gives a grant at one gate and takes it away at another: within a
// second sessions that are open on both may use it, and may not any more, and what was sent
// under it is held, while other mail of the account goes on.
func TestGrantIsFeltEverywhere(t *testing.T) {
	s := newSite(t)
	const who, team = "user@example.org", "team@example.org"
	s.gates[0].Admin(harness.Password+"\n", "account", "add", who)
	var open []*talk.Client
	for g := range s.gates {
		open = append(open, s.login(g, who, harness.Password))
	}
	// answered asks at each gate until the answer begins with a code, which must be so
	// within a second of a change.
	answered := func(since time.Time, code string) {
		t.Helper()
		for g, c := range open {
			for {
				asked := time.Now()
				reply, err := c.Ask("MAIL FROM:<" + team + ">")
				if err == nil {
					_, err = c.Ask("RSET")
				}
				if err != nil { // the gate ends a session with many refusals
					c = s.login(g, who, harness.Password)
					open[g] = c
				}
				if strings.HasPrefix(reply, code) {
					break
				}
				if asked.Sub(since) > felt {
					t.Fatalf("gate %d answers %s after %v, %s is wanted", g, reply, asked.Sub(since), code)
				}
			}
		}
	}
	answered(time.Now(), "550")
	s.gates[0].Admin("", "grant", "add", who, "send-as", team, "--because", "testing")
	answered(time.Now(), "250")
	for _, c := range open {
		talk.Accepted(t, c.SubmitAs(team, "b@example.com", talk.MessageOf(team, "one", "one")))
		talk.Accepted(t, c.SubmitAs(who, "b@example.com", talk.MessageOf(who, "one", "one")))
	}
	out := s.gates[1].Admin("", "grant", "remove", who, "send-as", team)
	answered(time.Now(), "550")
	if !strings.Contains(out, "any more; 2 deliveries held: ") {
		t.Errorf("the command says %s", out)
	}
	s.waiting(who, queue.Held, len(s.gates))
	list, err := s.store.List(t.Context(), queue.Filter{Login: who, State: queue.Held})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range list {
		if from := item.Submission.Envelope.From.String(); from != team {
			t.Errorf("mail of %s is held", from)
		}
	}
}
