package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// dump writes every value of a tree as "path@line=text".
func dump(n *Node, path string) []string {
	switch n.Shape {
	case Table:
		all := []string{fmt.Sprintf("%s@%d{}", path, n.Line)}
		for _, key := range n.Keys {
			all = append(all, dump(n.Fields[key], path+"/"+key)...)
		}
		return all
	case List:
		all := []string{fmt.Sprintf("%s@%d[]", path, n.Line)}
		for i, item := range n.Items {
			all = append(all, dump(item, fmt.Sprintf("%s/%d", path, i))...)
		}
		return all
	}
	return []string{fmt.Sprintf("%s@%d=%s", path, n.Line, n.Text)}
}

func TestParseLines(t *testing.T) {
	cases := map[string]struct{ text, want string }{
		"keys":         {"a = 1\n\n# c\nb = \"x\\ty\"\n", "@1{} /a@1=1 /b@4=x\ty"},
		"crlf":         {"a = 1\r\n\r\nb = true\r\n", "@1{} /a@1=1 /b@3=true"},
		"byte order":   {"\xef\xbb\xbfa = 1\n", "@1{} /a@1=1"},
		"table":        {"[a]\nb = 1\n[c]\n", "@1{} /a@1{} /a/b@2=1 /c@3{}"},
		"dotted":       {"a.b = 1\na.c = 2\n", "@1{} /a@1{} /a/b@1=1 /a/c@2=2"},
		"deep header":  {"[a.b]\nc = 1\n[a]\nd = 2\n", "@1{} /a@1{} /a/b@1{} /a/b/c@2=1 /a/d@4=2"},
		"tables":       {"[[a]]\nb = 1\n\n[[a]]\nb = 2\n", "@1{} /a@1[] /a/0@1{} /a/0/b@2=1 /a/1@4{} /a/1/b@5=2"},
		"below tables": {"[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2\n", "@1{} /a@1[] /a/0@1{} /a/0/b@2{} /a/0/b/c@3=1 /a/1@4{} /a/1/b@5{} /a/1/b/c@6=2"},
		"list":         {"a = [\n  1,\n  # c\n  2,\n]\n", "@1{} /a@1[] /a/0@2=1 /a/1@4=2"},
		"inline":       {"a = {b = 1, c = {d = 2}}\n", "@1{} /a@1{} /a/b@1=1 /a/c@1{} /a/c/d@1=2"},
		"inline list":  {"a = [\n{b = 1},\n{b = 2}]\n", "@1{} /a@1[] /a/0@2{} /a/0/b@2=1 /a/1@3{} /a/1/b@3=2"},
		"other kinds":  {"a = 1.5\nb = 2026-01-02\nc = 07:00:00\n", "@1{} /a@1=1.5 /b@2=2026-01-02 /c@3=07:00:00"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewReport("f")
			root, whole := Parse([]byte(c.text), r)
			if _, err := r.Result(); err != nil || !whole {
				t.Fatalf("whole %v, %v", whole, err)
			}
			if got := strings.Join(dump(root, ""), " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestParseProblems checks what is reported, what is still read, and whether
// something may be missing.
func TestParseProblems(t *testing.T) {
	cases := map[string]struct {
		text  string
		lines []int
		keys  string
		whole bool
	}{
		"after an error":  {"a = x\nb = 2\n[c]\nd = y\ne = 1\n", []int{1, 4}, "b c", false},
		"header error":    {"a = 1\n[b\nc = 1\n", []int{2}, "a c", false},
		"open list":       {"a = [1,\n2\n", []int{2}, "", false},
		"open string":     {"a = \"x\nb = 1\n", []int{1}, "b", false},
		"no value":        {"a =\nb = 1", []int{1}, "b", false},
		"no newline":      {"a = 1\nb = ", []int{2}, "a", false},
		"twice":           {"a = 1\na = 2\n", []int{2}, "a", true},
		"header twice":    {"[a]\nb = 1\n[a]\nc = 2\n", []int{3}, "a", true},
		"value as table":  {"a = 1\n[a]\nb = 2\n", []int{2}, "a", true},
		"value as tables": {"a = 1\n[[a]]\nb = 2\n", []int{2}, "a", true},
		"tables as table": {"[[a]]\n[a]\nb = 2\n", []int{2}, "a", true},
		"out of range":    {"a = 99999999999999999999\n", []int{1}, "a", true},
		"leading zero":    {"a = 1\nb = 010\n", []int{2}, "a", false},
		"inline extended": {"a = {b = 1}\na.c = 2\n", []int{2}, "a", false},
		"not UTF-8":       {"a = \"\xff\"\n", []int{1}, "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewReport("f")
			root, whole := Parse([]byte(c.text), r)
			_, err := r.Result()
			var all *Errors
			if !errors.As(err, &all) {
				t.Fatal("nothing reported")
			}
			var lines []int
			for _, p := range all.List {
				lines = append(lines, p.Line)
			}
			if !slices.Equal(lines, c.lines) || whole != c.whole || strings.Join(root.Keys, " ") != c.keys {
				t.Errorf("whole %v, keys %v, problems:\n%v", whole, root.Keys, err)
			}
		})
	}
}

func TestReport(t *testing.T) {
	r := NewReport("f.toml")
	r.Found("listener", 3)
	r.Found("listener[1]", 7)
	r.Found("listener[1].address", 8)
	r.Fail("listener[1].address[4]", "do so", "is %s", "wrong")
	r.Fail("listener[1].address[4]", "", "is wrong again")
	r.Fail("listener[1].name", "", "is missing")
	r.Fail("hostname", "", "is missing")
	r.Excuse("store")
	r.Fail("store", "", "is missing")
	r.Warn("listener[0]", "", "is odd")
	warnings, err := r.Result()
	const want = "f.toml:1: hostname: is missing\nf.toml:7: listener.name: is missing\nf.toml:8: listener.address: is wrong; do so"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if len(warnings) != 1 || warnings[0].String() != "f.toml:3: listener: is odd" {
		t.Errorf("warnings %v", warnings)
	}
	if got := (Problem{File: "f", Text: "is gone"}).String(); got != "f: is gone" {
		t.Errorf("got %q", got)
	}
	if !r.IsSet("listener") || r.IsSet("listener[0]") || !r.Failed("store") {
		t.Error("IsSet or Failed is wrong")
	}
}

// FuzzParse looks for inputs that are not survived, or refused without a word.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a = 1\n[b]\nc = [1, {d = \"x\"}]\n[[e]]\n", "a = x\nb = 2\n", "a.b.c = 1\n[a.b]\n", "[[a]]\n[a.b]\n[[a.b]]\n", "a = [\n\"\"\"\n", "\"\" = ''\n[\"\"]\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReport("f")
		root, whole := Parse(data, r)
		_, err := r.Result()
		if root == nil || !whole && err == nil {
			t.Fatalf("whole %v without a problem", whole)
		}
		var all *Errors
		if errors.As(err, &all) {
			for _, p := range all.List {
				if p.Line < 1 || p.Line > strings.Count(string(data), "\n")+1 {
					t.Errorf("line %d does not exist: %v", p.Line, p)
				}
			}
		}
	})
}
