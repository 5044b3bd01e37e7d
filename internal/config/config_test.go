package config

import (
	"bytes"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"countersign/internal/config/option"
	"countersign/internal/config/source"
)

// eachField calls do for every option of the schema with its tags.
func eachField(do func(owner reflect.Type, f reflect.StructField)) {
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		f := root.Field(i)
		table := f.Type
		if table.Kind() == reflect.Slice {
			table = table.Elem()
		}
		if table.Kind() != reflect.Struct {
			do(root, f)
			continue
		}
		for j := range table.NumField() {
			do(table, table.Field(j))
		}
	}
}

// TestTags proves that every option says all that it must.
func TestTags(t *testing.T) {
	texts, err := option.Texts(schemaSource)
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	known := []string{"toml", "default", "derived", "unit", "since", "reload", "required", "oneof", "min", "max", "when", "path", "example", "alternative"}
	tags := regexp.MustCompile(`(\w+):"`)
	eachField(func(owner reflect.Type, f reflect.StructField) {
		name, tag := owner.Name()+"."+f.Name, f.Tag
		if !key.MatchString(tag.Get("toml")) || tag.Get("since") == "" {
			t.Errorf("%s: key %q, since %q", name, tag.Get("toml"), tag.Get("since"))
		}
		if reload := tag.Get("reload"); reload != "yes" && reload != "no" {
			t.Errorf("%s does not say whether it is reloadable", name)
		}
		if f.Type.Kind() == reflect.Int && tag.Get("unit") == "" {
			t.Errorf("%s has no unit", name)
		}
		_, initial := tag.Lookup("default")
		if !initial && tag.Get("derived") == "" && tag.Get("required") == "" && tag.Get("when") == "" {
			t.Errorf("%s has no default", name)
		}
		if !initial && tag.Get("example") == "" && tag.Get("oneof") == "" {
			t.Errorf("%s has neither default nor example", name)
		}
		if text := texts[name]; len(text) < 10 || !strings.HasSuffix(text, ".") {
			t.Errorf("%s has the text %q", name, text)
		}
		for _, found := range tags.FindAllStringSubmatch(string(tag), -1) {
			if !slices.Contains(known, found[1]) {
				t.Errorf("%s has an unknown tag %q", name, found[1])
			}
		}
	})
}

// TestDefaults proves that every default and example is a value that the file
// may have, by writing each of them in a file.
func TestDefaults(t *testing.T) {
	if err := Schema().SetDefaults(new(Config)); err != nil {
		t.Fatal(err)
	}
	for _, p := range Schema().Places(allTables()) {
		for i := range 2 {
			header := ""
			if p.Table != "" {
				header = "[" + p.Table + "]\n"
			}
			if strings.Contains(p.Path, "[") {
				header = "[[" + p.Table + "]]\n"
			}
			text := header + p.Key + " = " + p.ExampleText(i) + "\n"
			r := source.NewReport("f")
			root, _ := source.Parse([]byte(text), r)
			Schema().Decode(root, Default(), r)
			if _, err := r.Result(); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// allTables returns a Config with one table of each kind.
func allTables() *Config {
	return &Config{Listeners: make([]Listener, 1), Certificates: make([]Certificate, 1), Routes: make([]Route, 1)}
}

// TestGenerated fails when docs/ is older than the options.
func TestGenerated(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"config.md": WriteReference, "countersign.example.toml": WriteExample,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		committed, err := os.ReadFile("../../docs/" + name)
		if err != nil || !bytes.Equal(committed, b.Bytes()) {
			t.Errorf("docs/%s is not what the options say (%v): run make generate", name, err)
		}
	}
}

// TestReloadDocumented: what docs/ops/running.md says of SIGHUP names each table of which a reload takes
// something, by itself or by one of its options.
func TestReloadDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/ops/running.md")
	if err != nil {
		t.Fatal(err)
	}
	_, row, _ := strings.Cut(string(page), "| SIGHUP |")
	row, _, found := strings.Cut(row, "All else needs a restart")
	if !found {
		t.Fatal("docs/ops/running.md has no row for SIGHUP that says what needs a restart")
	}
	var b bytes.Buffer
	if err := WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	table, reloaded := "", map[string]bool{}
	for line := range strings.Lines(b.String()) {
		if name, isOption := strings.CutPrefix(line, "### `"); isOption {
			table, _, _ = strings.Cut(name, ".")
		}
		if strings.HasSuffix(line, "· reload\n") {
			reloaded[table] = true
		}
	}
	if len(reloaded) < 10 {
		t.Fatalf("the reference has no more than %v that a reload takes", reloaded)
	}
	for name := range reloaded {
		if !strings.Contains(row, "`["+name+"]`") && !strings.Contains(row, "`[["+name+"]]`") && !strings.Contains(row, "`"+name+".") {
			t.Errorf("docs/ops/running.md does not say of [%s] that a reload takes something of it", name)
		}
	}
}
