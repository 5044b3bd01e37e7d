package repocheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link finds the target of a Markdown link, file and anchor.
var link = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]*)?\)`)

// heading finds the headings of a Markdown page.
var heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)

// unanchored is what a heading loses when it becomes an anchor.
var unanchored = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

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
		target := path
		if m[1] != "" {
			target = filepath.Join(filepath.Dir(path), m[1])
		}
		if !exists(target) {
			t.Errorf("%s links to %s, which does not exist", path, m[1])
		} else if m[2] != "" && !anchors(t, target)[m[2]] {
			t.Errorf("%s links to %s%s, which has no such heading", path, m[1], m[2])
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

// anchors returns the anchors that the headings of a page have: in lower case,
// without punctuation, a hyphen for each space.
func anchors(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		bare := unanchored.ReplaceAllString(strings.ToLower(m[1]), "")
		all["#"+strings.ReplaceAll(bare, " ", "-")] = true
	}
	return all
}

// TestAnchors holds one heading of each sort against what a reader's browser
// would be sent to.
func TestAnchors(t *testing.T) {
	got := anchors(t, "internal/repocheck/testdata/headings.md")
	for _, want := range []string{"#plain", "#two-words", "#with-code-and-dots-10", "#a--b", "#under_score"} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
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
