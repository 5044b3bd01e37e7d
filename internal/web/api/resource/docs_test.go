package resource_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/internal/web/api/client"
	"countersign/internal/web/api/resource"
)

// TestDocumented: the table in docs/ops/api.md has each operation with what it takes, and no
// other.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/ops/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-zA-Z`, ]+`) \\| ([A-Z]+ /.*) \\| ([a-z]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		names, paths := strings.Split(row[1], ", "), strings.Split(row[2], ", ")
		if len(names) != len(paths) {
			t.Errorf("%s has other paths than operations", row[0])
			continue
		}
		for i, name := range names {
			documented = append(documented, strings.Trim(name, "`")+" "+paths[i]+" "+row[3])
		}
	}
	var have []string
	for _, o := range resource.Table(resource.Options{}) {
		have = append(have, o.ID+" "+o.Method+" "+o.Path+" "+string(o.May))
		if o.Text == "" {
			t.Errorf("%s says nothing of itself", o.ID)
		}
	}
	slices.Sort(documented)
	slices.Sort(have)
	if !slices.Equal(documented, have) {
		t.Errorf("documented:\n%s\nthere are:\n%s", strings.Join(documented, "\n"), strings.Join(have, "\n"))
	}
	for _, p := range client.Permissions() {
		if !strings.Contains(string(page), "| `"+string(p)+"` | ") {
			t.Errorf("%s is not explained", p)
		}
	}
}

// TestNamesOnce: no two operations have one name, or one method and path.
func TestNamesOnce(t *testing.T) {
	seen := map[string]bool{}
	braces := regexp.MustCompile(`\{[a-z]+\}`)
	for _, o := range resource.Table(resource.Options{}) {
		for _, name := range []string{o.ID, o.Method + " " + braces.ReplaceAllString(o.Path, "{}")} {
			if seen[name] {
				t.Errorf("%s stands twice", name)
			}
			seen[name] = true
		}
	}
}
