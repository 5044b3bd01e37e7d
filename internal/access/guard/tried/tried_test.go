package tried

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"countersign/internal/fault"
)

// TestNote: a secret that is repeated is none more, and is worth being stored after a while; of too
// many the one goes that was seen longest ago.
func TestNote(t *testing.T) {
	var s Secrets
	for _, c := range []struct {
		digest         uint16
		at             int64
		differs, worth bool
	}{
		{7, 1000, true, true}, {3, 1001, true, true}, {7, 1002, false, false}, {7, 1602, false, true}, {7, 1400, false, false},
	} {
		if differs, worth := s.Note(c.digest, c.at); differs != c.differs || worth != c.worth {
			t.Errorf("%d at %d: %v, %v, want %v, %v", c.digest, c.at, differs, worth, c.differs, c.worth)
		}
	}
	if want := (Secrets{{3, 1001, 1001}, {7, 1000, 1602}}); !slices.Equal(s, want) || s.Last().Unix() != 1602 {
		t.Errorf("%v until %v, want %v", s, s.Last(), want)
	}
	for n := range Most - 1 {
		s.Note(uint16(100+n), 1500)
	}
	if has := slices.ContainsFunc(s, func(one Secret) bool { return one.Digest == 3 }); has || len(s) != Most || s.Check() != nil {
		t.Errorf("%d secrets: %v", len(s), s)
	}
	if last := Secrets(nil).Last(); !last.IsZero() {
		t.Errorf("of none the last is at %v", last)
	}
}

func TestCount(t *testing.T) {
	s := Secrets{{1, 10, 20}, {2, 20, 30}, {3, 30, 30}}
	for at, want := range map[[2]int64]int{{9, 20}: 3, {10, 20}: 2, {0, 21}: 2, {20, 30}: 1, {30, 0}: 0, {time.Time{}.Unix(), 0}: 3} {
		if got := s.Count(at[0], at[1]); got != want {
			t.Errorf("after %d, since %d: %d, want %d", at[0], at[1], got, want)
		}
	}
}

// TestMerge: it comes to the same whichever comes first, and however often, and loses nothing that there is room for.
func TestMerge(t *testing.T) {
	c := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var a, b Secrets
		for range c.IntN(Most + 1) {
			a.Note(uint16(c.IntN(80)), int64(c.IntN(1000)))
			b.Note(uint16(c.IntN(80)), int64(c.IntN(1000)))
		}
		ab := Merge(a, b)
		if !slices.Equal(ab, Merge(ab, ab)) || ab.Check() != nil {
			t.Fatalf("%v and %v are %v", a, b, ab)
		}
		for _, one := range slices.Concat(a, b) {
			i := slices.IndexFunc(ab, func(s Secret) bool { return s.Digest == one.Digest })
			if i < 0 && len(ab) < Most || i >= 0 && (ab[i].First > one.First || ab[i].Last < one.Last) {
				t.Fatalf("%v is lost in %v", one, ab)
			}
		}
		seen := func(s Secrets) (times []int64) { // of those seen at the same time either may go
			for _, one := range s {
				times = append(times, one.Last)
			}
			slices.Sort(times)
			return times
		}
		if other := Merge(b, a); !slices.Equal(seen(ab), seen(other)) {
			t.Fatalf("%v, the other way %v", ab, other)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, bad := range []Secrets{make(Secrets, Most+1), {{2, 0, 0}, {1, 0, 0}}} {
		if err := bad.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	s := Secrets{{5, 20, 20}, {6, 10, 30}, {7, 20, 20}}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	slices.SortFunc(s, Secret.Compare)
	if want := (Secrets{{6, 10, 30}, {5, 20, 20}, {7, 20, 20}}); !slices.Equal(s, want) {
		t.Errorf("by time they are %v, want %v", s, want)
	}
}

// TestUnpackRefuses: what Pack cannot have made is damage.
func TestUnpackRefuses(t *testing.T) {
	for _, bad := range [][]byte{{1}, make([]byte, size*(Most+1)), Secrets{{2, 1, 1}, {1, 1, 1}}.Pack(), Secrets{{2, 1, 1}, {2, 1, 1}}.Pack()} {
		if list, err := Unpack(bad); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%x is %v, %v", bad, list, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(Secrets{{1, 2, 3}, {4, 5, 6}}.Pack())
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		list, err := Unpack(stored)
		if err == nil && string(list.Pack()) != string(stored) {
			t.Errorf("%x became %x", stored, list.Pack())
		}
	})
}
