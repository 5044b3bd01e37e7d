package limit

import (
	"os"
	"strings"
	"testing"
)

// TestDocumented: docs/ops/limits.md explains each measure, window and action.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/ops/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	// table returns the first column of a table.
	table := func(head string) string {
		_, rest, found := strings.Cut(string(page), head+"\n")
		if !found {
			t.Fatalf("there is no table %q", head)
		}
		rest, _, _ = strings.Cut(rest, "\n\n")
		var first strings.Builder
		for row := range strings.Lines(rest) {
			cells := strings.Split(row, "|")
			first.WriteString(cells[1])
		}
		return first.String()
	}
	for head, names := range map[string][]string{
		"| measure | counts |": measureNames[:], "| window | is |": windowNames[:],
	} {
		column := table(head)
		for _, name := range names {
			if !strings.Contains(column, "`"+name+"`") {
				t.Errorf("%s is not in table %q", name, head)
			}
		}
	}
	options := table("| option | says |")
	for _, name := range actionNames {
		if !strings.Contains(options, "`--action "+name+"`") {
			t.Errorf("action %s is not explained", name)
		}
	}
}
