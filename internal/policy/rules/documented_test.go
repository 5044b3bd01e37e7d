package rules

import (
	"os"
	"strings"
	"testing"
)

// TestDocumented: the page for operators has every name and function.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/ops/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range Vocabulary() {
		if !strings.Contains(string(page), "`"+w.Name+"`") {
			t.Errorf("%s is not in docs/ops/rules.md", w.Name)
		}
	}
}
