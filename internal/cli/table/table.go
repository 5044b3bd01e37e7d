// Package table prints what commands have to show: rows in aligned columns for
// people, JSON for scripts. Text that came from outside is made harmless for a
// terminal on the way.
//
// It knows nothing of what it prints.
//
// Main types: Table; List prints a whole listing.
package table

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// Table aligns cells in columns. Flush prints it.
type Table struct{ *tabwriter.Writer }

// New returns a table that goes to w.
func New(w io.Writer) Table {
	return Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// Row adds a row. An empty cell becomes a dash, so that columns can be cut by
// white space.
func (t Table) Row(cells ...string) {
	for i, cell := range cells {
		if cell == "" {
			cell = "-"
		}
		cells[i] = Clean(cell)
	}
	fmt.Fprintln(t, strings.Join(cells, "\t"))
}

// List prints rows with a heading, or as a JSON array. cells gives the text of
// a row, one for each head.
func List[T any](w io.Writer, asJSON bool, rows []T, heads []string, cells func(T) []string) error {
	if asJSON {
		if rows == nil {
			rows = []T{}
		}
		return JSON(w, rows)
	}
	t := New(w)
	t.Row(heads...)
	for _, r := range rows {
		t.Row(cells(r)...)
	}
	return t.Flush()
}

// JSON prints a value for scripts.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// JSONLine prints a value for scripts in one line.
func JSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Clean replaces everything in s that a terminal would not print as a
// character: controls, line ends, direction marks.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Stamp prints a time to the second in UTC, "" for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// Octets says how large something is, in the unit in which it has at least two
// digits, rounded up.
func Octets(n int64) string {
	unit := "bytes"
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if n < 10<<10 {
			break
		}
		n, unit = (n+1<<10-1)>>10, larger
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// Count says how many there are of something, which one and many name.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
