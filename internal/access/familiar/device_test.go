package familiar

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"countersign/internal/fault"
)

func TestMergeUses(t *testing.T) {
	for _, tt := range []struct{ a, b, want []Use }{
		{},
		{a: []Use{{0, 5}}},
		{a: []Use{{1, 5}}, want: []Use{{1, 5}}},
		{a: []Use{{1, 5}}, b: []Use{{1, 7}, {2, 6}}, want: []Use{{1, 7}, {2, 6}}},
		{a: []Use{{3, 5}, {2, 5}}, b: []Use{{1, 5}}, want: []Use{{1, 5}, {2, 5}, {3, 5}}},
		{a: []Use{{1, 1}, {2, 2}, {3, 3}}, b: []Use{{4, 4}, {5, 1<<32 - 1}}, want: []Use{{5, 1<<32 - 1}, {4, 4}, {3, 3}, {2, 2}}},
	} {
		for _, got := range [][]Use{MergeUses(tt.a, tt.b), MergeUses(tt.b, tt.a)} {
			if !slices.Equal(got, tt.want) {
				t.Errorf("%v and %v are %v, want %v", tt.a, tt.b, got, tt.want)
			}
		}
		if err := CheckUses(tt.want); err != nil {
			t.Error(err)
		}
		if got, err := UnpackUses(PackUses(tt.want)); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%v came back as %v, %v", tt.want, got, err)
		}
	}
	for _, bad := range [][]Use{{{1, 5}, {2, 6}}, {{1, 5}, {1, 5}}, {{0, 5}}, {{1, 9}, {2, 8}, {3, 7}, {4, 6}, {5, 5}}} {
		if err := CheckUses(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", bad, err)
		}
		if got, err := UnpackUses(PackUses(bad)); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%v: %v, %v", bad, got, err)
		}
	}
	if u := UseAt(7, time.Unix(-5, 0)); u.At != 0 {
		t.Errorf("before 1970: %v", u)
	}
}

// TestHeard: what is stored of a network's devices is known of it, and of no network that is not known.
func TestHeard(t *testing.T) {
	k := New(time.Hour, 100)
	now := time.Unix(1_800_000_000, 0)
	home, other := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	k.Heard("ann", home, []Use{UseAt(1, now)})
	if len(k.Devices("ann", home)) > 0 || k.Use("ann", home, UseAt(1, now)) {
		t.Error("devices of a network that is not known")
	}
	k.Add("ann", home, now)
	k.Add("ann", other, now)
	k.Use("ann", other, UseAt(9, now.Add(-time.Hour)))
	k.Heard("ann", home, []Use{UseAt(1, now), UseAt(2, now.Add(-time.Minute))})
	if got, want := k.Devices("ann", home), []Use{UseAt(1, now), UseAt(2, now.Add(-time.Minute))}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := k.By("ann", now.Add(-time.Hour)); !slices.Equal(got, []Device{1, 2}) {
		t.Errorf("lately by %v", got)
	}
	if k.Use("ann", home, UseAt(1, now.Add(time.Second))) {
		t.Error("what was heard is to be stored again")
	}
}

func FuzzUnpackUses(f *testing.F) {
	f.Add(PackUses([]Use{{1, 9}, {2, 8}}))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, stored []byte) {
		list, err := UnpackUses(stored)
		if err == nil && (string(PackUses(list)) != string(stored) || CheckUses(list) != nil) {
			t.Errorf("%x became %x", stored, PackUses(list))
		}
	})
}
