package queue

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleOverItsLifetime(t *testing.T) {
	accepted := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	expires := accepted.Add(5 * 24 * time.Hour)
	waits := []string{"5m0s", "15m0s", "30m0s", "1h0m0s", "2h0m0s", "4h0m0s", "4h0m0s", "4h0m0s"}
	now, attempts := accepted, 0
	for {
		attempts++
		next, giveUp := Schedule{}.Next(attempts, now, accepted, expires)
		if giveUp {
			break
		}
		if attempts <= len(waits) && next.Sub(now).String() != waits[attempts-1] {
			t.Errorf("wait after attempt %d = %v, want %s", attempts, next.Sub(now), waits[attempts-1])
		}
		now = next
	}
	if !now.Equal(expires) {
		t.Errorf("last attempt at %v, want at the end of the lifetime %v", now, expires)
	}
	// 3h50m to the sixth attempt, then every four hours, then the last one.
	if attempts != 36 {
		t.Errorf("attempts = %d, want 36", attempts)
	}
}

func TestScheduleNext(t *testing.T) {
	accepted := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return accepted.Add(d) }
	short := Schedule{Retry: []time.Duration{0, -time.Hour, time.Minute}, Lifetime: time.Hour}
	tests := []struct {
		name     string
		schedule Schedule
		attempts int
		now      time.Time
		expires  time.Time
		next     time.Time // zero means give up
	}{
		{"a zero wait is a second", short, 1, at(0), at(time.Hour), at(time.Second)},
		{"a negative wait is a second", short, 2, at(0), at(time.Hour), at(time.Second)},
		{"the last wait repeats", short, 99, at(0), at(time.Hour), at(time.Minute)},
		{"attempt zero waits like the first", short, 0, at(0), at(time.Hour), at(time.Second)},
		{"the last attempt is at the end", short, 3, at(time.Hour - time.Second), at(time.Hour), at(time.Hour)},
		{"at the end it is over", short, 3, at(time.Hour), at(time.Hour), time.Time{}},
		{"after the end it is over", short, 3, at(100 * time.Hour), at(time.Hour), time.Time{}},
		{"no end of its own", short, 3, at(59*time.Minute + 59*time.Second), time.Time{}, at(time.Hour)},
		{"clock before the acceptance", short, 3, at(-1000 * time.Hour), at(time.Hour), at(-1000*time.Hour + time.Minute)},
		{"expired before it was accepted, clock back", short, 3, at(-time.Hour), at(-2 * time.Hour), at(-59 * time.Minute)},
	}
	for _, tt := range tests {
		next, giveUp := tt.schedule.Next(tt.attempts, tt.now, accepted, tt.expires)
		if giveUp != tt.next.IsZero() || !next.Equal(tt.next) {
			t.Errorf("%s: Next = %v, %v; want %v", tt.name, next, giveUp, tt.next)
		}
	}
}

// TestScheduleNeverSpins holds for any clock and any schedule.
func TestScheduleNeverSpins(t *testing.T) {
	accepted := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		hours := rapid.Int64Range(-200, 200)
		s := Schedule{Lifetime: time.Duration(hours.Draw(t, "lifetime")) * time.Hour}
		for range rapid.IntRange(0, 4).Draw(t, "waits") {
			s.Retry = append(s.Retry, time.Duration(hours.Draw(t, "wait"))*time.Hour)
		}
		now := accepted.Add(time.Duration(hours.Draw(t, "now")) * time.Hour)
		expires := accepted.Add(time.Duration(hours.Draw(t, "expires")) * time.Hour)
		next, giveUp := s.Next(rapid.IntRange(-1, 50).Draw(t, "attempts"), now, accepted, expires)
		if giveUp && (now.Before(accepted) || now.Before(expires)) {
			t.Fatalf("gave up at %v, accepted %v, expires %v", now, accepted, expires)
		}
		if !giveUp && !next.After(now) {
			t.Fatalf("next %v is not after now %v", next, now)
		}
	})
}
