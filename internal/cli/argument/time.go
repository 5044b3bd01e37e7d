package argument

import (
	"fmt"
	"time"

	"countersign/internal/config"
)

// point reads a point in time: "2026-11-20T10:00:00Z" (RFC 3339), also without seconds, with a space in place
// of the T, and without a zone for UTC; or a date for its beginning in UTC.
func point(text string) (at time.Time, is bool) {
	const date = len(time.DateOnly)
	if len(text) > date && text[date] == ' ' {
		text = text[:date] + "T" + text[date+1:]
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), true
		}
	}
	return at, false
}

// Time is an argument that is a point in time, or how long ago it is: "2h", "7d".
type Time struct {
	at  time.Time
	ago time.Duration
	set bool
}

// UnmarshalText reads a time.
func (t *Time) UnmarshalText(text []byte) error {
	if at, is := point(string(text)); is {
		*t = Time{at: at, set: true}
		return nil
	}
	var ago config.Duration
	if err := ago.UnmarshalText(text); err != nil || ago < 0 {
		return fmt.Errorf(`%q is not a time: write 2026-11-20T10:00:00Z, "2026-11-20 10:00" (in UTC), 2026-11-20, or 2h for two hours ago`, text)
	}
	*t = Time{ago: ago.Std(), set: true}
	return nil
}

// IsSet reports whether the argument was given.
func (t Time) IsSet() bool { return t.set }

// Of returns the time as seen from now, the zero time where none was given.
func (t Time) Of(now time.Time) time.Time {
	if t.set && t.at.IsZero() {
		return now.UTC().Add(-t.ago)
	}
	return t.at
}
