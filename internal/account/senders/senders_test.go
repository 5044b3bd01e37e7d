package senders

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// directory is a store in memory; down, when set, is the answer to everything. All
// accounts that were not removed exist.
type directory struct {
	account.Directory // what is not asked for

	mu         sync.Mutex // guards what follows
	generation uint64
	suspended  map[string]bool
	removed    map[string]bool
	reads      int // calls of Sender
	asked      int // calls of Generation
	down       error
	changed    chan struct{}
	told       bool
}

func newDirectory() *directory {
	return &directory{generation: 5, suspended: map[string]bool{}, removed: map[string]bool{}, changed: make(chan struct{})}
}

func (d *directory) Generation(context.Context) (uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.generation, d.down
}

func (d *directory) Changed() (<-chan struct{}, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed, d.told
}

func (d *directory) Sender(_ context.Context, login string) (*account.Sender, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	if d.down != nil {
		return nil, d.down
	}
	if d.removed[login] {
		return nil, &fault.Error{Kind: fault.NotFound}
	}
	state := account.Active
	if d.suspended[login] {
		state = account.Suspended
	}
	return &account.Sender{
		Account:    account.Account{Address: mail.Address{Local: "a", Domain: "acme.example"}, State: state},
		Domain:     account.Domain{State: account.Active},
		Customer:   account.Customer{State: account.Active},
		Generation: d.generation,
	}, nil
}

// change changes something; lost says that nobody is told.
func (d *directory) change(lost bool, how func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	how()
	d.generation++
	if !lost {
		d.raise()
	}
}

func (d *directory) raise() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// tell says whether all changes are told from now on.
func (d *directory) tell(all bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.told = all
	d.raise()
}

func (d *directory) setDown(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = err
}

// counts returns how often accounts and the generation were asked for.
func (d *directory) counts() (reads, asked int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reads, d.asked
}

const login = "a@acme.example"

// watch runs a Cache in the bubble until the test ends.
func watch(t *testing.T, d *directory, opt Options) *Cache {
	t.Helper()
	s := New(d, opt)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return s
}

// sends asks for the account, and reports whether it may send.
func sends(t *testing.T, s *Cache) bool {
	t.Helper()
	sender, err := s.Sender(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	return sender.Active()
}

func TestNoLookWhileNothingChanges(t *testing.T) {
	for _, told := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDirectory()
			d.told = told
			s := watch(t, d, Options{})
			for range 50 {
				sends(t, s)
				time.Sleep(100 * time.Millisecond) // fake time
			}
			reads, asked := d.counts()
			if reads != 1 {
				t.Errorf("told %v: %d looks at the store in 5 s, 1 wanted", told, reads)
			}
			if most := map[bool]int{false: 26, true: 14}[told]; asked > most {
				t.Errorf("told %v: the generation is asked for %d times in 5 s", told, asked)
			}
		})
	}
}

// TestAChangeIsFelt: within a poll where nobody tells, at once where somebody does,
// and within a second where it was to be told and got lost.
func TestAChangeIsFelt(t *testing.T) {
	for name, c := range map[string]struct {
		told, lost bool
		within     time.Duration
	}{
		"by another process": {false, true, 250 * time.Millisecond},
		"by this process":    {false, false, 0},
		"told":               {true, false, 0},
		"told, but lost":     {true, true, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				d.told = c.told
				s := watch(t, d, Options{})
				for range 10 { // at any moment between two polls
					time.Sleep(70 * time.Millisecond) // fake time
					d.change(c.lost, func() { d.suspended[login] = false })
					time.Sleep(2 * time.Second) // fake time
					if !sends(t, s) {
						t.Fatal("it may not send")
					}
					d.change(c.lost, func() { d.suspended[login] = true })
					synctest.Wait()
					time.Sleep(c.within) // fake time
					synctest.Wait()
					if sends(t, s) {
						t.Fatalf("not felt after %v", c.within)
					}
				}
				d.change(c.lost, func() { d.removed[login] = true })
				synctest.Wait()
				time.Sleep(c.within) // fake time
				synctest.Wait()
				if _, err := s.Sender(t.Context(), login); !fault.Is(err, fault.NotFound) {
					t.Error(err)
				}
			})
		})
	}
}

// TestPollsAgainWhenNobodyTells: with the end of what tells, the poll is as often as
// before from that moment on.
func TestPollsAgainWhenNobodyTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		d.told = true
		s := watch(t, d, Options{})
		sends(t, s)
		d.tell(false)
		d.change(true, func() { d.suspended[login] = true })
		time.Sleep(201 * time.Millisecond) // fake time
		synctest.Wait()
		if sends(t, s) {
			t.Error("not felt after a poll")
		}
		d.change(true, func() { d.suspended[login] = false })
		d.tell(true) // what was missed meanwhile is asked for
		synctest.Wait()
		if !sends(t, s) {
			t.Error("not felt when changes are told of again")
		}
	})
}

func TestNeverStaleForLong(t *testing.T) {
	for _, told := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := newDirectory()
			d.told = told
			s := watch(t, d, Options{})
			sends(t, s)
			d.setDown(errors.New("down"))
			time.Sleep(500 * time.Millisecond) // fake time
			sends(t, s)                        // a short absence of the store is not felt
			time.Sleep(501 * time.Millisecond) // fake time
			if _, err := s.Sender(t.Context(), login); err == nil {
				t.Errorf("told %v: the last answer is given for ever", told)
			}
			d.setDown(nil)
			sends(t, s)
		})
	}
}

func TestWithoutRunTheDirectoryIsAsked(t *testing.T) {
	d := newDirectory()
	s := New(d, Options{})
	for want := 1; want <= 3; want++ {
		if sends(t, s); d.reads != want {
			t.Errorf("question %d: %d looks", want, d.reads)
		}
	}
}

func TestAfterTheStoreWasPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		s := watch(t, d, Options{})
		sends(t, s)
		d.change(true, func() { d.generation, d.suspended[login] = 0, true })
		time.Sleep(250 * time.Millisecond) // fake time
		if sends(t, s) {
			t.Error("still what it was before")
		}
	})
}

func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		s := watch(t, d, Options{Max: 4})
		for i := range 10 {
			d.change(true, func() {})
			if _, err := s.Sender(t.Context(), fmt.Sprintf("m%d@acme.example", i)); err != nil {
				t.Fatal(err)
			}
			if i == 6 { // from here on older entries are out of date
				time.Sleep(time.Second) // fake time
			}
			if n := len(s.entries); n > 4 {
				t.Fatalf("%d entries, 4 allowed", n)
			}
		}
	})
}

func TestSeenGenerationOutdatesWhatIsKept(t *testing.T) {
	now := time.Now()
	d := newDirectory()
	s := New(d, Options{Now: func() time.Time { return now }})
	s.poll(t.Context(), time.Second)
	sends(t, s)
	if sends(t, s); d.reads != 1 {
		t.Fatalf("the second answer is not kept: %d reads", d.reads)
	}
	s.Seen(d.generation + 1)
	if sends(t, s); d.reads != 2 {
		t.Errorf("an answer older than what was seen is still given: %d reads", d.reads)
	}
}

// late is a directory whose answers arrive when they are let go.
type late struct {
	*directory
	generations, senders chan chan struct{}
}

func (l *late) Generation(ctx context.Context) (uint64, error) {
	n, err := l.directory.Generation(ctx)
	arrive(l.generations)
	return n, err
}

func (l *late) Sender(ctx context.Context, login string) (*account.Sender, error) {
	s, err := l.directory.Sender(ctx, login)
	arrive(l.senders)
	return s, err
}

func arrive(at chan chan struct{}) {
	if at != nil {
		on := make(chan struct{})
		at <- on
		<-on
	}
}

// TestSeenIsNotForgotten: an answer about the generation that was asked for before a login has seen a newer one is
// not taken for a database that was put back, so that nothing older than the login is answered.
func TestSeenIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		l := &late{d, make(chan chan struct{}), make(chan chan struct{})}
		c := New(l, Options{Poll: time.Minute})
		go c.poll(t.Context(), time.Minute)
		asked := <-l.generations
		go func() { _, _ = c.Sender(t.Context(), "a") }()
		read := <-l.senders
		before, _ := d.Generation(t.Context())
		d.change(false, func() { d.suspended["a"] = true })
		c.Seen(before + 1)
		close(asked)
		synctest.Wait()
		close(read)
		synctest.Wait()
		l.senders = nil
		s, err := c.Sender(t.Context(), "a")
		if err != nil || s.Generation <= before || s.Active() {
			t.Errorf("after %d was seen it answers with %d, active %v: %v", before+1, s.Generation, s.Active(), err)
		}
	})
}
