package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// asJSON is the flag that every listing has.
type asJSON struct {
	JSON bool `help:"Print JSON."`
}

// column is one column of a table of rows.
type column[T any] struct {
	head string
	cell func(T) string
}

// list prints rows as a table with a heading, or as a JSON array.
func list[T any](c *call, as asJSON, rows []T, columns []column[T]) error {
	if as.JSON {
		if rows == nil {
			rows = []T{}
		}
		return printJSON(c.stdout, rows)
	}
	table := newTable(c.stdout)
	var heads []string
	for _, col := range columns {
		heads = append(heads, col.head)
	}
	table.row(heads...)
	for _, r := range rows {
		var cells []string
		for _, col := range columns {
			cells = append(cells, col.cell(r))
		}
		table.row(cells...)
	}
	return table.Flush()
}

// table aligns cells in columns.
type table struct{ *tabwriter.Writer }

func newTable(w io.Writer) table {
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row adds a row. An empty cell becomes a dash, so that columns can be cut by
// white space.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = clean(cell)
		if cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t, strings.TrimRight(strings.Join(cells, "\t"), " "))
}

// field adds a row of a name and a value, for one object.
func (t table) field(name, value string) { t.row(name, value) }

// printJSON prints a value for scripts.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// clean makes text from outside harmless for a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// stamp prints a time to the second in UTC, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// orServer prints a limit; 0 is that of the server.
func orServer(limit int64) string {
	if limit == 0 {
		return "the server's"
	}
	return fmt.Sprint(limit)
}
