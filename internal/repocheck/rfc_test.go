package repocheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cited finds RFC numbers in a comment, also the second of "RFC 1035 and 6891".
var cited = regexp.MustCompile(`RFCs?\s+(\d{4})(?:\s+(?:and|or|to)\s+(\d{4})\b)?`)

// rfcRow is a row of docs/rfc/index.txt, or a line that continues one.
var rfcRow = regexp.MustCompile(`(?m)^(?:(\d{4})\+? +(yes|part|later|no|-) |  )( +\S.*)$`)

// rfcList is docs/rfc/index.txt.
type rfcList struct {
	// states are those of the rows, by number.
	states map[string]string
	// named are all numbers that stand in rows.
	named map[string]bool
}

// readRFCList reads the list.
func readRFCList(text string) rfcList {
	list := rfcList{states: map[string]string{}, named: map[string]bool{}}
	_, rows, _ := strings.Cut(text, "\nRFC ")
	for _, m := range rfcRow.FindAllStringSubmatch(rows, -1) {
		if m[1] != "" {
			list.states[m[1]], list.named[m[1]] = m[2], true
		}
		for _, number := range regexp.MustCompile(`\b\d{4}\b`).FindAllString(m[3], -1) {
			list.named[number] = true
		}
	}
	return list
}

// citations returns the RFC numbers that a text names.
func citations(text string) []string {
	var all []string
	for _, m := range cited.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
		if m[2] != "" {
			all = append(all, m[2])
		}
	}
	return all
}

func TestEveryRFCStandsInTheList(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/rfc/index.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list := readRFCList(string(text))
	if len(list.states) < 50 {
		t.Fatalf("found only %d RFCs: the list is read wrongly", len(list.states))
	}
	for _, s := range sources(t) {
		for _, comment := range s.file.Comments {
			for _, number := range citations(comment.Text()) {
				if !list.named[number] {
					t.Errorf("%s: RFC %s does not stand in docs/rfc/index.txt", s.fset.Position(comment.Pos()), number)
				}
			}
		}
	}
	departures, err := os.ReadFile(filepath.Join(root, "docs/rfc/divergences.md"))
	if err != nil {
		t.Fatal(err)
	}
	for number, state := range list.states {
		if state == "no" && !strings.Contains(string(departures), "\n| "+number) {
			t.Errorf("docs/rfc/index.txt has RFC %s as \"no\", and divergences.md does not say why", number)
		}
	}
}

// TestRFCListIsRead reads a small list and the forms of citations.
func TestRFCListIsRead(t *testing.T) {
	list := readRFCList("States 9999\n\nRFC    state  what\n1035   yes    DNS    mx\n2045+  part   MIME (2046):  dsn\n              not 2231\nnone\n")
	if len(list.states) != 2 || list.states["2045"] != "part" || !list.named["2046"] || !list.named["2231"] || list.named["9999"] {
		t.Errorf("%+v", list)
	}
	got := strings.Join(citations("RFC 5321 section 4.2, RFC\n3463 and 1035; RFC 6376, 1234 octets"), " ")
	if got != "5321 3463 1035 6376" {
		t.Errorf("citations %s", got)
	}
}
