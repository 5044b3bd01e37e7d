package repocheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link finds the target of a Markdown link.
var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// codePath finds a path of this repository in backquotes: `internal/smtp/reply.go`.
var codePath = regexp.MustCompile("`((?:internal|cmd|docs|test|scripts|bench|store|smtp|smtpserver|submission|delivery)/[A-Za-z0-9_./-]+)`")

// foreign are words that public text must not hold: paths of one machine and
// addresses of package registries.
var foreign = regexp.MustCompile(`/work/|/root/|proxy\.golang\.org|deb\.debian\.org|registry\.npmjs`)

func TestDocumentsLeadSomewhere(t *testing.T) {
	documents := 0
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".md") && !strings.HasSuffix(path, ".txt") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if bad := foreign.Find(text); bad != nil {
			t.Errorf("%s names %q, which belongs to one machine", path, bad)
		}
		if strings.HasSuffix(path, ".txt") {
			return
		}
		documents++
		checkLinks(t, path, string(text))
	})
	if documents < 5 {
		t.Errorf("found only %d documents", documents)
	}
}

// checkLinks wants each relative link and each path in backquotes to exist.
func checkLinks(t *testing.T, path, text string) {
	t.Helper()
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], ":") {
			continue
		}
		if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), m[1])); err != nil {
			t.Errorf("%s links to %s, which does not exist", path, m[1])
		}
	}
	for _, m := range codePath.FindAllStringSubmatch(text, -1) {
		target := strings.TrimSuffix(m[1], "/")
		if exists(target) || exists("internal/"+target) || strings.Contains(target, "NN-") {
			continue
		}
		t.Errorf("%s names %s, which does not exist", path, m[1])
	}
}

func exists(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

// TestFolderListIsTrue compares the folder list of docs/architecture.md with
// the tree, both ways.
func TestFolderListIsTrue(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	row := regexp.MustCompile(`(?m)^ {6}([a-z]+(?:/[a-z]+)*)/ `)
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		listed[m[1]] = true
	}
	real := map[string]bool{}
	for _, s := range sources(t) {
		if name, ok := strings.CutPrefix(s.pkg, "internal/"); ok {
			real[name] = true
		}
	}
	for name := range real {
		if !listed[name] {
			t.Errorf("docs/architecture.md does not list internal/%s", name)
		}
	}
	for name := range listed {
		if !real[name] {
			t.Errorf("docs/architecture.md lists %s, which does not exist", name)
		}
	}
}
