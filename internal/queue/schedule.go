package queue

import "time"

// Schedule says when a deferred delivery is tried again and when it is given
// up. The zero value is DefaultSchedule. It is a value without state: safe for
// concurrent use as long as Retry is not changed.
type Schedule struct {
	// Retry holds the waits after the first, second, ... failed attempt; the
	// last one repeats. Empty means DefaultSchedule's.
	Retry []time.Duration
	// Lifetime is how long after its acceptance a delivery whose submission
	// names no end of its own is given up; 0 means five days.
	Lifetime time.Duration
}

// minWait is the shortest wait between two attempts, so that a zero in Retry
// cannot make a delivery spin.
const minWait = time.Second

// DefaultSchedule waits 5, 15 and 30 minutes, 1, 2 and then always 4 hours, for
// five days (RFC 5321 section 4.5.4.1: at least 30 minutes in the long run, a give-up time
// of 4 to 5 days).
func DefaultSchedule() Schedule {
	return Schedule{
		Retry: []time.Duration{
			5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
			time.Hour, 2 * time.Hour, 4 * time.Hour,
		},
		Lifetime: 5 * 24 * time.Hour,
	}
}

// Wait returns how long to wait after the given number of failed attempts,
// which counts from 1. It is at least a second.
func (s Schedule) Wait(attempts int) time.Duration {
	retry := s.Retry
	if len(retry) == 0 {
		retry = DefaultSchedule().Retry
	}
	i := min(max(attempts-1, 0), len(retry)-1)
	return max(retry[i], minWait)
}

// Expires returns the end of the lifetime of what was accepted at the given
// time.
func (s Schedule) Expires(accepted time.Time) time.Time {
	if s.Lifetime <= 0 {
		return accepted.Add(DefaultSchedule().Lifetime)
	}
	return accepted.Add(s.Lifetime)
}

// Next decides after a failed attempt. attempts counts the failed ones with
// this one; accepted and expires are the submission's, a zero expires means
// the schedule's own. It returns the time of the next attempt, or giveUp when
// the lifetime is over. The last attempt falls on the end of the lifetime, so
// that a long wait does not shorten it.
//
// A clock that runs backwards, even to before the acceptance, never gives up
// and never returns a time that is not after now.
func (s Schedule) Next(attempts int, now, accepted, expires time.Time) (next time.Time, giveUp bool) {
	if expires.IsZero() {
		expires = s.Expires(accepted)
	}
	if !now.Before(expires) && !now.Before(accepted) {
		return time.Time{}, true
	}
	next = now.Add(s.Wait(attempts))
	if next.After(expires) && expires.After(now) {
		next = expires
	}
	return next, false
}
