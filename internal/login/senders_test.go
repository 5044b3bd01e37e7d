package login

import (
	"context"
	"testing"

	"countersign/internal/account"
)

// memory keeps one sender until the store is seen to be at another generation.
type memory struct {
	account.Directory
	seen uint64
	kept *account.Sender
}

func (m *memory) Seen(generation uint64) { m.seen = generation }

func (m *memory) Sender(ctx context.Context, login string) (s *account.Sender, err error) {
	if m.kept == nil || m.kept.Generation < m.seen {
		m.kept, err = m.Directory.Sender(ctx, login)
	}
	return m.kept, err
}

// TestSendersAreKnownFromMemory: who sends is read once and then known, until anything has changed
// when it is looked at what they can prove it with: nobody who is older is let in.
func TestSendersAreKnownFromMemory(t *testing.T) {
	w := newWorld(t)
	w.v.opt.Senders = &memory{Directory: w.store}
	const alias = "alias@acme.example"
	for n, c := range []struct {
		authzid string
		before  func()
		sender  int
		passes  bool
	}{
		{"", func() {}, 1, true},
		{"", func() {}, 0, true},
		{alias, func() {}, 0, false},
		{alias, func() {
			w.give(loginA, func(a *account.Account) { a.Aliases = append(a.Aliases, at(alias)) })
		}, 1, true},
		{alias, func() {}, 0, true},
	} {
		c.before()
		before := w.store.Reads()
		_, err := w.v.Password(t.Context(), Attempt{Client: here, Mechanism: "PLAIN", Session: "S1"}, c.authzid, loginA, goodPassword)
		reads := w.store.Reads()
		if sender, proofs := reads.Sender-before.Sender, reads.Proofs-before.Proofs; (err == nil) != c.passes || sender != c.sender || proofs != 1 {
			t.Errorf("login %d: %d looks at whole accounts, %d at proofs, %v", n, sender, proofs, err)
		}
	}
}
