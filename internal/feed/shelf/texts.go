package shelf

import "strings"

// gather has the texts of rows stand in one, and those that say what the row before says be the same: so
// the collector of garbage, which looks at everything in memory many times a minute, meets one object
// and not some for each row. What is gathered stays in memory as long as any row does that has
// a part of it.
func gather[T any](rows []T, texts func(*T, func(string) string)) {
	if texts == nil {
		return
	}
	var before []string // the texts of the row before, by their place
	place, octets := 0, 0
	repeated := func(text string) bool {
		if place == len(before) {
			before = append(before, "")
		}
		return text == before[place]
	}
	for i := range rows {
		place = 0
		texts(&rows[i], func(text string) string {
			if !repeated(text) {
				octets += len(text)
				before[place] = text
			}
			place++
			return text
		})
	}
	var all strings.Builder
	all.Grow(octets) // so that it never moves
	clear(before)
	for i := range rows {
		place = 0
		texts(&rows[i], func(text string) string {
			if !repeated(text) {
				from := all.Len()
				all.WriteString(text)
				before[place] = all.String()[from:]
			}
			place++
			return before[place-1]
		})
	}
}
