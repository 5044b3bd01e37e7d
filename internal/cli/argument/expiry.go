package argument

import (
	"fmt"
	"time"

	"countersign/internal/config"
)

// Expiry is an argument that says when something ends: "90d" from now, a point in time or a date as
// Time has it, "midnight" for the next one in UTC, or "never".
type Expiry struct {
	at   time.Time
	in   time.Duration
	text string
}

const (
	midnight = "midnight"
	day      = 24 * time.Hour
)

// UnmarshalText reads when something ends.
func (e *Expiry) UnmarshalText(text []byte) error {
	*e = Expiry{text: string(text)}
	if e.text == "never" || e.text == midnight {
		return nil
	}
	if at, is := point(e.text); is {
		e.at = at
		return nil
	}
	var in config.Duration
	if err := in.UnmarshalText(text); err != nil || in <= 0 {
		return fmt.Errorf(`%q does not say when something ends: write 90d for ninety days from now, 2027-01-31, "2027-01-31 18:00" (in UTC), 2027-01-31T18:00:00+01:00, midnight, or never`, text)
	}
	e.in = in.Std()
	return nil
}

// IsSet reports whether the argument was given.
func (e Expiry) IsSet() bool { return e.text != "" }

// Of returns the time as seen from now, the zero time for never.
func (e Expiry) Of(now time.Time) time.Time {
	if e.in > 0 {
		return now.UTC().Add(e.in)
	}
	if e.text == midnight {
		return now.UTC().Truncate(day).Add(day)
	}
	return e.at
}
