package shelf

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// line is a row that is asked for by what it is about, and by who has written it.
type line struct{ id, about, by, text string }

func newShelf(texts func(*line, func(string) string)) *Shelf[string, line, []line] {
	return New(Options[string, line, []line]{
		Keys:  func(r *line) []string { return []string{"about " + r.about, "by " + r.by} },
		ID:    func(r *line) string { return r.id },
		Holds: func(r *line, _ time.Time) bool { return r.text != "" },
		Make:  func(rows []line) []line { return rows },
		Texts: texts,
	})
}

func textsOf(r *line, keep func(string) string) {
	r.id, r.about, r.by, r.text = keep(r.id), keep(r.about), keep(r.by), keep(r.text)
}

// many are n rows about different things, of which all have one author, and texts of their own.
func many(n int) (rows []line) {
	for i := range n {
		rows = append(rows, line{id: fmt.Sprint("id", i), about: fmt.Sprint("thing", i), by: strings.Clone("ann"), text: fmt.Sprint("text ", i/2)})
	}
	return rows
}

// TestTextsStandTogether: rows are the same with their texts gathered, which are copies, and the same
// for neighbours that say the same.
func TestTextsStandTogether(t *testing.T) {
	s, rows := newShelf(textsOf), many(1000)
	s.Replace(rows)
	got := s.Pages().Of("by ann")
	if !slices.Equal(got, rows) {
		t.Fatalf("of %d rows there are %d, the first %+v", len(rows), len(got), got[:min(len(got), 2)])
	}
	if unsafe.StringData(got[0].by) != unsafe.StringData(got[999].by) || unsafe.StringData(got[0].text) != unsafe.StringData(got[1].text) {
		t.Error("what says the same is there twice")
	}
	if unsafe.StringData(got[5].id) == unsafe.StringData(rows[5].id) {
		t.Error("a text is that of the caller's row")
	}
}

// TestFewObjects: what the collector of garbage has to look at does not grow with the rows but for
// the table of keys.
func TestFewObjects(t *testing.T) {
	const n = 50_000
	s := New(Options[string, line, []line]{
		Keys: func(r *line) []string { return []string{r.about} }, ID: func(r *line) string { return r.id },
		Holds: func(*line, time.Time) bool { return true }, Make: func(rows []line) []line { return rows }, Texts: textsOf,
	})
	objects := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	before := objects()
	s.Replace(many(n))
	if more := int64(objects() - before); more > n/2 {
		t.Errorf("%d rows are %d objects", n, more)
	}
	if len(s.Pages().Of("thing7")) != 1 {
		t.Error("a row is not found")
	}
}

// TestChangesLeaveOthers: a change of a row that was laid out with others leaves those, the caller's rows,
// and the pages before as they were.
func TestChangesLeaveOthers(t *testing.T) {
	s, rows := newShelf(textsOf), many(3)
	given := slices.Clone(rows)
	s.Replace(rows)
	before := s.Pages()
	changed := []line{{"id1", "thing1", "ann", "new"}, {"id1", "thing1", "ann", "newer"}, {"id2", "thing2", "ann", ""}}
	s.Apply(changed)
	if want := []line{given[0], {"id1", "thing1", "ann", "newer"}}; !slices.Equal(s.Pages().Of("by ann"), want) {
		t.Errorf("there are %+v", s.Pages().Of("by ann"))
	}
	if !slices.Equal(before.Of("by ann"), given) || !slices.Equal(before.Of("about thing1"), given[1:2]) {
		t.Errorf("before there were %+v", before.Of("by ann"))
	}
	if !slices.Equal(rows, given) || changed[0].text != "new" || s.Pages().Len() != 2 {
		t.Errorf("the caller has %+v and %+v, and %d are there", rows, changed, s.Pages().Len())
	}
}
