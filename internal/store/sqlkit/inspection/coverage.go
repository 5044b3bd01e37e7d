package inspection

import (
	"regexp"
	"slices"

	"countersign/internal/store/sqlkit"
)

// LeftOut are the tables of any engine that are not looked at, each with the reason.
func LeftOut() map[string]string {
	return map[string]string{
		"schema_migration": "opening the store compares it with the program's own steps",
		"unfinished_copy":  "a store that has one is not opened",
		"moved_to":         "a store that has one is not served from, which is said at the start",
		"meta":             "it has counters alone, of which every value may be right",
		"certificate":      "it is sealed, and refers to nothing",
		"contact":          "of its values any may be right, and it refers to nothing",
		"counter":          "it refers to nothing; one that cannot be read is told when its subject sends",
		"counter_log":      "as counter",
		"guard_record":     "it refers to nothing, and one that cannot be read is told at the start",
		"challenge_shape":  "of its values any may be right, and it refers to nothing",
		"zone_record":      "it outlives what it is of, and a gate removes what is of nothing",
		"domain_look":      "it goes with its domain, and of its values any may be right",
		"ban":              "it refers to nothing, not even to accounts, and one that cannot be read is told at the start",
	}
}

// Texts returns every query that an engine with this dialect is looked at with;
// those of its own come on top.
func Texts(d *sqlkit.Dialect) []string {
	all := []string{d.Totals, countStatesSQL, FirstSQL, CountSQL, UnknownSQL(), ChainsSQL(), NeverDueSQL}
	for _, q := range Queries(d) {
		all = append(all, q.Text)
	}
	return all
}

// read finds the tables that a query reads.
var read = regexp.MustCompile(`\b(?:FROM|JOIN) ([a-z_]+)\b`)

// Missed returns the tables of a schema that no query reads and that are not left
// out, and those that are both.
func Missed(tables, texts []string) []string {
	seen := map[string]bool{}
	for _, text := range texts {
		for _, found := range read.FindAllStringSubmatch(text, -1) {
			seen[found[1]] = true
		}
	}
	out := LeftOut()
	var missed []string
	for _, name := range tables {
		if seen[name] == (out[name] != "") {
			missed = append(missed, name)
		}
	}
	slices.Sort(missed)
	return missed
}
