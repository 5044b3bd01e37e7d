package numbered

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/store/sqlkit"
	"countersign/internal/tenant"
)

// memory is a table of rows that are all of the customers that are asked for. It is a Reader and, as
// inside, a Writer.
type memory struct {
	holds  map[string]bool
	change map[string]int64
	number int64
}

// set has rows hold or not, as one change.
func (m *memory) set(holds bool, from, to int) {
	m.number++
	for n := from; n < to; n++ {
		id := fmt.Sprintf("%026d", n)
		m.holds[id], m.change[id] = holds, m.number
	}
}

func (m *memory) Number(context.Context, string, sqlkit.Values) (int64, bool, error) {
	return m.number, true, nil
}

// Query finds as many of those that hold as the last argument says.
func (m *memory) Query(_ context.Context, _ string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	left := args[len(args)-1].Value.(int64)
	for _, id := range slices.Sorted(maps.Keys(m.holds)) {
		if !m.holds[id] || left == 0 {
			continue
		}
		left--
		if err := told(each, id); err != nil {
			return err
		}
	}
	return nil
}

// told gives a row to whoever asks.
func told(each func(*sqlkit.Row) error, columns ...driver.Value) error {
	var r sqlkit.Row
	r.Set(columns)
	return each(&r)
}

// inside is the table within a change.
type inside struct {
	sqlkit.Writer
	*memory
}

// Query finds those that changed since the last argument.
func (m inside) Query(_ string, args sqlkit.Values, each func(*sqlkit.Row) error) error {
	since := args[len(args)-1].Value.(int64)
	for id, number := range m.change {
		if number <= since {
			continue
		}
		if err := told(each, id, m.holds[id]); err != nil {
			return err
		}
	}
	return nil
}

func (inside) Exec(string, sqlkit.Values) error { return nil }
func (inside) Number(string, sqlkit.Values) (int64, bool, error) {
	return 0, false, nil
}

// TestBoundAcrossChanges: what held when it was looked at, and what others change before one's own change,
// make together whether that is within the bound.
func TestBoundAcrossChanges(t *testing.T) {
	const most = 3
	for name, c := range map[string]struct {
		holding     int
		meanwhile   func(*memory)
		more, fewer int
		fits        bool
	}{
		"there is room":                      {holding: 2, more: 1, fits: true},
		"there is none":                      {holding: 3, more: 1},
		"there is none for two":              {holding: 2, more: 2},
		"as many end with it":                {holding: 3, more: 1, fewer: 1, fits: true},
		"above the bound, as many end":       {holding: 20, more: 2, fewer: 2, fits: true},
		"one ends meanwhile":                 {holding: 3, meanwhile: func(m *memory) { m.set(false, 0, 1) }, more: 1, fits: true},
		"one ends and two come meanwhile":    {holding: 3, meanwhile: func(m *memory) { m.set(false, 0, 1); m.set(true, 10, 12) }, more: 1},
		"one comes and goes meanwhile":       {holding: 2, meanwhile: func(m *memory) { m.set(true, 10, 11); m.set(false, 10, 11) }, more: 1, fits: true},
		"one changes meanwhile and goes on":  {holding: 2, meanwhile: func(m *memory) { m.set(true, 0, 1) }, more: 1, fits: true},
		"of far too many most end meanwhile": {holding: 20, meanwhile: func(m *memory) { m.set(false, 0, 15) }, more: 1},
		"of far too many all but one end":    {holding: 20, meanwhile: func(m *memory) { m.set(false, 1, 20) }, more: 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &memory{holds: map[string]bool{}, change: map[string]int64{}}
			m.set(true, 0, c.holding)
			table := Table[int]{Name: "thing", Base: sqlkit.Base{Snapshot: func(_ context.Context, _ string, fn func(sqlkit.Reader) error) error { return fn(m) }}}
			whose := Whose{Of: func(*sqlkit.Where, []string) {}, SQL: "x"}
			g := Growth{Bound: tenant.Bound{Customers: []string{"acme"}, Most: most}, What: "things", More: c.more, Fewer: c.fewer}
			held, err := table.Held(t.Context(), "test", g, whose, c.fewer)
			if err != nil {
				t.Fatal(err)
			}
			if c.meanwhile != nil {
				c.meanwhile(m)
			}
			err = table.Bounded(inside{memory: m}, "test", g, whose, held)
			if c.fits && err != nil || !c.fits && !fault.Is(err, fault.Conflict) {
				t.Errorf("it is answered %v", err)
			}
			// Whoever looks again afterwards is told by what there is.
			held, err = table.Held(t.Context(), "test", g, whose, c.fewer)
			if err != nil {
				t.Fatal(err)
			}
			now := 0
			for _, holds := range m.holds {
				if holds {
					now++
				}
			}
			if err := table.Bounded(inside{memory: m}, "test", g, whose, held); (err == nil) != (c.more <= c.fewer || now+c.more-c.fewer <= most) {
				t.Errorf("of %d that hold, looked at again: %v", now, err)
			}
		})
	}
}
