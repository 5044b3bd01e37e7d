package outside

import (
	"context"
	"errors"
	"strings"
	"testing"

	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/mail"
)

// place is a directory that answers with an error.
type place struct {
	err   error
	asked []directory.Question
}

func (p *place) Name() string { return "place" }
func (p *place) Close() error { return nil }

func (p *place) Ask(_ context.Context, q directory.Question) (*directory.Answer, error) {
	p.asked = append(p.asked, q)
	return nil, p.err
}

// For has it serve one domain.
func (p *place) For(domain mail.Domain) []directory.Source {
	if domain != "example.org" {
		return nil
	}
	return []directory.Source{p}
}

func nobody(login string) (name, password string) {
	return "nobody@" + login[strings.LastIndexByte(login, '@')+1:], "made up"
}

func TestAround(t *testing.T) {
	p := &place{}
	for login, want := range map[string]int{"a@example.org": 1, "a@example.net": 0, "no address": 0, "": 0} {
		if got := New(p, nobody).Around(login); len(got) != want {
			t.Errorf("%q: %d", login, len(got))
		}
	}
	if got := New(nil, nobody).Around("a@example.org"); got != nil {
		t.Errorf("without directories: %v", got)
	}
	if New(nil, nobody).Challenger("CRAM-MD5") != nil || New(p, nobody).Challenger("CRAM-MD5") != nil {
		t.Error("somebody challenges")
	}
}

// A question in vain shows nothing of the login but its domain, and is answered whatever the
// directory makes of it, unless that could not be asked.
func TestInVain(t *testing.T) {
	for _, kind := range []fault.Kind{fault.NotFound, fault.Unauthenticated, fault.Unavailable, fault.Corrupt} {
		p := &place{err: fault.New("test", kind, "no")}
		err := New(p, nobody).InVain(t.Context(), p, pool.Ticket{}, "secret-name@example.org", directory.Question{Session: "S", Mechanism: "PLAIN"})
		var of *directory.AskError
		if answered := kind == fault.NotFound || kind == fault.Unauthenticated; answered != (err == nil) || !answered && (!errors.As(err, &of) || of.Name != "place") {
			t.Errorf("%v: %v", kind, err)
		}
		if want := (directory.Question{Login: "nobody@example.org", Password: "made up", Session: "S", Mechanism: "PLAIN"}); len(p.asked) != 1 || p.asked[0] != want {
			t.Errorf("asked %+v", p.asked)
		}
	}
}

// What says nothing of how much it takes is asked one question at a time.
func TestWidth(t *testing.T) {
	if w := width(&place{}); w != 1 {
		t.Errorf("it takes %d", w)
	}
}
