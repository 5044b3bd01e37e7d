package lately

import (
	"fmt"
	"testing"
	"time"

	"countersign/internal/limit"
)

var (
	ann = limit.Subject{Kind: limit.Account, Name: "ann@one.example"}
	at  = time.Unix(1_800_000_000, 0).UTC()
)

// level is ann's, with limits written as people do.
func level(action limit.Action, texts ...string) limit.Level {
	l := limit.Level{Subject: ann}
	for _, text := range texts {
		k, err := limit.Parse(text)
		if err != nil {
			panic(err)
		}
		k.Action = action
		l.Limits = append(l.Limits, k)
	}
	return l
}

// sent judges messages to so many recipients each, counts those that pass, and notes it all.
func sent(m *Memory, c *limit.Counter, l limit.Level, recipients ...int64) {
	l.Counter = c
	for _, n := range recipients {
		q := &limit.Question{Levels: []limit.Level{l}, Want: limit.Amounts{limit.Messages: 1, limit.Recipients: n, limit.Bytes: 100}}
		d := limit.Decide(q.Levels, q.Want, 0, at)
		if d.Passes() {
			q.Count(&d)
		}
		m.Note(&d, q.Levels, at.Add(time.Hour)) // the gate's clock is another
	}
}

func TestWhoIsOverIsKnown(t *testing.T) {
	var m Memory
	c := &limit.Counter{}
	hour := level(limit.Defer, "recipients/hour=10")
	sent(&m, c, hour, 8)
	if !m.Empty() {
		t.Fatal("something is known of who has room")
	}
	sent(&m, c, hour, 3)
	now := at.Add(time.Hour)
	over := func(l limit.Level, n int64, now time.Time) bool { return m.Over([]limit.Level{l}, n, now) != nil }
	if over(hour, 2, now) || !over(hour, 3, now) || !over(hour, 4, now) {
		t.Error("of two more that have room it is not known what a third does")
	}
	sent(&m, c, hour, 2) // which fills it
	if !over(hour, 1, now) {
		t.Error("a limit that is used up is not known")
	}
	if b := m.Over([]limit.Level{hour}, 1, now); b.Used != 10 || b.Room.IsZero() {
		t.Errorf("known is %+v", b)
	}
	for what, l := range map[string]limit.Level{
		"more is allowed": level(limit.Defer, "recipients/hour=11"), "less is allowed": level(limit.Defer, "recipients/hour=9"), "nothing is": level(limit.Defer, "recipients/hour=0"),
		"it is in shadow": {Subject: ann, Limits: []limit.Limit{{Measure: limit.Recipients, Window: limit.Hour, Max: 10, Action: limit.Defer, Shadow: true}}}, "another limit": level(limit.Defer, "recipients/day=10"),
		"it waits": level(limit.Slow, "recipients/hour=10"), "it is lifted": {Subject: ann},
		"somebody else": {Subject: limit.Subject{Kind: limit.Account, Name: "bob@one.example"}, Limits: hour.Limits},
	} {
		var m Memory
		sent(&m, c, hour, 1)
		if m.Empty() || m.Over([]limit.Level{l}, 5, now) != nil {
			t.Errorf("%s, and it is over", what)
		}
	}
	if over(hour, 1, now.Add(62*time.Minute)) || !m.Empty() {
		t.Error("it is over for ever")
	}
}

// TestUsedUpIsToldToAll: where a limit is used up, whoever wants one hears it before the content, also if it
// was found out by a message to many, and if more was used than it allows since it was made lower; where there
// is room for some, the one behind these hears it.
func TestUsedUpIsToldToAll(t *testing.T) {
	now := at.Add(time.Hour)
	for name, c := range map[string]struct{ used, most, left int64 }{
		"used up":             {40, 40, 0},
		"made lower":          {108, 40, 0},
		"some left":           {38, 40, 2},
		"the message is more": {15, 18, 3},
	} {
		var m Memory
		counter := &limit.Counter{}
		sent(&m, counter, level(limit.Defer, "recipients/hour=200"), c.used)
		l := level(limit.Defer, fmt.Sprint("recipients/hour=", c.most))
		sent(&m, counter, l, 20)
		for n := range int64(25) {
			if got := m.Over([]limit.Level{l}, n+1, now) != nil; got != (n+1 > c.left) {
				t.Errorf("%s: with %d recipients it is over: %v", name, n+1, got)
			}
		}
		if b := m.Over([]limit.Level{l}, 20, now); b == nil || b.Used != c.used || b.Want != c.left+1 || b.Action() != limit.Defer || !b.Room.After(at) {
			t.Errorf("%s: told is %+v", name, b)
		}
	}
}

// TestRoomComesBack: what is known of a limit ends when it has room for one more, and not when it has for all that were wanted.
func TestRoomComesBack(t *testing.T) {
	var m Memory
	l, c := level(limit.Defer, "recipients/hour=10"), &limit.Counter{}
	c.Count(limit.Amounts{limit.Recipients: 1}, limit.Windowed(0).And(limit.Hour), at.Add(-50*time.Minute), at)
	c.Count(limit.Amounts{limit.Recipients: 9}, limit.Windowed(0).And(limit.Hour), at, at)
	sent(&m, c, l, 5)
	for _, after := range []time.Duration{0, 9 * time.Minute, 12 * time.Minute} {
		if got := m.Over([]limit.Level{l}, 1, at.Add(time.Hour+after)) != nil; got != (after < 10*time.Minute) {
			t.Errorf("after %v it is over: %v", after, got)
		}
	}
}

// TestOnlyWhatRefusesAnything: nothing is known before of what depends on the message, or refuses
// nobody; and nobody is refused for good who could send to fewer.
func TestOnlyWhatRefusesAnything(t *testing.T) {
	for text, action := range map[string]limit.Action{
		"new-recipients/hour=1": limit.Defer, "failed-recipients/hour=1": limit.Defer, "messages/hour=2": limit.Hold, "recipients/hour=2": limit.Slow,
		"bytes/hour=250": limit.Defer,
	} {
		var m Memory
		sent(&m, &limit.Counter{}, level(action, text), 1, 1, 1)
		if !m.Empty() {
			t.Errorf("%s of %s is known", action, text)
		}
	}
	var m Memory
	c, l := &limit.Counter{}, level(limit.Refuse, "recipients/hour=5")
	sent(&m, c, l, 4, 2)
	if m.Over([]limit.Level{l}, 2, at.Add(time.Hour)) != nil {
		t.Error("a recipient is refused for good although the others have room")
	}
	sent(&m, c, l, 1)
	if m.Over([]limit.Level{l}, 1, at.Add(time.Hour)) == nil {
		t.Error("a limit that is used up is not known")
	}
}

func TestBounded(t *testing.T) {
	var m Memory
	for n := range most + 10 {
		b := limit.Breach{Subject: limit.Subject{Kind: limit.Account, Name: fmt.Sprint(n)}, Limit: limit.Limit{Action: limit.Defer}, Used: 1, Next: at.Add(time.Hour)}
		m.Note(&limit.Decision{At: at, Full: []limit.Breach{b}}, nil, at)
	}
	if n := m.size.Load(); n > most || n < 1 {
		t.Errorf("%d are remembered", n)
	}
}

// TestSlowedIsNotRefused: who is slowed down until a limit has room is not refused for that one
// before, as the store would not.
func TestSlowedIsNotRefused(t *testing.T) {
	slow, minute := level(limit.Slow, "messages/hour=10"), level(limit.Defer, "messages/minute=5")
	l := limit.Level{Subject: ann, Limits: append(slow.Limits, minute.Limits...), Counter: &limit.Counter{}}
	passed := 0
	for n := range 13 {
		now := at
		if n >= 5 {
			now = at.Add(2*time.Minute + time.Duration(n)*time.Second)
		}
		q := &limit.Question{Levels: []limit.Level{l}, Want: limit.Amounts{limit.Messages: 1, limit.Recipients: 1}}
		d := limit.Decide(q.Levels, q.Want, 0, now)
		var m Memory
		m.Note(&d, q.Levels, now)
		if d.Passes() {
			passed++
			q.Count(&d)
			m.Note(&d, q.Levels, now)
		}
		next := limit.Decide(q.Levels, q.Want, 0, now)
		if m.Over(q.Levels, 1, now) != nil && next.Passes() {
			t.Errorf("message %d: the next one is refused, and the store would take it", n)
		}
	}
	if passed <= 10 {
		t.Errorf("%d passed: none was slowed", passed)
	}
}

// TestPassedIsOverNothing: what a message that passed was over is not remembered.
func TestPassedIsOverNothing(t *testing.T) {
	var m Memory
	l := level(limit.Defer, "messages/hour=1").Limits[0]
	over := []limit.Breach{{Subject: ann, Limit: l, Used: 1, Next: at.Add(time.Hour)}}
	if m.Note(&limit.Decision{At: at, Over: over}, nil, at); !m.Empty() {
		t.Error("it is remembered")
	}
	if m.Note(&limit.Decision{At: at, Over: over, Decisive: &over[0], Action: limit.Defer}, nil, at); m.Empty() {
		t.Error("what was refused is not")
	}
}

// TestNumberComesBack: what was found of a number is forgotten once there was another one, as more may be used
// when it is back; so it is where nobody asked in between, but the rules have changed. Of a limit in shadow
// beside the one that counts nothing follows.
func TestNumberComesBack(t *testing.T) {
	var version uint64
	m, c, two, now := Memory{Version: func() uint64 { return version }}, &limit.Counter{}, level(limit.Defer, "messages/day=2"), at.Add(time.Hour)
	known := func(l limit.Level) bool { return m.Over([]limit.Level{l}, 1, now) != nil }
	beside := level(limit.Defer, "messages/day=2", "messages/day=1")
	beside.Limits[1].Shadow = true
	for what, between := range map[string]func(){
		"more was allowed":                         func() { known(level(limit.Defer, "messages/day=5")) },
		"the rules have changed, and nobody asked": func() { version++ },
	} {
		for range 2 { // what is found anew by new rules is known again
			sent(&m, c, two, 1, 1, 1)
			if !known(two) || !known(beside) || !known(two) {
				t.Errorf("%s: before that it is not known", what)
			}
			if between(); known(two) || !m.Empty() {
				t.Errorf("%s: it is known still", what)
			}
		}
	}
	sent(&m, c, two, 1)
	version++
	if sent(&m, c, two, 1); !known(two) { // nobody asked before it was found again
		t.Error("what is found by new rules is not known")
	}
	var other Memory
	l := level(limit.Defer, "recipients/day=10", "recipients/day=5")
	l.Limits[1].Shadow = true
	sent(&other, &limit.Counter{}, l, 8, 3)
	if b := other.Over([]limit.Level{l}, 2, now); b != nil || other.Empty() {
		t.Errorf("two who have room are over %+v, or the one in shadow had the other forgotten", b)
	}
}
