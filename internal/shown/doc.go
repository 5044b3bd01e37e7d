// Package shown is what programs are shown of objects, as JSON: by the command line with
// --json, and by the API. A name that stands here stays.
//
// It finds nothing and decides nothing. A member that says nothing is left out where its
// tag has omitempty.
//
// Main types: Ban, BanAdded, Entry, Limit, Grant, Guarded, Plan, Customer, Domain.
package shown

import "time"

// The states of what somebody sets and somebody else may end.
const (
	Holds   = "holds"
	Ended   = "ended"
	Lifted  = "lifted"
	Removed = "removed"
)

// state is the word for how something stands that ends by itself, or was ended by somebody, which
// has a word of its own.
func state(holds bool, by, ended string) string {
	switch {
	case by != "":
		return ended
	case holds:
		return Holds
	}
	return Ended
}

// stamp is a time, nil for never.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Each turns objects into what is shown of them.
func Each[T, V any](objects []T, show func(T) V) []V {
	out := make([]V, 0, len(objects))
	for _, o := range objects {
		out = append(out, show(o))
	}
	return out
}
