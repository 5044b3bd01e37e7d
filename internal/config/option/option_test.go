package option

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"countersign/internal/config/source"
	"countersign/internal/config/value"
)

// file is a small schema with every feature of a tag.
type file struct {
	Name  string `toml:"name" required:"yes" since:"1" reload:"no" example:"x"`
	Table one    `toml:"table"`
	Rows  []row  `toml:"row" reload:"yes"`
}

type one struct {
	Count  int            `toml:"count" default:"3" min:"1" max:"9" unit:"things" since:"1" reload:"yes"`
	Size   value.Size     `toml:"size" default:"1KiB" max:"2KiB" since:"1" reload:"no"`
	Word   string         `toml:"word" default:"red" oneof:"red,green" since:"1" reload:"yes"`
	On     bool           `toml:"on" default:"true" since:"1" reload:"yes"`
	Words  []string       `toml:"words" default:"a,b" since:"1" reload:"yes"`
	Waits  []value.Prefix `toml:"waits" derived:"none" since:"1" reload:"yes"`
	Secret value.Secret   `toml:"secret" derived:"none" since:"1" reload:"yes"`
	// The file.
	SecretFile string `toml:"secret_file" derived:"none" since:"1" reload:"yes" path:"yes"`
}

type row struct {
	Kind string `toml:"kind" default:"plain" since:"1" reload:"yes" example:"plain|fancy"`
	Trim string `toml:"trim" default:"gold" when:"kind=fancy|odd" since:"1" reload:"yes"`
}

func fileSchema() Schema { return Of(reflect.TypeFor[file]()) }

// read decodes text over the defaults.
func read(t *testing.T, text string) (*file, error) {
	t.Helper()
	var f file
	if err := fileSchema().SetDefaults(&f); err != nil {
		t.Fatal(err)
	}
	r := source.NewReport("f")
	root, _ := source.Parse([]byte(text), r)
	fileSchema().Decode(root, &f, r)
	_, err := r.Result()
	return &f, err
}

func TestDecode(t *testing.T) {
	got, err := read(t, `name = "n"
table.count = 0x9
row = [{}, {kind = "fancy", trim = "tin"}]

[table]
size = 2_000
words = []
waits = ["192.0.2.0/24"]
on = false
`)
	// [table] after table.count is no TOML, but reading goes on.
	if err == nil || got == nil {
		t.Fatalf("got %v, %v", got, err)
	}
	got, err = read(t, "name = \"n\"\nrow = [{}, {kind = \"fancy\", trim = \"tin\"}]\n[table]\ncount = 0x9\nsize = 2_000\nwords = []\non = false\n")
	if err != nil {
		t.Fatal(err)
	}
	want := &file{
		Name:  "n",
		Table: one{Count: 9, Size: 2000, Word: "red", Words: []string{}},
		Rows:  []row{{Kind: "plain", Trim: "gold"}, {Kind: "fancy", Trim: "tin"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestDecodeKeepsDefaults: an option with a problem keeps its default.
func TestDecodeKeepsDefaults(t *testing.T) {
	got, err := read(t, "[table]\ncount = 10\nsize = \"9GB\"\nword = \"blue\"\non = 1\nwords = [\"c\", 1]\n[[row]]\nkin = 1\n")
	var all *source.Errors
	if !errors.As(err, &all) || len(all.List) != 6 {
		t.Fatalf("problems: %v", err)
	}
	want := one{Count: 3, Size: 1024, Word: "red", On: true, Words: []string{"a", "b"}}
	if !reflect.DeepEqual(got.Table, want) {
		t.Errorf("got %+v", got.Table)
	}
}

func TestSuggestions(t *testing.T) {
	words := []string{"command_timeout", "data_timeout", "max_messages", "hosts"}
	cases := map[string]string{
		"comand_timeout": "command_timeout", "command-timeout": "command_timeout", "CommandTimeout": "command_timeout",
		"data_tiemout": "data_timeout", "host": "hosts", "max_mesage": "max_messages",
		"x": "", "tarpit": "", "": "", strings.Repeat("a", 1000): "",
	}
	for text, want := range cases {
		got, found := Nearest(text, words)
		if found != (want != "") || found && got != want {
			t.Errorf("%.20q: %q, %v", text, got, found)
		}
	}
	if got := Choice("gren", []string{"red", "green"}); got != `did you mean "green"?` {
		t.Error(got)
	}
	if got := Choice("blue", []string{"red", "green"}); got != "one of red, green" {
		t.Error(got)
	}
}

func TestDistance(t *testing.T) {
	cases := []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"abc", "abcd", 1}, {"kitten", "sitting", 3}}
	for _, c := range cases {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	f := &file{Rows: []row{{Kind: "plain"}, {Kind: "odd"}}}
	var got []string
	for _, p := range fileSchema().Places(f) {
		if p.Table == "row" && p.Means() {
			got = append(got, p.Path)
		}
	}
	if want := []string{"row[0].kind", "row[1].kind", "row[1].trim"}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestPrint(t *testing.T) {
	f, err := read(t, `name = "a\"b\u007f"`+"\n[[row]]\n[[row]]\nkind = \"fancy\"\n[table]\nsecret = \"word\"\n")
	if err != nil {
		t.Fatal(err)
	}
	print := func() string {
		var b strings.Builder
		if err := fileSchema().Print(&b, f); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	const want = `name = "a\"b\u007f"

[table]
count = 3
size = "1KiB"
word = "red"
on = true
words = ["a", "b"]
secret = "********"

[[row]]
kind = "plain"

[[row]]
kind = "fancy"
trim = "gold"
`
	if got := print(); got != want {
		t.Errorf("got:\n%s", got)
	}
	f.Table.SecretFile = "f.secret"
	if got := print(); strings.Contains(got, "secret = ") || !strings.Contains(got, `secret_file = "f.secret"`) {
		t.Errorf("got:\n%s", got)
	}
}

func TestDiff(t *testing.T) {
	base := func() *file {
		f, _ := read(t, "name = \"n\"\n[[row]]\n[[row]]\n")
		return f
	}
	cases := map[string]struct {
		change          func(*file)
		reload, restart []string
	}{
		"nothing":     {change: func(*file) {}},
		"top":         {change: func(f *file) { f.Name = "m" }, restart: []string{"name"}},
		"both":        {change: func(f *file) { f.Table.Count, f.Table.Size = 4, 5 }, reload: []string{"table.count"}, restart: []string{"table.size"}},
		"empty lists": {change: func(f *file) { f.Table.Waits = []value.Prefix{} }},
		"list":        {change: func(f *file) { f.Table.Words = nil }, reload: []string{"table.words"}},
		"secret":      {change: func(f *file) { f.Table.Secret = "x" }, reload: []string{"table.secret"}},
		"rows once":   {change: func(f *file) { f.Rows[0].Kind, f.Rows[1].Kind = "x", "y" }, reload: []string{"row.kind"}},
		"row count":   {change: func(f *file) { f.Rows = f.Rows[:1] }, reload: []string{"row"}},
	}
	for name, c := range cases {
		updated := base()
		c.change(updated)
		reload, restart := fileSchema().Diff(base(), updated)
		if !slices.Equal(reload, c.reload) || !slices.Equal(restart, c.restart) {
			t.Errorf("%s: reload %v, restart %v", name, reload, restart)
		}
	}
}

func TestReferenceAndExample(t *testing.T) {
	texts := map[string]string{"file.Table": "A table.", "one.Count": "How many."}
	var reference, example strings.Builder
	if err := fileSchema().WriteReference(&reference, texts); err != nil {
		t.Fatal(err)
	}
	if err := fileSchema().WriteExample(&example, texts); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## `[table]`\n\nA table.\n\n### `table.count`\n\nHow many.\n\ninteger · default `3` · unit: things · at least 1 · at most 9 · since 1 · reload\n",
		"list of address or network · default: none", "only with `kind` fancy or odd", "string · required · since 1 · restart",
	} {
		if !strings.Contains(reference.String(), want) {
			t.Errorf("the reference lacks %q:\n%s", want, &reference)
		}
	}
	for _, want := range []string{"name = \"x\"\n", "# A table.\n[table]\n\n# How many.\n# Unit: things.\n#count = 3\n", "#[[row]]\n#kind = \"fancy\"\n"} {
		if !strings.Contains(example.String(), want) {
			t.Errorf("the example lacks %q:\n%s", want, &example)
		}
	}
}
