package tables

import (
	"fmt"
	"slices"
	"strings"
)

// Schema is what an engine has: the columns of each table, the key's first and in
// its order, each of a kind.
type Schema map[string][]Column

// Differences says where the list and the schema of an engine do not agree. keys
// are the numbers of columns of the primary keys.
func Differences(schema Schema, keys map[string]int) []string {
	var all []string
	left := LeftOut()
	known := map[string]bool{}
	for _, t := range Carried() {
		known[t.Name] = true
		real, found := schema[t.Name]
		if !found {
			all = append(all, "there is no table "+t.Name)
			continue
		}
		if keys[t.Name] != t.Keys || !slices.Equal(names(real[:min(t.Keys, len(real))]), names(t.Columns[:t.Keys])) {
			all = append(all, fmt.Sprintf("the key of table %s is not (%s)", t.Name, strings.Join(names(t.Columns[:t.Keys]), ", ")))
		}
		all = append(all, t.differences(real, left)...)
	}
	for name := range schema {
		if !known[name] && left[name] == "" {
			all = append(all, "table "+name+" is neither carried nor left out for a reason")
		}
	}
	slices.Sort(all)
	return all
}

// differences compares the columns of one table.
func (t *Table) differences(real []Column, left map[string]string) (all []string) {
	for _, c := range t.Columns {
		i := slices.IndexFunc(real, func(r Column) bool { return r.Name == c.Name })
		switch {
		case i < 0:
			all = append(all, "there is no column "+t.Name+"."+c.Name)
		case real[i] != c:
			all = append(all, fmt.Sprintf("column %s.%s is %+v, the list has %+v", t.Name, c.Name, real[i], c))
		}
	}
	for _, r := range real {
		carried := slices.ContainsFunc(t.Columns, func(c Column) bool { return c.Name == r.Name })
		if _, out := left[t.Name+"."+r.Name]; carried == out {
			all = append(all, "column "+t.Name+"."+r.Name+" is neither carried nor left out for a reason, or both")
		}
	}
	return all
}

func names(columns []Column) []string { return (&Table{Columns: columns}).Names() }
