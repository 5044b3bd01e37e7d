package sqlkit

import "strings"

// Where collects the conditions of a query.
type Where struct {
	terms []string
	args  []any
}

// Add adds a condition if it applies.
func (w *Where) Add(applies bool, term string, args ...any) {
	if applies {
		w.terms = append(w.terms, term)
		w.args = append(w.args, args...)
	}
}

// Argue adds only arguments, of what stands before the conditions.
func (w *Where) Argue(applies bool, args ...any) {
	if applies {
		w.args = append(w.args, args...)
	}
}

// Text returns the clause with the blank before it, "" for no condition.
func (w *Where) Text() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// Bind returns the arguments, then those of what comes after the conditions.
func (w *Where) Bind(rest ...any) Values { return Bind(append(w.args, rest...)...) }
