package source

import (
	"strings"
	"testing"
)

// TestPlace: every character of a text that is marked in the file is found there.
func TestPlace(t *testing.T) {
	for name, c := range map[string]struct {
		toml        string // with a ^ in front of the character
		row, column int
	}{
		"basic":             {`key = "ab^c"`, 1, 3},
		"literal":           {`key   =  'ab^c'`, 1, 3},
		"first":             {`key = "^abc"`, 1, 1},
		"end":               {`key = "abc^"`, 1, 9},
		"behind the end":    {`key = "abc^"`, 7, 1},
		"escapes":           {`key = "\t\"\u00e4\U0001F600^c"`, 1, 5},
		"escaped line end":  {`key = "a\nb\u000ac^d"`, 3, 2},
		"beyond ASCII":      {`key = "äö😀^c"`, 1, 4},
		"backslash":         {`key = 'a\n^b'`, 1, 4},
		"three":             {"key = '''a\nbc^d'''", 2, 3},
		"first line end":    {"key = '''\na\nbc^d'''", 2, 3},
		"first CRLF":        {"key = \"\"\"\r\na\r\n  b^c\"\"\"", 2, 4},
		"quotes inside":     {"key = \"\"\"a\"\"b^c\"\"\"", 1, 5},
		"folded":            {"key = \"\"\"ab \\\n   \n   ^c\"\"\"", 1, 4},
		"folded, behind":    {"key = \"\"\"ab \\\n   \n   cd^e\"\"\"", 1, 6},
		"a literal is none": {"key = '''ab\\\n  c^d'''", 2, 4},
		"indented":          {"  key = [\n  'x', 'y^z']", 1, 2},
		"in a later line":   {"a = 1\n# note\nkey = 'a^b'", 1, 2},
	} {
		before, _, _ := strings.Cut(c.toml, "^")
		wantLine := strings.Count(before, "\n") + 1
		wantColumn := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
		r := NewReport("f")
		root, whole := Parse([]byte(strings.Replace(c.toml, "^", "", 1)), r)
		if !whole {
			_, err := r.Result()
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := root.Fields["key"]
		if n.Shape == List {
			n = n.Items[1]
		}
		if line, column := n.Place(c.row, c.column); line != wantLine || column != wantColumn {
			t.Errorf("%s: %d:%d, want %d:%d", name, line, column, wantLine, wantColumn)
		}
	}
	r := NewReport("f")
	root, _ := Parse([]byte("\nkey = 5"), r)
	if line, column := root.Fields["key"].Place(3, 4); line != 2 || column != 0 {
		t.Errorf("a number: %d:%d", line, column)
	}
}

func TestInside(t *testing.T) {
	r := NewReport("f")
	root, _ := Parse([]byte("key = '''\nab\ncd'''\nother = 'x'"), r)
	for _, key := range root.Keys {
		r.Found(key, root.Fields[key].Line)
		r.FoundText(key, root.Fields[key])
	}
	r.Inside("key", 2, 2, Problem{Text: "second"}, false)
	r.Inside("key", 1, 1, Problem{Text: "first", Suggestion: "mend it"}, false)
	r.Inside("key", 1, 2, Problem{Text: "a warning"}, true)
	r.Fail("other", "", "wrong as a whole")
	r.Inside("other", 1, 1, Problem{Text: "not said"}, false)
	r.Inside("none", 1, 1, Problem{Text: "not there"}, false)
	warnings, err := r.Result()
	const want = "f:2:1: key: first; mend it\nf:3:2: key: second\nf:4: other: wrong as a whole"
	if err == nil || err.Error() != want || len(warnings) != 1 || warnings[0].String() != "f:2:2: key: a warning" {
		t.Errorf("%v\n%v", warnings, err)
	}
}

// FuzzPlace looks for texts in which a place is beyond the file.
func FuzzPlace(f *testing.F) {
	f.Add("\"a\\u00e4\\\n  b\"", 1, 2)
	f.Add("'''\r\nab'''", 2, 2)
	f.Add("\"\"\"\\\n\"\"\"\"", 1, 9)
	f.Fuzz(func(t *testing.T, text string, row, column int) {
		root, whole := Parse([]byte("key = "+text), NewReport("f"))
		n := root.Fields["key"]
		if !whole || n == nil || n.Shape != String {
			return
		}
		lines := strings.Split("key = "+text, "\n")
		line, at := n.Place(row, column)
		if line < 1 || line > len(lines) || at < 1 || at > len([]rune(lines[line-1]))+1 {
			t.Errorf("%q at %d:%d is %d:%d", text, row, column, line, at)
		}
	})
}
