package option

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"

	"countersign/internal/config/value"
)

// Texts returns the comment of every struct field in the Go files of source, by
// "Type.Field".
func Texts(source fs.FS) (map[string]string, error) {
	names, err := fs.Glob(source, "*.go")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if t, ok := n.(*ast.TypeSpec); ok {
				fieldTexts(t, found)
			}
			return true
		})
	}
	return found, nil
}

func fieldTexts(t *ast.TypeSpec, found map[string]string) {
	fields, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			found[t.Name.Name+"."+name.Name] = strings.TrimSpace(f.Doc.Text())
		}
	}
}

// text returns the comment of the table's field, optionText that of an option.
func (s Schema) text(t Table, texts map[string]string) string {
	return texts[s[0].owner.Name()+"."+t.name]
}

func (t Table) optionText(o Option, texts map[string]string) string {
	return texts[t.owner.Name()+"."+t.owner.Field(o.field).Name]
}

// WriteReference writes the reference of all options in Markdown, with texts as
// Texts returns them.
func (s Schema) WriteReference(w io.Writer, texts map[string]string) error {
	var b bytes.Buffer
	for _, t := range s {
		title := "At the top of the file"
		if t.Key != "" {
			title = "`" + t.Header() + "`"
		}
		fmt.Fprintf(&b, "\n## %s\n", title)
		if text := s.text(t, texts); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
		for _, o := range t.options {
			fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n%s\n", o.Name(), t.optionText(o, texts), o.facts())
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// facts returns type, default, unit, bounds, version and reload in one line.
func (o Option) facts() string {
	parts := []string{o.typeName()}
	switch {
	case o.hasInitial:
		parts = append(parts, "default `"+o.defaultText()+"`")
	case o.derived != "":
		parts = append(parts, "default: "+o.derived)
	case o.Required:
		parts = append(parts, "required")
	default:
		parts = append(parts, "no default")
	}
	if o.unit != "" {
		parts = append(parts, "unit: "+o.unit)
	}
	if o.When != "" {
		parts = append(parts, "only with `"+o.When+"` "+strings.Join(o.Among, " or "))
	}
	if len(o.oneof) > 0 {
		parts = append(parts, "one of `"+strings.Join(o.oneof, "`, `")+"`")
	}
	if o.min != "" {
		parts = append(parts, "at least "+o.min)
	}
	if o.max != "" {
		parts = append(parts, "at most "+o.max)
	}
	parts = append(parts, "since "+o.since)
	if o.reload {
		return strings.Join(append(parts, "reload"), " · ")
	}
	return strings.Join(append(parts, "restart"), " · ")
}

// typeName returns the option's type in words.
func (o Option) typeName() string {
	t, prefix := o.kind, ""
	if t.Kind() == reflect.Slice {
		t, prefix = t.Elem(), "list of "
	}
	name := map[reflect.Kind]string{reflect.Int: "integer", reflect.Bool: "true or false"}[t.Kind()]
	if w, ok := reflect.Zero(t).Interface().(written); ok {
		name = w.Kind()
	} else if t == reflect.TypeFor[netip.Addr]() {
		name = "IP address"
	} else if name == "" {
		name = "string"
	}
	if o.Path {
		name = "path"
	}
	return prefix + name
}

// defaultText returns the default as it is written in the file.
func (o Option) defaultText() string { return o.valueText(o.initial) }

// ExampleText returns the value to show in table number i of an example, as
// TOML.
func (o Option) ExampleText(i int) string {
	if o.example == "" {
		return o.defaultText()
	}
	return o.valueText(variant(o.example, i))
}

// valueText returns a value in the form of a tag as TOML.
func (o Option) valueText(text string) string {
	v := reflect.New(o.kind).Elem()
	if o.kind == reflect.TypeFor[value.Secret]() {
		return tomlString(text) // an example is no secret
	}
	if err := o.setText(v, text); err != nil {
		return tomlString(text) // TestDefaults proves that this does not happen
	}
	return tomlValue(v)
}
