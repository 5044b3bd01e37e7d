package directory

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"countersign/internal/app"
	"countersign/internal/testkit"
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

// TestExamples: every configuration of the page is one that the gate takes, once the files that
// it names are there.
func TestExamples(t *testing.T) {
	folder := t.TempDir()
	writeCertificates(t, folder)
	secret := write(t, filepath.Join(folder, "secret"), strings.Repeat("k", 64))
	blocks := strings.Split(page(t), "```toml\n")[1:]
	if len(blocks) < 7 {
		t.Errorf("the page has only %d examples", len(blocks))
	}
	for _, rest := range blocks {
		text, _, _ := strings.Cut(rest, "```")
		text = regexp.MustCompile(`"/etc/countersign/.*\.pem"`).ReplaceAllLiteralString(text, strconv.Quote(filepath.Join(folder, "ca.pem")))
		text = regexp.MustCompile(`"/etc/countersign/.*"`).ReplaceAllLiteralString(text, strconv.Quote(secret))
		file := write(t, filepath.Join(folder, "countersign.toml"), testkit.GateConfig{NextHop: "127.0.0.1:25", Extra: text}.String())
		if _, _, err := app.LoadConfig(file); err != nil {
			t.Errorf("%v, of\n%s", err, text)
		}
	}
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
