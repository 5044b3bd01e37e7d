package option

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Print writes root, a pointer to the schema's struct, as TOML that reads back
// as the same. Secrets are masked; one that was read from the file in the sibling
// option "…_file" is left out. So is what has no value and no meaning.
func (s Schema) Print(w io.Writer, root any) error {
	var b bytes.Buffer
	for _, e := range s.elements(root) {
		if e.Key != "" {
			fmt.Fprintf(&b, "\n%s\n", e.Header())
		}
		e.print(&b)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// print writes the options of one table.
func (e element) print(b *bytes.Buffer) {
	for _, o := range e.options {
		field := e.value.Field(o.field)
		if empty(field) && !o.hasInitial || e.readFromFile(o) || !e.means(o) {
			continue
		}
		fmt.Fprintf(b, "%s = %s\n", o.Key, tomlValue(field))
	}
}

// readFromFile reports whether o is a secret that came from the file in its
// sibling option.
func (e element) readFromFile(o Option) bool {
	file, found := e.find(o.Key + "_file")
	return found && e.value.Field(file.field).String() != ""
}

// means reports whether o has a meaning beside its siblings.
func (e element) means(o Option) bool {
	sibling, found := e.find(o.When)
	return !found || contains(o.Among, e.value.Field(sibling.field).String())
}

// tomlValue writes a value of any type that options have.
func tomlValue(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = tomlValue(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if text, ok := v.Interface().(fmt.Stringer); ok {
		return tomlString(text.String())
	}
	if v.Kind() == reflect.String {
		return tomlString(v.String())
	}
	return fmt.Sprint(v.Interface())
}

// tomlString writes a basic string of TOML. The escapes of JSON are among its
// own; JSON leaves DEL as it is, TOML does not.
func tomlString(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
