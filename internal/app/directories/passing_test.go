package directories

import (
	"testing"
	"time"

	"countersign/internal/config"
	"countersign/internal/config/value"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
)

// A Dovecot that has not been there yet has its exchanges all the same: that it is away is
// no proof that it has no such account. Challenges are not its own where it is not asked to.
func TestADovecotThatWasNeverThere(t *testing.T) {
	d := config.Directory{
		Name: "mailboxes", Kind: "dovecot", URL: t.TempDir() + "/none", PassChallenges: true,
		Timeout: value.Duration(time.Second), Connections: 4, Failures: 3, Pause: value.Duration(time.Second),
	}
	s, err := Open([]config.Directory{d}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, ok := s.For("new.example")[0].(outside.Passer)
	if !ok || !p.Offers("SCRAM-SHA-256", false) || !p.Offers("CRAM-MD5", true) {
		t.Fatalf("%v: it has not what it should", p)
	}
	s.list[0].PassChallenges = false
	if p.Offers("CRAM-MD5", true) {
		t.Error("it has challenges that it is not to have")
	}
	s.list[0].PassChallenges = true
	if _, err := p.Begin(t.Context(), directory.Question{Mechanism: "SCRAM-SHA-256"}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v", err)
	}
}
