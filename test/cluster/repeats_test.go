package cluster

import (
	"fmt"
	"testing"
	"time"
)

// deliveryWorkers is delivery.workers of the gates, and underWay how many
// transactions one of them may have at the same time for the account of the tests,
// which gets a quarter: so many answers at most are not recorded when it is killed.
const (
	deliveryWorkers = 32
	underWay        = deliveryWorkers / 4
)

// moment is how long before its end a gate may have had an answer that it did not
// record any more, and how long after it what it had sent may still arrive.
const moment = 2 * time.Second

// end is when a gate was gone: its process was killed, or it was cut off from the
// database.
type end struct {
	gate int
	at   time.Time
	// over is when it delivered nothing any more: at the same time, or when its
	// lease was lost.
	over time.Time
}

// judgeRepeats returns what is wrong with the repeats: each must come after the end of
// the gate whose delivery it repeats, which was made at about that time and is not
// in the record, and no gate may have more of them at one end than it had under way.
// recorded is when the one recorded delivery of each message was made.
func judgeRepeats(arrivals []arrival, ends []end, recorded map[int]time.Time) (wrong []string) {
	byEnd := map[end]int{}
	last := map[int]arrival{}
	for _, a := range arrivals {
		first, repeated := last[a.number]
		last[a.number] = a
		if !repeated {
			continue
		}
		e, found := endOf(first, a, ends)
		if !found {
			wrong = append(wrong, fmt.Sprintf("message %d was delivered by gate %d at %s, and again by gate %d at %s, with no end of gate %d between them",
				a.number, first.gate, show(first.at), a.gate, show(a.at), first.gate))
			continue
		}
		byEnd[e]++
		if at := recorded[a.number]; at.Before(e.at) {
			wrong = append(wrong, fmt.Sprintf("message %d was delivered again at %s, and yet the delivery of %s is recorded, before the end of gate %d at %s",
				a.number, show(a.at), show(at), e.gate, show(e.at)))
		}
	}
	for e, n := range byEnd {
		if n > underWay {
			wrong = append(wrong, fmt.Sprintf("%d messages are repeated because of the end of gate %d at %s, which had %d under way at most", n, e.gate, show(e.at), underWay))
		}
	}
	return wrong
}

// endOf finds the end of a gate because of which its delivery was repeated.
func endOf(first, second arrival, ends []end) (end, bool) {
	for _, e := range ends {
		around := !first.at.Before(e.at.Add(-moment)) && !first.at.After(e.over.Add(moment))
		if e.gate == first.gate && around && second.at.After(e.at) {
			return e, true
		}
	}
	return end{}, false
}

func show(at time.Time) string { return at.Format("15:04:05.000") }

// wantRepeatsOf gives the verdict where gates had these ends, and judges the repeats.
func (c *world) wantRepeatsOf(ends []end) {
	c.t.Helper()
	repeats := c.verdict()
	recorded := map[int]time.Time{}
	times := c.recorded()
	for n, id := range c.ledger.acknowledged(c.t) {
		if len(times[id]) > 0 {
			recorded[n] = times[id][0]
		}
	}
	for _, r := range repeats { // one that was never acknowledged has no id to look for
		if _, known := recorded[r.number]; !known {
			recorded[r.number] = r.at
		}
	}
	for _, w := range judgeRepeats(c.receivers.arrivals(), ends, recorded) {
		c.t.Error(w)
	}
}

// TestRepeatsAreJudged: what the tests with killed gates let pass, and what not.
func TestRepeatsAreJudged(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	many := func(n int) (list []arrival) {
		for i := range n {
			list = append(list, arrival{i, 1, at(9.9)}, arrival{i, 0, at(14)})
		}
		return list
	}
	tests := []struct {
		name     string
		arrivals []arrival
		recorded float64
		wrong    int
	}{
		{"no repeat", []arrival{{7, 1, at(9)}, {8, 1, at(9)}}, 9, 0},
		{"by another after the kill", []arrival{{7, 1, at(9.9)}, {7, 0, at(14)}}, 14, 0},
		{"by the same after the kill", []arrival{{7, 1, at(9.9)}, {7, 1, at(11)}}, 11, 0},
		{"on its way at the kill", []arrival{{7, 1, at(10.1)}, {7, 0, at(14)}}, 14, 0},
		{"before the kill", []arrival{{7, 1, at(9.8)}, {7, 1, at(9.9)}}, 14, 1},
		{"delivered long before", []arrival{{7, 1, at(5)}, {7, 0, at(14)}}, 14, 1},
		{"by a gate that was not killed", []arrival{{7, 2, at(9.9)}, {7, 0, at(14)}}, 14, 1},
		{"recorded already", []arrival{{7, 1, at(9.9)}, {7, 0, at(14)}}, 9.95, 1},
		{"twice after one kill", []arrival{{7, 1, at(9.9)}, {7, 0, at(14)}, {7, 0, at(14.1)}}, 14, 1},
		{"as many as were under way", many(underWay), 14, 0},
		{"more than were under way", many(underWay + 1), 14, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recorded := map[int]time.Time{}
			for _, a := range tt.arrivals {
				recorded[a.number] = at(tt.recorded)
			}
			if wrong := judgeRepeats(tt.arrivals, []end{{1, at(10), at(10)}}, recorded); len(wrong) != tt.wrong {
				t.Errorf("got %q, want %d", wrong, tt.wrong)
			}
		})
	}
}
