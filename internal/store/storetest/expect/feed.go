package expect

import (
	"context"
	"sync"
)

// FollowedAtOnce has one follow a feed of numbered changes while each of writers, at once, makes
// as many changes as it says: what the one has seen in the end is all of them, and each once.
// since answers as the feed does and must not fail; name tells the rows apart.
func FollowedAtOnce[R any](t T, writers, each int, write func(writer, n int) error, since func(number uint64) ([]R, uint64), name func(R) string) {
	t.Helper()
	var writing sync.WaitGroup
	failed := make(chan error, writers)
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				if err := write(w, n); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	seen, number := map[string]int{}, uint64(0)
	for last := false; ; {
		list, now := since(number)
		if now < number || now > number && len(list) == 0 {
			t.Fatalf("%d follows %d with %d rows", now, number, len(list))
		}
		number = now
		for _, r := range list {
			seen[name(r)]++
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if len(failed) > 0 {
		t.Fatalf("%v", <-failed)
	}
	for of, n := range seen {
		if n != 1 {
			t.Fatalf("%s was seen %d times", of, n)
		}
	}
	if len(seen) != writers*each || number != uint64(writers*each) {
		t.Fatalf("%d were seen, and the number is %d", len(seen), number)
	}
}

// Told ends the test unless those who wait for changes are told of one before ctx ends.
func Told(ctx context.Context, t T, what string, changed <-chan struct{}, make func() error) {
	t.Helper()
	Must(t, make())
	select {
	case <-changed:
	case <-ctx.Done():
		t.Fatalf("nobody was told of %s", what)
	}
}
