package cluster

import (
	"fmt"
	"strings"
	"testing"

	"countersign/internal/audit"
	"countersign/internal/mail"
	"countersign/test/harness"
	"countersign/test/harness/talk"
)

// TestReplayAtAnotherGate: what was heard of a login by DIGEST-MD5 at one gate opens nothing
// at the other, though both have the account's key and one realm: a nonce is of one exchange
// (RFC 2831 section 2.1.1), wherever that was.
func TestReplayAtAnotherGate(t *testing.T) {
	const mechanism = "DIGEST-MD5"
	// The realm is also the service's name that clients prove (RFC 2831 section 2.1.2).
	s := newSiteWith(t, fmt.Sprintf("[auth]\nmechanisms = [%q, \"PLAIN\"]\nrealm = %q\npassword_history = 0\n", mechanism, harness.Host))
	s.gates[0].Admin("", "account", "set", harness.Login, "--legacy")
	s.gates[0].Admin(harness.Password+"\n", "account", "passwd", harness.Login) // from which the key is made
	key := talk.Key{Login: harness.Login, Password: harness.Password}

	first := talk.Open(t, s.gates[0])
	d := first.By(mechanism, key)
	reply, heard := first.Lines(d, 1+len(d.Answers))
	if !strings.HasPrefix(reply, "235 ") {
		t.Fatalf("the login that is heard: %q", reply)
	}
	for _, g := range []int{1, 0, 1} {
		thief := talk.Open(t, s.gates[g])
		thief.IsRefused(fmt.Sprint("repeated at gate ", g), thief.Repeat(heard))
		if got := s.cause(mail.ID(thief.Session)); got != "replay" {
			t.Errorf("gate %d recorded %q", g, got)
		}
		thief.Say("MAIL FROM:<"+harness.Login+">", "530 5.7.0")
	}
	// The answer to a challenge of one gate is none to that of the other.
	one, other := talk.Open(t, s.gates[0]), talk.Open(t, s.gates[1])
	challenge, _ := one.Lines(one.By(mechanism, key), 1)
	answer := talk.Encode(d.Answers[0](one.Challenge(challenge)))
	other.IsRefused("taken to the other gate", other.Repeat([]string{d.Command(), answer}))
	one.Say(answer, "334 ") // where it is good, once
	one.Say("", "235 ")
	// The owner gets in everywhere all the while.
	for g := range s.gates {
		c := talk.Open(t, s.gates[g])
		if reply := c.Auth(c.By(mechanism, key)); !strings.HasPrefix(reply, "235 ") {
			t.Errorf("the owner at gate %d: %q", g, reply)
		}
	}
}

// cause is what the record has of the failed login of a session.
func (s *site) cause(session mail.ID) (cause string) {
	s.t.Helper()
	harness.WaitFor(s.t, "the record of a failed login", func() bool {
		found, err := s.store.Search(s.t.Context(), audit.Query{Session: session, Kind: audit.AuthFailed})
		if err != nil {
			s.t.Fatal(err)
		}
		if len(found) > 0 {
			cause = found[len(found)-1].Data["cause"]
		}
		return len(found) > 0
	})
	return cause
}
