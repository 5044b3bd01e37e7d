package option

import (
	"reflect"
	"slices"
)

// Diff returns the options in which two structs of the schema, given by
// pointers, differ, in its order: those that a reload applies, and those that
// need a restart. An option of a list of tables is named once however many
// tables differ; where their number differs, the list is named.
func (s Schema) Diff(old, updated any) (reloadable, restart []string) {
	a, b := reflect.ValueOf(old).Elem(), reflect.ValueOf(updated).Elem()
	note := func(key string, reload bool) {
		list := &restart
		if reload {
			list = &reloadable
		}
		if !slices.Contains(*list, key) {
			*list = append(*list, key)
		}
	}
	for _, t := range s {
		switch {
		case t.field < 0:
			t.diff(a, b, note)
		case !t.List:
			t.diff(a.Field(t.field), b.Field(t.field), note)
		case a.Field(t.field).Len() != b.Field(t.field).Len():
			note(t.Key, t.reload)
		default:
			for i := range a.Field(t.field).Len() {
				t.diff(a.Field(t.field).Index(i), b.Field(t.field).Index(i), note)
			}
		}
	}
	return reloadable, restart
}

// diff notes the options in which two tables differ.
func (t Table) diff(a, b reflect.Value, note func(key string, reload bool)) {
	for _, o := range t.options {
		if !equal(a.Field(o.field), b.Field(o.field)) {
			note(o.Name(), o.reload)
		}
	}
}

// equal compares two values of an option; nil and empty lists are the same.
func equal(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}
