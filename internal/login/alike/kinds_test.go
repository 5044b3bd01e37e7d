package alike

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"countersign/internal/account/hash"
	"countersign/internal/login/shape"
)

// ofKiB is the cost of a hash of a pass over so much memory.
func ofKiB(kib uint32) hash.Cost {
	return hash.CostOf(hash.Params{MemoryKiB: kib, Iterations: 1, Parallelism: 1})
}

// gateOf has the kinds of a gate over a store, and what keeps what it learns.
func gateOf(store shape.Store, now func() time.Time) (*Kinds, *Fronts) {
	f := NewFronts(lasting("a"), store, now)
	return NewKinds(ofKiB(100).Estimate(), f, Hashes{}), f
}

// Of a directory's hashes those are known that somebody has logged in with in the last week, as
// far as all of them together cost no more than they may.
func TestKinds(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	k, fronts := gateOf(&shape.Memory{}, func() time.Time { return clock })
	want := func(list ...hash.Cost) {
		t.Helper()
		fronts.Keep(t.Context())
		if got := k.Of(t.Context(), "d"); !slices.Equal(got, list) {
			t.Errorf("%v, want %v", got, list)
		}
	}
	k.Learn("d", ofKiB(40))
	k.Learn("d", ofKiB(40))
	k.Learn("d", hash.Cost{})
	want(ofKiB(40))
	for i := range 2 {
		if over := k.learn("d", ofKiB(61)); over != (i == 0) { // too much beside the first
			t.Errorf("too much, the %d. time: %v", i+1, over)
		}
	}
	if k.learn("e", ofKiB(100)) || !k.learn("f", ofKiB(101)) {
		t.Error("directories are mixed up")
	}
	want(ofKiB(40))
	clock = clock.Add(5 * 24 * time.Hour)
	k.Learn("d", ofKiB(60))
	want(ofKiB(40), ofKiB(60))
	clock = clock.Add(2*24*time.Hour + time.Minute)
	k.Learn("d", ofKiB(60))
	want(ofKiB(60))
	clock = clock.Add(7*24*time.Hour - time.Minute)
	want(ofKiB(60))
}

// What one gate has learned another one knows within seconds, and so does one that was started
// since; a failing store takes nothing away.
func TestKindsAreEveryGates(t *testing.T) {
	clock := time.Unix(1_800_000_000, 0)
	now := func() time.Time { return clock }
	store := &failingStore{Store: &shape.Memory{}}
	a, learning := gateOf(store, now)
	b, _ := gateOf(store, now)
	wants := func(k *Kinds, list ...hash.Cost) {
		t.Helper()
		if got := k.Of(t.Context(), "d"); !slices.Equal(got, list) {
			t.Errorf("%v, want %v", got, list)
		}
	}
	wants(b)
	a.Learn("d", ofKiB(40))
	wants(a, ofKiB(40)) // before it is kept
	learning.Keep(t.Context())
	clock = clock.Add(readAgain)
	wants(b, ofKiB(40))
	restarted, _ := gateOf(store, now)
	wants(restarted, ofKiB(40))
	if !restarted.learn("d", ofKiB(61)) {
		t.Error("what the store has does not count")
	}
	store.err = errors.New("away")
	clock = clock.Add(readAgain)
	wants(b, ofKiB(40))
}

// Of what gates have learned at the same moment, or while more was allowed, no more counts
// than may, and of what cannot be read nothing.
func TestKindsOfTheStoreAreBounded(t *testing.T) {
	store := &shape.Memory{}
	place := shape.Place{Directory: "d", Mechanism: shape.Hashes}
	for _, text := range []string{ofKiB(60).String(), ofKiB(50).String(), ofKiB(40).String(), "nonsense 5"} {
		if err := store.KeepShape(t.Context(), place, shape.OfCost(text), time.Unix(1_800_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	k, _ := gateOf(store, func() time.Time { return time.Unix(1_800_000_000, 0) })
	if got := k.Of(t.Context(), "d"); !slices.Equal(got, []hash.Cost{ofKiB(40), ofKiB(50)}) {
		t.Errorf("%v", got)
	}
}

// What was said of a directory counts from the beginning, whatever it comes to; what is learned counts
// beside it, as far as all together are not too much. Only what is learned goes into the store, and
// of what was not said somebody is told, eight times at most.
func TestKindsThatWereSaid(t *testing.T) {
	store := &shape.Memory{}
	fronts := NewFronts(lasting("a"), store, func() time.Time { return time.Unix(1_800_000_000, 0) })
	unsaid, over := 0, 0
	k := NewKinds(ofKiB(100).Estimate(), fronts, Hashes{
		Said:      map[string][]hash.Cost{"d": {ofKiB(60), ofKiB(30)}, "dear": {ofKiB(400)}},
		Unsaid:    func(string, hash.Cost) { unsaid++ },
		TooCostly: func(string, hash.Cost) { over++ },
	})
	wants := func(directory string, list ...hash.Cost) {
		t.Helper()
		fronts.Keep(t.Context())
		if got := k.Of(t.Context(), directory); !slices.Equal(got, list) {
			t.Errorf("%s: %v, want %v", directory, got, list)
		}
	}
	wants("d", ofKiB(60), ofKiB(30))
	wants("dear", ofKiB(400))
	wants("e")
	k.Learn("d", ofKiB(60))
	k.Learn("dear", ofKiB(400))
	for _, directory := range []string{"d", "dear"} {
		if kept, err := store.Shapes(t.Context(), shape.Place{Directory: directory, Mechanism: shape.Hashes}); err != nil || len(kept) != 0 || over != 0 {
			t.Errorf("%s: %v is kept, %v; %d were too much", directory, kept, err, over)
		}
	}
	k.Learn("d", ofKiB(9))
	wants("d", ofKiB(60), ofKiB(30), ofKiB(9))
	k.Learn("d", ofKiB(8))
	k.Learn("dear", ofKiB(8))
	wants("d", ofKiB(60), ofKiB(30), ofKiB(9))
	wants("dear", ofKiB(400))
	if over != 2 {
		t.Errorf("told %d times of too much", over)
	}
	for n := range uint32(20) {
		k.Meet("d", ofKiB(60))
		k.Meet("d", ofKiB(200+n))
		k.Meet("e", ofKiB(200+n)) // of which nothing was said
	}
	if unsaid != maxUnsaid {
		t.Errorf("told %d times of kinds that were not said", unsaid)
	}
}

// failingStore is a store that may be away.
type failingStore struct {
	shape.Store
	err error
}

func (s *failingStore) Shapes(ctx context.Context, p shape.Place) ([]shape.Shape, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Shapes(ctx, p)
}
