package recent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
)

func TestMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := NewPasswords(time.Minute, 3, func() time.Time { return now }, strings.NewReader(strings.Repeat("k", 32)))
	p := &account.Proofs{Account: "account", Revision: 1}
	for _, id := range []mail.ID{"1", "2", "3", "4", "5"} {
		m.Add(p, id, "x")
		if !m.Knows(p, id, "x") || m.Knows(p, id, "y") {
			t.Errorf("%s is not remembered as it should", id)
		}
	}
	if n := len(m.entries); n != 3 {
		t.Errorf("%d entries, 3 allowed", n)
	}
	now = now.Add(time.Hour)
	m.Add(p, "6", "x")
	if n := len(m.entries); n != 1 {
		t.Errorf("%d entries after all but one have run out", n)
	}
	m.Add(p, "7", "x")
	m.Add(p, "8", "x")
	now = now.Add(-time.Hour)
	m.Add(p, "9", "x")
	if n := len(m.entries); n != 1 {
		t.Errorf("%d entries after the clock was set back", n)
	}
}

// What is remembered is of one credential of one revision of one account.
func TestMemoryIsExact(t *testing.T) {
	m := NewPasswords(time.Minute, 3, time.Now, strings.NewReader(strings.Repeat("k", 32)))
	m.Add(&account.Proofs{Account: "account", Revision: 7}, "id", "x")
	for _, c := range []struct {
		account  mail.ID
		revision int64
		id       mail.ID
		password string
		knows    bool
	}{
		{"account", 7, "id", "x", true}, {"account", 7, "id", "", false}, {"account", 8, "id", "x", false}, {"account", 6, "id", "x", false},
		{"accounts", 7, "id", "x", false}, {"", 7, "id", "x", false}, {"account", 7, "other", "x", false},
	} {
		if got := m.Knows(&account.Proofs{Account: c.account, Revision: c.revision}, c.id, c.password); got != c.knows {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestMemoryWithoutRandomnessRemembersNothing(t *testing.T) {
	m := NewPasswords(time.Minute, 3, time.Now, strings.NewReader(""))
	p := &account.Proofs{Account: "1"}
	m.Add(p, "id", "x")
	if m.Knows(p, "id", "x") {
		t.Error("remembered under a key that anybody knows")
	}
}

func TestKnownClients(t *testing.T) {
	const keep = time.Hour
	now := time.Unix(1_800_000_000, 0)
	k := NewPairs(PairsOptions{Keep: keep, Most: 10, Now: func() time.Time { return now }})
	k.Add("id", "192.0.2.7/32", now)
	for _, c := range []struct {
		id, network string
		known       bool
	}{{"id", "192.0.2.7/32", true}, {"id", "192.0.2.8/32", false}, {"other", "192.0.2.7/32", false}, {"", "id\x00192.0.2.7/32", false}} {
		if k.Has(c.id, c.network) != c.known {
			t.Errorf("%+v", c)
		}
	}
	now = now.Add(keep - 1)
	if !k.Has("id", "192.0.2.7/32") {
		t.Error("forgotten too early")
	}
	now = now.Add(1)
	if k.Has("id", "192.0.2.7/32") {
		t.Error("known for ever")
	}
	for i := range 100 {
		k.Add(fmt.Sprint(i), "n", now)
		if len(k.recent.seen)+len(k.older.seen) > 10 {
			t.Fatalf("%d are known, 10 may be", len(k.recent.seen)+len(k.older.seen))
		}
		if i >= 4 && (!k.Has(fmt.Sprint(i), "n") || !k.Has(fmt.Sprint(i-4), "n")) {
			t.Fatalf("one of the last five is forgotten after %d", i)
		}
	}
}

// One name has a bounded number of others, of which the one goes that was seen longest
// ago, and pushes out nothing of other names.
func TestKnownClientsOfOne(t *testing.T) {
	const each, others = 4, 6
	now := time.Unix(1_800_000_000, 0)
	k := NewPairs(PairsOptions{Keep: time.Hour, Most: 20, Each: each, Now: func() time.Time { return now }})
	for i := range others {
		k.Add(fmt.Sprint("other", i), "n", now)
	}
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		k.Add("one", "home", now) // seen all the time
		now = now.Add(time.Millisecond)
		k.Add("one", fmt.Sprint(i), now)
		known := 0
		for j := range i + 1 {
			if k.Has("one", fmt.Sprint(j)) {
				known++
			}
		}
		if !k.Has("one", "home") || !k.Has("one", fmt.Sprint(i)) || known > each-1 || i >= each && known != each-1 {
			t.Fatalf("after %d: %d are known, home %v", i, known, k.Has("one", "home"))
		}
	}
	for i := range others {
		if !k.Has(fmt.Sprint("other", i), "n") {
			t.Errorf("other %d was pushed out", i)
		}
	}
	// Also where many names come and go, which turns the halves over.
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		k.Add("one", fmt.Sprint("x", i), now)
		k.Add(fmt.Sprint("many", i), "n", now)
		listed := 0
		for _, g := range []generation{k.recent, k.older} {
			for name, pairs := range g.of {
				listed += len(pairs)
				if len(pairs) == 0 || len(pairs) > each {
					t.Fatalf("%d pairs of %x are listed", len(pairs), name)
				}
			}
		}
		if n := len(k.recent.seen) + len(k.older.seen); n > 20 || n != listed {
			t.Fatalf("%d are known and %d listed after %d, 20 may be", n, listed, i)
		}
	}
}

// useStore counts what it is given, and is away when it is told.
type useStore struct {
	account.UseStore
	portions []int
	// takes is how many portions it takes before it is away.
	takes int
}

func (s *useStore) Used(_ context.Context, uses []account.Use) error {
	if s.takes == 0 {
		return errors.New("away")
	}
	s.takes--
	s.portions = append(s.portions, len(uses))
	return nil
}

func TestUsesAreWrittenInPortions(t *testing.T) {
	s := &useStore{takes: 2}
	u := NewUses(s)
	note := func(from, n int) {
		for i := from; i < from+n; i++ {
			u.Note(account.Use{Credential: mail.ID(fmt.Sprint(i)), Session: "old"})
		}
	}
	note(0, 3*portionUses)
	u.Write(t.Context())
	if !slices.Equal(s.portions, []int{portionUses, portionUses}) || len(u.waiting) != portionUses {
		t.Fatalf("portions %v, %d wait", s.portions, len(u.waiting))
	}
	note(10_000, 2*maxUses)
	if len(u.waiting) != maxUses {
		t.Fatalf("%d wait, %d may", len(u.waiting), maxUses)
	}
	s.takes = -1
	u.Write(t.Context())
	if len(u.waiting) != 0 {
		t.Errorf("%d wait", len(u.waiting))
	}
}

// refilling is a store that is away, and brings more uses while it says so.
type refilling struct {
	account.UseStore
	more func()
}

func (s *refilling) Used(context.Context, []account.Use) error {
	s.more()
	return errors.New("away")
}

// What is given back displaces nothing later, and is bounded too.
func TestUsesAreGivenBack(t *testing.T) {
	s := &refilling{}
	u := NewUses(s)
	u.Note(account.Use{Credential: "one", Session: "old"})
	u.Note(account.Use{Credential: "two", Session: "old"})
	s.more = func() { u.Note(account.Use{Credential: "one", Session: "new"}) }
	u.Write(t.Context())
	if u.waiting["one"].Session != "new" || u.waiting["two"].Session != "old" {
		t.Errorf("%+v", u.waiting)
	}
	n := 0
	s.more = func() {
		for range maxUses {
			n++
			u.Note(account.Use{Credential: mail.ID(fmt.Sprint(n))})
		}
	}
	for range 3 {
		u.Write(t.Context())
		if len(u.waiting) > maxUses {
			t.Fatalf("%d wait, %d may", len(u.waiting), maxUses)
		}
	}
}

// What has no credential in the store is nobody's use.
func TestNobodysUse(t *testing.T) {
	u := NewUses(&useStore{})
	u.Note(account.Use{Session: "S"})
	if n := u.Waiting(); n != 0 {
		t.Errorf("%d wait", n)
	}
}

func TestSeldom(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := NewSeldom(time.Minute, func() time.Time { return now })
	for _, c := range []struct {
		after time.Duration
		may   bool
	}{{0, true}, {0, false}, {time.Minute - 1, false}, {1, true}, {time.Minute, true}, {time.Second, false}, {-time.Hour, true}, {time.Second, false}} {
		now = now.Add(c.after)
		if got := s.May(); got != c.may {
			t.Errorf("%v later, at %v: %v", c.after, now, got)
		}
	}
}

// Run writes now and then, and once more at its end.
func TestUsesAreWrittenInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &useStore{takes: -1}
		u := NewUses(s)
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { u.Run(ctx) })
		u.Note(account.Use{Credential: "one"})
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(s.portions, []int{1}) {
			t.Errorf("written: %v", s.portions)
		}
		u.Note(account.Use{Credential: "two"})
		cancel()
		done.Wait()
		if !slices.Equal(s.portions, []int{1, 1}) {
			t.Errorf("written in the end: %v", s.portions)
		}
	})
}
