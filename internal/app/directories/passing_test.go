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

// What a Dovecot is asked, beside passwords, is what the configuration wants of it.
func TestWhatADovecotIsAsked(t *testing.T) {
	for _, c := range []struct {
		change                   func(*config.Directory)
		tokens, byName, standing bool
	}{
		{change: func(*config.Directory) {}},
		{change: func(d *config.Directory) { d.Tokens = true }, tokens: true},
		{change: func(d *config.Directory) { d.AskStanding = true }},
		{change: func(d *config.Directory) { d.External, d.AskStanding = true, true }, standing: true},
		{change: func(d *config.Directory) { d.External, d.Certificates = true, "credential" }},
		{change: func(d *config.Directory) { d.External, d.Certificates = true, "name" }, byName: true},
		{change: func(d *config.Directory) { d.Certificates = "name" }},
	} {
		d := config.Directory{
			Name: "mailboxes", Kind: "dovecot", URL: t.TempDir() + "/none",
			Timeout: value.Duration(time.Second), Connections: 4, Failures: 3, Pause: value.Duration(time.Second),
		}
		c.change(&d)
		s, err := Open([]config.Directory{d}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p := s.For("new.example")[0]
		bearer, believer, witness := p.(directory.Bearer), p.(directory.Believer), p.(directory.Witness)
		if bearer.TakesTokens() != c.tokens || s.TakesTokens() != c.tokens || believer.Believes() != c.byName || witness.Witnesses() != c.standing {
			t.Errorf("%+v: tokens %v, by name %v, standing %v", d, bearer.TakesTokens(), believer.Believes(), witness.Witnesses())
		}
		if _, there := s.States()["mailboxes tokens"]; there != c.tokens {
			t.Errorf("%+v: states %v", d, s.States())
		}
	}
}

// A Dovecot that cannot say anything of tokens, as its provider is away, is asked for
// passwords all the same, and the other way round.
func TestTokensHaveAGuardOfTheirOwn(t *testing.T) {
	d := config.Directory{
		Name: "mailboxes", Kind: "dovecot", URL: t.TempDir() + "/none", Tokens: true,
		Timeout: value.Duration(time.Second), Connections: 4, Failures: 1, Pause: value.Duration(time.Minute),
	}
	s, err := Open([]config.Directory{d}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	q := directory.Question{Login: "a@new.example"}
	if _, err := s.For("new.example")[0].(directory.Bearer).AskToken(t.Context(), q, "token"); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("%v", err)
	}
	if s.States()["mailboxes tokens"]().Phase != directory.LeftAlone || s.States()["mailboxes"]().Phase != directory.Well {
		t.Error("passwords are left alone for a token")
	}
}
