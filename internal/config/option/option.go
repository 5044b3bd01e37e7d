// Package option reads what an annotated struct says of the options of a
// configuration file, and does everything that needs no more than that: set
// defaults, decode a document, print, compare, and write the reference page and
// the commented example.
//
// The struct's fields are the options at the top of the file, structs are
// [tables], slices of structs are lists of [[tables]]. It does not know what the
// options mean; contradictions are found by package config. The tags are:
//
//	toml         the key
//	default      the value when the file has none, lists joined by commas
//	derived      in words, where the default follows from other options
//	unit         what a number counts
//	since        the version that brought the option
//	reload       "yes" when SIGHUP applies a change, "no" when only a restart does
//	required     "yes" when the file must set it
//	oneof        the allowed words
//	min, max     bounds, both allowed; of every element for a list
//	when         the value of a sibling that gives the option a meaning,
//	             "source=acme"; several words are split by "|"
//	path         "yes" for file names, which are relative to the file's folder
//	example      the value to show when the default is not a good one; several
//	             tables of a list are split by "|"
//	alternative  "yes" when the example keeps it out, as it excludes another
//
// The format of the file is TOML 1.0.
package option

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Option is what the tags of one field say.
type Option struct {
	// Key is the option's name in its table, Table the table's, "" for the top
	// of the file.
	Key, Table string
	// Required says that the file must set it, Path that it names a file.
	Required, Path bool
	// When is the sibling that gives the option a meaning, "" for none, and
	// Among the words that it then has.
	When  string
	Among []string

	// field is the place in the table's struct, kind its type.
	field int
	kind  reflect.Type
	// initial is the default as written in the tag; hasInitial tells "" from
	// none.
	initial    string
	hasInitial bool
	// The other tags.
	derived, unit, since, min, max, example string
	oneof                                   []string
	reload, alternative                     bool
}

// Table is the top of the file, one [table], or one list of [[tables]].
type Table struct {
	// Key is "" for the top of the file.
	Key string
	// List says that it is written with double brackets, Required that there
	// must be one.
	List, Required bool
	// Elsewhere says where that is set which people look for in the table and which no
	// file has; "" where there is no such thing.
	Elsewhere string

	// field is the place in the root struct, -1 for the top.
	field int
	// reload says whether a change of the number of tables can be reloaded.
	reload bool
	// options are in the order of the struct.
	options []Option
	// owner is the struct of the table, name the field of the root it stands in.
	owner reflect.Type
	name  string
}

// Schema is every table of a file, the top first.
type Schema []Table

// Of returns the schema of a struct type.
func Of(root reflect.Type) Schema {
	tables := Schema{{field: -1, owner: root}}
	for i := range root.NumField() {
		f := root.Field(i)
		element := f.Type
		list := element.Kind() == reflect.Slice
		if list {
			element = element.Elem()
		}
		if element.Kind() != reflect.Struct {
			tables[0].options = append(tables[0].options, newOption("", i, f))
			continue
		}
		t := Table{
			Key: f.Tag.Get("toml"), field: i, List: list, owner: element, name: f.Name,
			Required: f.Tag.Get("required") == "yes", reload: f.Tag.Get("reload") == "yes",
			Elsewhere: f.Tag.Get("elsewhere"),
		}
		for j := range element.NumField() {
			t.options = append(t.options, newOption(t.Key, j, element.Field(j)))
		}
		tables = append(tables, t)
	}
	return tables
}

func newOption(table string, index int, f reflect.StructField) Option {
	o := Option{
		Key: f.Tag.Get("toml"), Table: table, field: index, kind: f.Type,
		derived: f.Tag.Get("derived"), unit: f.Tag.Get("unit"), since: f.Tag.Get("since"),
		min: f.Tag.Get("min"), max: f.Tag.Get("max"), example: f.Tag.Get("example"),
		reload: f.Tag.Get("reload") == "yes", Required: f.Tag.Get("required") == "yes",
		Path: f.Tag.Get("path") == "yes", alternative: f.Tag.Get("alternative") == "yes",
	}
	o.initial, o.hasInitial = f.Tag.Lookup("default")
	if words := f.Tag.Get("oneof"); words != "" {
		o.oneof = strings.Split(words, ",")
	}
	if sibling, words, found := strings.Cut(f.Tag.Get("when"), "="); found {
		o.When, o.Among = sibling, strings.Split(words, "|")
	}
	return o
}

// Name returns the option as people write it, "session.max_messages".
func (o Option) Name() string {
	if o.Table == "" {
		return o.Key
	}
	return o.Table + "." + o.Key
}

// Names returns the options that name stands for, as people write them: the
// option of that name, or all of the table of that name.
func (s Schema) Names(name string) []string {
	var names []string
	for _, t := range s {
		for _, o := range t.options {
			if o.Name() == name || t.Key != "" && t.Key == name {
				names = append(names, o.Name())
			}
		}
	}
	return names
}

// Header returns the table as it is written in the file.
func (t Table) Header() string {
	if t.List {
		return "[[" + t.Key + "]]"
	}
	return "[" + t.Key + "]"
}

// find returns the option called key.
func (t Table) find(key string) (Option, bool) {
	for _, o := range t.options {
		if o.Key == key {
			return o, true
		}
	}
	return Option{}, false
}

// element is one table of a file with its values.
type element struct {
	Table
	// path is "", "session" or "listener[0]".
	path  string
	value reflect.Value
}

// elements returns every table of root, the struct behind a pointer: one for
// the top and each [table], any number for each list.
func (s Schema) elements(root any) []element {
	v := reflect.ValueOf(root).Elem()
	var all []element
	for _, t := range s {
		switch {
		case t.field < 0:
			all = append(all, element{t, "", v})
		case !t.List:
			all = append(all, element{t, t.Key, v.Field(t.field)})
		default:
			for i := range v.Field(t.field).Len() {
				all = append(all, element{t, Element(t.Key, i), v.Field(t.field).Index(i)})
			}
		}
	}
	return all
}

// Element names number i of a list.
func Element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// join puts a key behind the path of its table.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// Place is one option in one table.
type Place struct {
	Option
	// Path is "session.max_messages", "listener[0].kind"; Sibling is that of
	// Option.When, "" for none, and Chosen its value.
	Path, Sibling, Chosen string
	// Value can be set.
	Value reflect.Value
}

// Places returns every option of root, a pointer to the schema's struct, in the
// order of the schema.
func (s Schema) Places(root any) []Place {
	var all []Place
	for _, e := range s.elements(root) {
		for _, o := range e.options {
			p := Place{Option: o, Path: join(e.path, o.Key), Value: e.value.Field(o.field)}
			if sibling, found := e.find(o.When); found {
				p.Sibling = join(e.path, o.When)
				p.Chosen = e.value.Field(sibling.field).String()
			}
			all = append(all, p)
		}
	}
	return all
}

// Empty reports whether the option has no value.
func (p Place) Empty() bool { return empty(p.Value) }

func empty(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

// Means reports whether the option has a meaning beside its siblings.
func (p Place) Means() bool { return p.When == "" || contains(p.Among, p.Chosen) }

func contains(words []string, word string) bool {
	for _, w := range words {
		if w == word {
			return true
		}
	}
	return false
}

// SetDefaults gives root, a pointer to the schema's struct, its defaults. Lists
// of tables stay empty. An error is a mistake in a tag.
func (s Schema) SetDefaults(root any) error {
	for _, e := range s.elements(root) {
		if err := e.setDefaults(e.value); err != nil {
			return err
		}
	}
	return nil
}

// setDefaults gives v, a struct of table t, its defaults.
func (t Table) setDefaults(v reflect.Value) error {
	for _, o := range t.options {
		if !o.hasInitial {
			continue
		}
		if err := o.setText(v.Field(o.field), o.initial); err != nil {
			return fmt.Errorf("default of %s: %w", o.Name(), err)
		}
	}
	return nil
}

// setText gives field the value that text stands for, for a list its elements
// joined by commas.
func (o Option) setText(field reflect.Value, text string) error {
	if o.kind.Kind() != reflect.Slice {
		return setScalar(field, text)
	}
	var parts []string
	if text != "" {
		parts = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(o.kind, len(parts), len(parts))
	for i, part := range parts {
		if err := setScalar(list.Index(i), part); err != nil {
			return err
		}
	}
	field.Set(list)
	return nil
}

// setScalar gives v the value that text stands for.
func setScalar(v reflect.Value, text string) error {
	if reader, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return reader.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		truth, err := strconv.ParseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(truth)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 0, strconv.IntSize)
		if err != nil {
			return fmt.Errorf("%s is out of range", text)
		}
		v.SetInt(n)
	default:
		return fmt.Errorf("no text form for %s", v.Type())
	}
	return nil
}

// outside says which bound of the option v, a scalar, is beyond, "" for none.
func (o Option) outside(v reflect.Value) string {
	if v.Kind() != reflect.Int && v.Kind() != reflect.Int64 {
		return ""
	}
	bound := reflect.New(v.Type()).Elem()
	if o.min != "" && setScalar(bound, o.min) == nil && v.Int() < bound.Int() {
		return "below its minimum of " + o.min
	}
	if o.max != "" && setScalar(bound, o.max) == nil && v.Int() > bound.Int() {
		return "above its maximum of " + o.max
	}
	return ""
}
