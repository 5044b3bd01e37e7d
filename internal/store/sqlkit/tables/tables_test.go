package tables

import (
	"context"
	"database/sql/driver"
	"fmt"
	"reflect"
	"testing"

	"countersign/internal/store/sqlkit"
)

// numbers is a table of the numbers from 1 to 10 with texts of 100 octets. It notes
// what it was asked.
type numbers struct{ asked string }

func (n *numbers) Query(_ context.Context, text string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	n.asked = fmt.Sprint(text, args)
	from, limit := int64(0), args[0].Value.(int64)
	if len(args) == 2 {
		from, limit = limit, args[1].Value.(int64)
	}
	for i := from + 1; i <= min(10, from+limit); i++ {
		var r sqlkit.Row
		r.Set([]driver.Value{i, fmt.Sprintf("%0100d", i)})
		if err := each(&r); err != nil {
			return fmt.Errorf("as an engine does: %w", err)
		}
	}
	return nil
}

func (n *numbers) Number(context.Context, string, sqlkit.Values) (int64, bool, error) {
	return 10, true, nil
}

// TestPagesAreBounded reads pages within bounds of rows and of octets.
func TestPagesAreBounded(t *testing.T) {
	list := table("number", 1, "id int, text text")
	for _, limit := range []Limit{{Rows: 3, Bytes: 1 << 20}, {Rows: 100, Bytes: 250}, {Rows: 1, Bytes: 1}} {
		most := map[int]int{3: 3, 100: 3, 1: 1}[limit.Rows]
		var c numbers
		var behind Row
		var got []int64
		for {
			rows, err := list.Page(t.Context(), &c, behind, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) == 0 {
				break
			}
			if len(rows) > most {
				t.Errorf("a page within %+v has %d rows", limit, len(rows))
			}
			for _, r := range rows {
				got = append(got, r[0].(int64))
			}
			behind = list.Key(rows[len(rows)-1])
		}
		if !reflect.DeepEqual(got, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
			t.Errorf("within %+v got %v", limit, got)
		}
	}
	two := table("pair", 2, "a text, n int, x blob")
	if got, want := two.pageSQL(true), "SELECT a, n, x FROM pair WHERE (a, n) > (?, ?) ORDER BY a, n LIMIT ?"; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := two.lastSQL(), "SELECT a, n FROM pair ORDER BY a DESC, n DESC LIMIT 1"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestRowsHaveOneForm: different rows have different octets, and no value and the
// empty one have the same, as not every engine tells them apart.
func TestRowsHaveOneForm(t *testing.T) {
	list := table("mixed", 1, "id int, a text?, b text, c blob")
	seen := map[string]Row{}
	for _, r := range []Row{
		{int64(1), "a", "b", []byte("c")}, {int64(1), "ab", "", []byte("c")}, {int64(1), "", "ab", []byte("c")}, {int64(1), "a", "", []byte("bc")},
		{int64(-1), "a", "b", []byte("c")}, {int64(1), "a", "bc", []byte(nil)}, {int64(256), "a", "b", []byte("c")},
	} {
		form := string(list.Append(nil, r))
		if other, twice := seen[form]; twice {
			t.Errorf("%q and %q have one form", r, other)
		}
		seen[form] = r
	}
	none, empty := Row{int64(1), "", "", []byte(nil)}, Row{int64(1), "", "", []byte{}}
	if string(list.Append(nil, none)) != string(list.Append(nil, empty)) {
		t.Error("no octets and none differ")
	}
	if got := list.Stored(empty); !reflect.DeepEqual(got, []any{int64(1), nil, "", nil}) {
		t.Errorf("stored as %q", got)
	}
}
