package option

import (
	"cmp"
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"countersign/internal/config/source"
	"countersign/internal/config/value"
)

// decoder lays a document over a struct that has its defaults.
type decoder struct {
	schema Schema
	report *source.Report
}

// Decode sets in root, a pointer to the schema's struct, what the document has and
// reports unknown keys, wrong types and values outside their bounds; such
// options keep their default.
func (s Schema) Decode(document *source.Node, root any, r *source.Report) {
	d := &decoder{schema: s, report: r}
	v := reflect.ValueOf(root).Elem()
	for _, key := range document.Keys {
		n := document.Fields[key]
		if o, found := s[0].find(key); found {
			d.option(o, n, v.Field(o.field), key)
			continue
		}
		i := slices.IndexFunc(s[1:], func(t Table) bool { return t.Key == key }) + 1
		if i == 0 {
			d.unknownKey(s[0], key, "", n.Line)
			continue
		}
		d.enter(s[i], n, v.Field(s[i].field))
	}
}

// enter decodes one [table] or all of a list of [[tables]].
func (d *decoder) enter(t Table, n *source.Node, v reflect.Value) {
	d.report.Found(t.Key, n.Line)
	switch {
	case !t.List && n.Shape == source.Table:
		d.fields(t, n, v, t.Key)
	case !t.List:
		d.report.Fail(t.Key, "write "+t.Header(), "must be one table, not %s", n.Shape)
	case n.Shape != source.List:
		d.report.Fail(t.Key, "write "+t.Header(), "must be a list of tables, not %s", n.Shape)
	default:
		for i, item := range n.Items {
			path := Element(t.Key, i)
			d.report.Found(path, item.Line)
			if item.Shape != source.Table {
				d.report.Fail(path, "write "+t.Header(), "must be a table, not %s", item.Shape)
				continue
			}
			element := reflect.New(v.Type().Elem()).Elem()
			if err := t.setDefaults(element); err != nil {
				d.report.Fail(path, "", "%v", err)
			}
			d.fields(t, item, element, path)
			v.Set(reflect.Append(v, element))
		}
	}
}

// fields decodes the keys of one table.
func (d *decoder) fields(t Table, n *source.Node, v reflect.Value, path string) {
	for _, key := range n.Keys {
		child := n.Fields[key]
		o, found := t.find(key)
		if !found {
			d.unknownKey(t, key, path+".", child.Line)
			continue
		}
		d.option(o, child, v.Field(o.field), path+"."+key)
	}
}

// option decodes one value, or the elements of a list.
func (d *decoder) option(o Option, n *source.Node, v reflect.Value, path string) {
	d.report.Found(path, n.Line)
	if o.kind.Kind() != reflect.Slice {
		d.scalar(o, n, v, path)
		return
	}
	if n.Shape != source.List {
		suggestion := ""
		if n.Shape == source.String {
			suggestion = fmt.Sprintf("write %s = [%q]", o.Key, n.Text)
		}
		d.report.Fail(path, suggestion, "must be a list, not %s", n.Shape)
		return
	}
	list := reflect.MakeSlice(o.kind, len(n.Items), len(n.Items))
	for i, item := range n.Items {
		place := Element(path, i)
		d.report.Found(place, item.Line)
		d.scalar(o, item, list.Index(i), place)
		if d.report.Failed(place) {
			d.report.Excuse(path)
		}
	}
	if !d.report.Failed(path) {
		v.Set(list)
	}
}

// scalar decodes one value that is not a list.
func (d *decoder) scalar(o Option, n *source.Node, v reflect.Value, path string) {
	want := wanted(v.Type())
	if !slices.Contains(want, n.Shape) {
		d.report.Fail(path, shapeHint(v.Type(), n), "must be %s, not %s", want[0], n.Shape)
		return
	}
	if n.Shape == source.String {
		d.report.FoundText(path, n)
	}
	next := reflect.New(v.Type()).Elem()
	text := n.Text
	if n.Shape == source.Integer {
		text = fmt.Sprint(n.Number)
	}
	if err := setScalar(next, text); err != nil {
		d.report.Fail(path, form(v.Type()), "%s", valueFault(v.Type(), text, err))
		return
	}
	if bound := o.outside(next); bound != "" {
		d.report.Fail(path, "", "%s is %s", n.Text, bound)
		return
	}
	if len(o.oneof) > 0 && !slices.Contains(o.oneof, text) {
		d.report.Fail(path, Choice(text, o.oneof), "%q is not known", text)
		return
	}
	v.Set(next)
}

// wanted returns the shapes that a Go type is read from, the usual one first.
func wanted(t reflect.Type) []source.Shape {
	switch {
	case t == reflect.TypeFor[value.Size]():
		return []source.Shape{source.String, source.Integer}
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()), t.Kind() == reflect.String:
		return []source.Shape{source.String}
	case t.Kind() == reflect.Bool:
		return []source.Shape{source.Bool}
	}
	return []source.Shape{source.Integer}
}

// written is a type of values that can show how one is written and name itself.
type written interface {
	Kind() string
	Form() string
}

// form returns how a value of type t is written, "" where that needs no word.
func form(t reflect.Type) string {
	if w, ok := reflect.Zero(t).Interface().(written); ok && w.Form() != "" {
		return "write " + w.Form()
	}
	return ""
}

// shapeHint helps where a value may have the right meaning in the wrong shape.
// It never shows the value, which may be a secret in the wrong place.
func shapeHint(t reflect.Type, n *source.Node) string {
	switch {
	case form(t) != "":
		return form(t)
	case n.Shape == source.List || n.Shape == source.Table:
		return ""
	case wanted(t)[0] == source.String:
		return "put it in double quotes"
	case wanted(t)[0] == source.Bool:
		return "write true or false"
	case n.Shape == source.String:
		return "leave out the quotes"
	}
	return ""
}

// valueFault words what setScalar found.
func valueFault(t reflect.Type, text string, err error) string {
	if t == reflect.TypeFor[netip.Addr]() {
		return fmt.Sprintf("%q is not an IP address", text)
	}
	return err.Error()
}

// unknownKey reports a key that Table t does not have. prefix is the table's
// path with its dot.
func (d *decoder) unknownKey(t Table, key, prefix string, line int) {
	known := make([]string, 0, len(t.options)+len(d.schema))
	for _, o := range t.options {
		known = append(known, o.Key)
	}
	if t.Key == "" {
		for _, other := range d.schema[1:] {
			known = append(known, other.Key)
		}
	}
	suggestion := d.belongs(key)
	if near, found := Nearest(key, known); found && (suggestion == "" || distance(key, near) == 1) {
		suggestion = fmt.Sprintf("did you mean %s?", near) + d.elsewhere(t, near)
		// What was meant is not missing.
		d.report.Suppose(prefix + near)
	}
	suggestion = cmp.Or(suggestion, t.Elsewhere)
	d.report.FailAt(line, prefix+key, suggestion, "unknown option")
}

// elsewhere adds Elsewhere of the table that a key at the top of the file was to name.
func (d *decoder) elsewhere(t Table, key string) string {
	i := slices.IndexFunc(d.schema, func(other Table) bool { return other.Key == key })
	if t.Key != "" || i < 0 || d.schema[i].Elsewhere == "" {
		return ""
	}
	return " (" + d.schema[i].Elsewhere + ")"
}

// belongs says which other tables have the key, "" for none.
func (d *decoder) belongs(key string) string {
	var homes []string
	for _, t := range d.schema {
		if _, found := t.find(key); !found {
			continue
		}
		if t.Key == "" {
			return "it belongs at the top of the file, before the first [table]"
		}
		homes = append(homes, t.Header())
	}
	if len(homes) == 0 {
		return ""
	}
	return "it belongs under " + strings.Join(homes, " or ")
}
