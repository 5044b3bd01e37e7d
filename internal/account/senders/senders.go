// Package senders keeps in memory what the directory says of accounts that send now,
// and follows the account generation, so that asking at each MAIL costs no look at the
// store and a change is felt at once all the same: where the store tells of changes as
// they happen, with a question now and then as the net; else by asking often.
//
// It decides nothing about who may send.
//
// Main types: Cache.
package senders

import (
	"context"
	"sync"
	"time"

	"countersign/internal/account"
	"countersign/internal/feed"
)

// Options are what a Cache may be told. The zero value is usable.
type Options struct {
	// Poll is how often the generation is asked for where the directory does not
	// tell of all changes; 0 means 200 ms.
	Poll time.Duration
	// MaxAge is how old the last answer may be before every question goes
	// straight to the directory; 0 means three times Poll. Together with Poll
	// it bounds how late a change is felt.
	MaxAge time.Duration
	// Node is which gate asks, "" for the only one: see feed.Phase.
	Node string
	// Max bounds the accounts kept; 0 means 10,000.
	Max int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Cache keeps what the directory says of accounts. A change is felt within MaxAge. Run keeps it current; without it every question goes to the
// directory. It is safe for concurrent use.
type Cache struct {
	dir account.Directory
	opt Options

	mu sync.Mutex // guards all below
	// generation is the newest that was seen; asked is when the question for
	// it was put, zero before the first answer.
	generation uint64
	asked      time.Time
	maxAge     time.Duration // of that answer
	// entries holds accounts by login, each as old as its Generation.
	entries map[string]*account.Sender
}

// New returns an empty Cache over dir.
func New(dir account.Directory, opt Options) *Cache {
	if opt.Poll <= 0 {
		opt.Poll = feed.UsualPoll
	}
	if opt.MaxAge <= 0 {
		opt.MaxAge = 3 * opt.Poll
	}
	if opt.Max <= 0 {
		opt.Max = 10_000
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Cache{dir: dir, opt: opt, entries: map[string]*account.Sender{}}
}

// calmAge is within what a change is felt that was missed where the directory tells of all changes.
// The generation is asked for at each, and every feed.UsualCalm besides.
const calmAge = 900 * time.Millisecond

// Run asks for the generation every Poll, and when it changes, until ctx ends.
func (s *Cache) Run(ctx context.Context) {
	phase := feed.Phase(s.opt.Node)
	for ctx.Err() == nil {
		changed, told := s.dir.Changed() // before the question, so that nothing comes between
		every, maxAge := s.opt.Poll, s.opt.MaxAge
		if told {
			every, maxAge = feed.UsualCalm, calmAge
		}
		next := time.NewTimer(feed.Pause(every, phase))
		s.poll(ctx, maxAge)
		select {
		case <-next.C:
		case <-changed:
		case <-ctx.Done():
		}
		next.Stop()
	}
}

// poll asks once. A failure leaves the last answer to grow old.
func (s *Cache) poll(ctx context.Context, maxAge time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, s.opt.MaxAge)
	defer cancel()
	asked := s.opt.Now()
	s.mu.Lock()
	before := s.generation
	s.mu.Unlock()
	generation, err := s.dir.Generation(ctx)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation >= before { // what somebody has Seen since it was asked is newer, no copy put back
		generation = max(generation, s.generation)
	}
	if generation < s.generation { // a database put back from a copy counts anew
		clear(s.entries)
	}
	s.generation, s.asked, s.maxAge = generation, asked, maxAge
}

// Seen tells that an account was read at that generation elsewhere: nothing
// older is answered from now on, so that who has just logged in is never
// judged by an older look at the account than the login was.
func (s *Cache) Seen(generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation = max(s.generation, generation)
}

// Sender returns the account with that login as it was at most MaxAge ago,
// also when suspended. Errors are those of account.Directory.Sender; they are not
// kept.
func (s *Cache) Sender(ctx context.Context, login string) (*account.Sender, error) {
	if have := s.kept(login); have != nil {
		return have, nil
	}
	sender, err := s.dir.Sender(ctx, login)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		delete(s.entries, login)
		return nil, err
	}
	if _, ok := s.entries[login]; !ok && len(s.entries) >= s.opt.Max {
		s.makeRoom()
	}
	s.entries[login] = sender
	return sender, nil
}

// kept returns an entry that still holds, nil where there is none.
func (s *Cache) kept(login string) *account.Sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := s.opt.Now().Sub(s.asked)
	if s.asked.IsZero() || age > s.maxAge || age < 0 { // < 0: the clock was set back
		return nil
	}
	have := s.entries[login]
	if have == nil || have.Generation < s.generation {
		return nil
	}
	return have
}

// makeRoom drops what is out of date, or any one entry where nothing is.
func (s *Cache) makeRoom() {
	before := len(s.entries)
	for login, e := range s.entries {
		if e.Generation < s.generation {
			delete(s.entries, login)
		}
	}
	if len(s.entries) < before {
		return
	}
	for login := range s.entries {
		delete(s.entries, login)
		return
	}
}
