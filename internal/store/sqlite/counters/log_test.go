package counters

import (
	"errors"
	"testing"

	"countersign/internal/limit"
	"countersign/internal/store/sqlkit"
)

// FuzzRow reads rows of the log that nobody has written: they are read whole, or damage.
func FuzzRow(f *testing.F) {
	row := appendState([]byte{form}, limit.Subject{Kind: limit.Account, Name: "a@example.org"}, []byte("state"))
	f.Add(appendState(row, limit.Subject{Kind: limit.Everything}, nil))
	f.Add([]byte{form, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{form + 1})
	f.Fuzz(func(t *testing.T, row []byte) {
		again, all := []byte{form}, true
		err := each(row, func(s limit.Subject, state []byte) { again = appendState(again, s, state) })
		if err != nil {
			all = false
			if !errors.Is(err, sqlkit.ErrDamaged) {
				t.Errorf("it is %v", err)
			}
		}
		if all && len(again) > len(row) && len(row) > 0 {
			t.Errorf("%d octets are read as %d", len(row), len(again))
		}
	})
}

// TestRowComesBack: what is written is read, in order.
func TestRowComesBack(t *testing.T) {
	want := []limit.Subject{{Kind: limit.Account, Name: "a@example.org"}, {Kind: limit.Everything}, {Kind: limit.Network, Name: "2001:db8::/64"}}
	row := []byte{form}
	for i, s := range want {
		row = appendState(row, s, make([]byte, i*200))
	}
	n := 0
	err := each(row, func(s limit.Subject, state []byte) {
		if s != want[n] || len(state) != n*200 {
			t.Errorf("state %d is of %v, with %d octets", n, s, len(state))
		}
		n++
	})
	if err != nil || n != len(want) {
		t.Errorf("%d are read (%v)", n, err)
	}
	if each(row[:len(row)-1], func(limit.Subject, []byte) {}) == nil {
		t.Error("a row that is cut off is read")
	}
}
