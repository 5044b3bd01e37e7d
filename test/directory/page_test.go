package directory

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// page is what operators read of directories.
func page(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/ops/directories.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is the block of the page that begins with a text.
func block(t testing.TB, start string) string {
	t.Helper()
	_, rest, found := strings.Cut(page(t), "```\n"+start)
	text, _, ends := strings.Cut(rest, "```")
	if !found || !ends {
		t.Fatalf("the page has no block that begins with %q", start)
	}
	return start + text
}

// example is the first configuration of the page below a heading, with the signs of that.
func example(t testing.TB, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(page(t), "\n"+heading+"\n")
	rest, _, _ = strings.Cut(rest, "\n"+heading[:strings.Index(heading, " ")+1])
	_, rest, has := strings.Cut(rest, "```toml\n")
	text, _, ends := strings.Cut(rest, "```")
	if !found || !has || !ends {
		t.Fatalf("the page has no example for %s", heading)
	}
	return text
}

// options reads the example below a heading: option and value, of a list the only one.
func options(t testing.TB, heading string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^(\w+) = \[?"(.*)"\]?$`).FindAllStringSubmatch(example(t, heading), -1) {
		all[line[1]] = line[2]
	}
	return all
}

// queries reads the page: for each heading the query for PostgreSQL and the one for
// MySQL.
func queries(t testing.TB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, section := range strings.Split(page(t), "\n### ")[1:] {
		heading, rest, _ := strings.Cut(section, "\n")
		for _, block := range strings.Split(rest, "```sql\n")[1:] {
			query, _, _ := strings.Cut(block, "```")
			all[heading] = append(all[heading], query)
		}
	}
	if len(all) != len(schemas) {
		t.Fatalf("the page has queries for %d schemas, not %d", len(all), len(schemas))
	}
	return all
}
