package limit

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// noon is when most of these cases begin.
var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// TestSlowed: whatever is slowed goes at a time at which no window has more than the limits,
// in whatever order it came, and in the order in which it came where all are of one size.
func TestSlowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type window struct {
			l Limit
			m *model
		}
		account, domain := &Counter{}, &Counter{}
		sent := map[*Counter]*model{account: {}, domain: {}}
		levels := []Level{{Subject{Account, "a@example.org"}, nil, account}, {Subject{Domain, "example.org"}, nil, domain}}
		var limits []window
		for i := range levels {
			for range rapid.IntRange(1, 2).Draw(t, "limits") {
				l := Limit{Measure: Recipients, Window: Window(rapid.IntRange(0, int(Day)).Draw(t, "window")), Max: rapid.Int64Range(3, 20).Draw(t, "max"), Action: Slow}
				levels[i].Limits = append(levels[i].Limits, l)
				limits = append(limits, window{l, sent[levels[i].Counter]})
			}
		}
		now := noon
		for range rapid.IntRange(1, 60).Draw(t, "messages") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "pause")))
			n := rapid.Int64Range(1, 3).Draw(t, "recipients")
			d := Decide(levels, Amounts{Recipients: n}, 0, now)
			if !d.Passes() {
				if d.Action != Defer || d.Decisive.Room.Before(now) {
					t.Fatalf("slow limits refuse: %+v", d.Decisive)
				}
				continue
			}
			if d.Slot.Before(now) || d.Slot.After(now.Add(MaxSlowed)) || d.Slot.After(now) != (d.Decisive != nil) {
				t.Fatalf("at %v it goes at %v, %+v", now, d.Slot, d.Decisive)
			}
			Count(levels, Amounts{Recipients: n}, &d)
			for _, m := range sent {
				*m = append(*m, counted{d.Slot, n})
			}
			for _, w := range limits {
				span, _ := w.l.Window.Span()
				for _, c := range *w.m {
					if got := w.m.within(c.at.Add(-span), c.at); got > w.l.Max {
						t.Fatalf("%d go within %v until %v, limit %v", got, span, c.at, w.l)
					}
				}
			}
		}
	})
}

// TestSlowedPace: a crowd that comes at once goes at the pace of the limit, and what would
// have to wait for too long is deferred, until it would wait that long.
func TestSlowedPace(t *testing.T) {
	c := &Counter{}
	levels := []Level{{Subject{Account, "a@example.org"}, []Limit{{Messages, Hour, 10, Slow, false, 0, 0, 0, false}}, c}}
	one := Amounts{Messages: 1}
	for i := range 250 {
		d := Decide(levels, one, 0, noon)
		want := noon
		if turn := i / 10; turn > 0 {
			// Each turn waits until the cell of a minute, in which the one before counts, is behind the hour.
			want = noon.Add(time.Duration(turn) * 61 * time.Minute)
		}
		if want.After(noon.Add(MaxSlowed)) {
			if d.Passes() || d.Action != Defer || !d.Decisive.Room.Equal(want.Add(-MaxSlowed)) {
				t.Fatalf("the %d. message: %+v, want to be deferred until %v", i+1, d.Decisive, want.Add(-MaxSlowed))
			}
			return
		}
		if !d.Passes() || !d.Slot.Equal(want) {
			t.Fatalf("the %d. message goes at %v, want %v", i+1, d.Slot, want)
		}
		Count(levels, one, &d)
	}
	t.Error("250 messages wait for a day at most")
}

// TestNeverRoom: what can never pass is refused for good, whatever the action says, but not
// where a person looks at it.
func TestNeverRoom(t *testing.T) {
	for action, want := range map[Action]Action{Slow: Refuse, Defer: Refuse, Refuse: Refuse, Hold: Hold} {
		levels := []Level{{Subject{Account, "a@example.org"}, []Limit{{Recipients, Hour, 10, action, false, 0, 0, 0, false}}, &Counter{}}}
		if d := Decide(levels, Amounts{Recipients: 11}, 0, noon); d.Action != want || d.Decisive == nil {
			t.Errorf("%s: %+v", action, d)
		}
	}
}

// TestShare: one account cannot use up a domain's limit, nor is it bounded while there is
// room for all.
func TestShare(t *testing.T) {
	domain := &Counter{}
	of := map[string]*Counter{}
	send := func(login string, n int64, at time.Time) Decision {
		if of[login] == nil {
			of[login] = &Counter{}
		}
		levels := []Level{{Subject{Account, login}, nil, of[login]}, {Subject{Domain, "example.org"}, []Limit{{Recipients, Hour, 100, Defer, false, 25, 0, 0, false}}, domain}}
		d := Decide(levels, Amounts{Recipients: n}, 0, at)
		if d.Passes() {
			Count(levels, Amounts{Recipients: n}, &d)
		}
		return d
	}
	if d := send("a@example.org", 50, noon); !d.Passes() {
		t.Fatalf("half of it for one: %+v", d)
	}
	d := send("a@example.org", 1, noon)
	if d.Passes() || d.Action != Defer || d.Decisive.Subject.Kind != Account || d.Decisive.Of != (Subject{Domain, "example.org"}) || d.Decisive.Limit.Max != 25 {
		t.Fatalf("more than half for one: %+v", d.Decisive)
	}
	if want := noon.Add(61 * time.Minute); !d.Decisive.Room.Equal(want) {
		t.Errorf("room at %v, want %v", d.Decisive.Room, want)
	}
	if d := send("b@example.org", 25, noon); !d.Passes() {
		t.Errorf("another's share: %+v", d.Decisive)
	}
	if d := send("b@example.org", 1, noon); d.Passes() {
		t.Error("another has more than its share")
	}
	if d := send("c@example.org", 25, noon); !d.Passes() {
		t.Errorf("the rest: %+v", d.Decisive)
	}
	if d := send("d@example.org", 1, noon); d.Passes() || d.Decisive.Subject.Kind != Domain {
		t.Errorf("more than the whole: %+v", d.Decisive)
	}
	// Of what is not short one account has half at most, be it with one message, and be it little by little.
	later := noon.Add(2 * time.Hour)
	d = send("e@example.org", 60, later)
	if d.Passes() || d.Action != Refuse || d.Decisive.Used != 0 || d.Decisive.Limit.Max != 50 || d.Decisive.Of != (Subject{Domain, "example.org"}) {
		t.Errorf("more than half at once: %+v", d.Decisive)
	}
	if d := send("e@example.org", 49, later); !d.Passes() {
		t.Errorf("of a limit of which nothing is used: %+v", d.Decisive)
	}
	if d := send("e@example.org", 51, later); d.Passes() || d.Action != Refuse {
		t.Errorf("the rest of it: %+v", d.Decisive)
	}
	if d := send("e@example.org", 2, later); d.Passes() || d.Action != Defer || d.Decisive.Limit.Max != 50 || d.Decisive.Used != 49 || !d.Decisive.Room.Equal(later.Add(61*time.Minute)) {
		t.Errorf("one more than half: %+v", d.Decisive)
	}
	if d := send("e@example.org", 1, later); !d.Passes() {
		t.Errorf("half: %+v", d.Decisive)
	}
	d = send("f@example.org", 30, later.Add(time.Minute))
	if d.Passes() || d.Action != Defer || d.Decisive.Used != 0 || d.Decisive.Want != 30 || d.Decisive.Limit.Max != 25 {
		t.Fatalf("more than a share of what is short: %+v", d.Decisive)
	}
	if want := later.Add(61 * time.Minute); !d.Decisive.Room.Equal(want) {
		t.Errorf("it passes at %v, want %v", d.Decisive.Room, want)
	}
	if d := send("f@example.org", 30, d.Decisive.Room); !d.Passes() {
		t.Errorf("when it was told to come: %+v", d.Decisive)
	}
}

// TestShareOfFew: half of a limit is rounded up, and what a share is of a limit of one recipient is of one.
func TestShareOfFew(t *testing.T) {
	for most, free := range map[int64]int{1: 1, 2: 1, 3: 2, 5: 3, 100: 50} {
		own, all := &Counter{}, &Counter{}
		levels := []Level{{Subject{Account, "a@example.org"}, nil, own}, {Subject{Domain, "example.org"}, []Limit{{Recipients, Hour, most, Defer, false, 1, 0, 0, false}}, all}}
		sent := 0
		for {
			d := Decide(levels, Amounts{Recipients: 1}, 0, noon)
			if !d.Passes() {
				break
			}
			Count(levels, Amounts{Recipients: 1}, &d)
			sent++
		}
		if sent != free {
			t.Errorf("of %d one account has %d, want %d", most, sent, free)
		}
	}
}

// TestNear: somebody is warned once in a window, by the message that comes over the mark.
func TestNear(t *testing.T) {
	c := &Counter{}
	levels := []Level{{Subject{Account, "a@example.org"}, []Limit{{Recipients, Hour, 10, Defer, false, 0, 0, 0, false}, {Recipients, Day, 1000, Defer, false, 0, 0, 0, false}}, c}}
	var warned []int
	for i := range 200 {
		d := Decide(levels, Amounts{Recipients: 1}, 80, noon.Add(time.Duration(i)*time.Minute))
		if len(d.Near) > 0 {
			warned = append(warned, i)
		}
		if d.Passes() {
			Count(levels, Amounts{Recipients: 1}, &d)
		}
		again, err := Decode(c.AppendBinary(nil)) // the mark is stored too
		if err != nil {
			t.Fatal(err)
		}
		*c = *again
	}
	// Ten in the first ten minutes; room again from the 61st on, when nine are still used.
	if !slices.Equal(warned, []int{7, 67, 127, 187}) {
		t.Errorf("warned at the minutes %v", warned)
	}
}

// TestNearOfFew: where a part of a limit is no whole number, nobody is warned below it.
func TestNearOfFew(t *testing.T) {
	for _, tt := range []struct{ most, warn, first int64 }{{1, 80, 1}, {2, 80, 2}, {3, 80, 3}, {4, 50, 2}, {5, 80, 4}, {6, 80, 5}, {99, 1, 1}, {101, 99, 100}} {
		c := &Counter{}
		levels := []Level{{Subject{Account, "a@example.org"}, []Limit{{Measure: Messages, Window: Hour, Max: tt.most, Action: Defer}}, c}}
		for n := int64(1); n <= tt.most; n++ {
			d := Decide(levels, Amounts{Messages: 1}, int(tt.warn), noon)
			if (len(d.Near) > 0) != (n == tt.first) {
				t.Errorf("%d percent of %d: warned at message %d: %v", tt.warn, tt.most, n, len(d.Near) > 0)
			}
			Count(levels, Amounts{Messages: 1}, &d)
		}
	}
	if got := warnFrom(math.MaxInt64, 100); got < math.MaxInt64-100 {
		t.Errorf("of the largest number %d", got)
	}
}

// TestPercent: parts of large numbers do not overflow.
func TestPercent(t *testing.T) {
	if got := percent(math.MaxInt64, 80); got < math.MaxInt64/100*79 {
		t.Errorf("80 percent of the largest number are %d", got)
	}
	if got := percent(10, 25); got != 2 {
		t.Errorf("a quarter of 10 is %d", got)
	}
}

// TestFailedRecipients: they are counted when they have failed, and what comes once there is
// no room for one more is over the limit, however many recipients it has.
func TestFailedRecipients(t *testing.T) {
	c := &Counter{}
	levels := []Level{{Subject{Account, "a@example.org"}, []Limit{{FailedRecipients, Hour, 3, Defer, false, 0, 0, 0, false}}, c}}
	message := Amounts{Messages: 1, Recipients: 100}
	for i := range 3 {
		if d := Decide(levels, message, 0, noon); !d.Passes() || d.Over != nil {
			t.Fatalf("with %d failed: %+v", i, d.Decisive)
		}
		c.Count(Amounts{FailedRecipients: 1}, all, noon, noon)
	}
	d := Decide(levels, message, 0, noon)
	if d.Passes() || d.Action != Defer || d.Decisive.Used != 3 || d.Decisive.Want != 0 || !d.Decisive.Room.Equal(noon.Add(61*time.Minute)) {
		t.Fatalf("with 3 failed: %+v", d.Decisive)
	}
	if d := Decide(levels, message, 0, d.Decisive.Room); !d.Passes() {
		t.Errorf("when there is room: %+v", d.Decisive)
	}
	only := Only([]Level{{Limits: []Limit{{Measure: Messages}, {Measure: FailedRecipients, Max: 7}}}, {Limits: []Limit{{Measure: Messages}}}}, FailedRecipients)
	if len(only) != 1 || len(only[0].Limits) != 1 || only[0].Limits[0].Max != 7 {
		t.Errorf("those with such limits are %+v", only)
	}
}

// TestBacklogLeavesRoomForOthers: what waits for its turn uses up the hour in which it goes,
// of every level, and no hour before.
func TestBacklogLeavesRoomForOthers(t *testing.T) {
	everything := &Counter{}
	of := map[string]*Counter{}
	send := func(login string, own []Limit, at time.Time) bool {
		if of[login] == nil {
			of[login] = &Counter{}
		}
		levels := []Level{{Subject{Account, login}, own, of[login]}, {Subject{Everything, ""}, []Limit{{Messages, Hour, 200, Defer, false, 0, 0, 0, false}}, everything}}
		d := Decide(levels, Amounts{Messages: 1}, 0, at)
		if d.Passes() {
			Count(levels, Amounts{Messages: 1}, &d)
		}
		return d.Passes()
	}
	slow := []Limit{{Messages, Hour, 10, Slow, false, 0, 0, 0, false}}
	for hour := range 24 {
		at := noon.Add(time.Duration(hour) * 62 * time.Minute)
		for range 400 {
			send("mallory@example.org", slow, at)
		}
		passed := 0
		for range 200 {
			if send("honest@example.com", nil, at) {
				passed++
			}
		}
		if passed < 180 {
			t.Fatalf("in hour %d %d of 200 messages of somebody else pass", hour, passed)
		}
	}
}

// TestSlowedBelowOthers: a message that is slowed is held against the other limits at the time
// at which it goes.
func TestSlowedBelowOthers(t *testing.T) {
	account, domain := &Counter{}, &Counter{}
	levels := []Level{
		{Subject{Account, "a@example.org"}, []Limit{{Messages, Hour, 1, Slow, false, 0, 0, 0, false}}, account},
		{Subject{Domain, "example.org"}, []Limit{{Messages, Hour, 1, Defer, false, 0, 0, 0, false}}, domain},
	}
	one := Amounts{Messages: 1}
	for turn := range 3 {
		d := Decide(levels, one, 0, noon)
		if !d.Passes() || !d.Slot.Equal(noon.Add(time.Duration(turn)*61*time.Minute)) {
			t.Fatalf("turn %d is at %v: %+v", turn, d.Slot, d.Decisive)
		}
		Count(levels, one, &d)
	}
	// Another account of the domain finds the domain's hour taken.
	other := []Level{{Subject{Account, "b@example.org"}, nil, &Counter{}}, levels[1]}
	if d := Decide(other, one, 0, noon.Add(30*time.Minute)); d.Passes() || d.Decisive.Subject.Kind != Domain {
		t.Errorf("two within an hour: %+v", d)
	}
}

// TestHeldCountsAlone: what one account's limit holds does not use up its domain's.
func TestHeldCountsAlone(t *testing.T) {
	levels := []Level{
		{Subject{Account, "a@example.org"}, []Limit{{Messages, Hour, 1, Hold, false, 0, 0, 0, false}}, &Counter{}},
		{Subject{Domain, "example.org"}, []Limit{{Messages, Hour, 2, Defer, false, 0, 0, 0, false}}, &Counter{}},
	}
	for range 10 {
		d := Decide(levels, Amounts{Messages: 1}, 0, noon)
		if !d.Passes() {
			t.Fatalf("%+v", d.Decisive)
		}
		Count(levels, Amounts{Messages: 1}, &d)
	}
	if own, all := levels[0].Counter.Used(Hour, Messages, noon), levels[1].Counter.Used(Hour, Messages, noon); own != 10 || all != 1 {
		t.Errorf("%d are counted of the account, %d of the domain", own, all)
	}
}

// TestHeldWarnsOfItsOwnAlone: what is held counts in the level that holds it, and so nobody is warned of
// another, once for each message that is held.
func TestHeldWarnsOfItsOwnAlone(t *testing.T) {
	at := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	own, err := Parse("recipients/day=1000")
	if err != nil {
		t.Fatal(err)
	}
	own.Action = Hold
	other := own
	other.Action, other.Max = Defer, 1200
	levels := []Level{
		{Subject{Account, "ann@one.example"}, []Limit{own}, &Counter{}},
		{Subject{Customer, "acme"}, []Limit{other}, &Counter{}},
	}
	warned := map[Kind]int{}
	for i := range 50 {
		q := &Question{Levels: levels, Want: Amounts{Messages: 1, Recipients: 1001}, Warn: 80}
		d := Decide(q.Levels, q.Want, q.Warn, at.Add(time.Duration(i)*time.Second))
		for _, b := range d.Near {
			warned[b.Subject.Kind]++
		}
		q.Count(&d)
	}
	if warned[Customer] != 0 || warned[Account] != 1 {
		t.Errorf("warned were %v", warned)
	}
}

// TestNearBesideShadow: people are told of the limit that counts, and of none in shadow, beside it or alone.
func TestNearBesideShadow(t *testing.T) {
	levels := []Level{{Subject{Account, "a@example.org"}, []Limit{
		{Measure: Messages, Window: Hour, Max: 10, Action: Defer}, {Measure: Messages, Window: Hour, Max: 5, Action: Defer, Shadow: true},
		{Measure: Recipients, Window: Hour, Max: 5, Action: Defer, Shadow: true},
	}, &Counter{}}}
	told := map[string]int{}
	for i := range 9 {
		q := &Question{Levels: levels, Want: Amounts{Messages: 1, Recipients: 1}, Warn: 80}
		d := Decide(q.Levels, q.Want, q.Warn, noon)
		for _, b := range d.Near {
			told[b.Limit.String()] = i + 1
		}
		if shadows := len(d.Over); d.Decisive != nil || (shadows > 0) != (i >= 5) {
			t.Errorf("message %d is over %+v", i+1, d.Over)
		}
		q.Count(&d)
	}
	if len(told) != 1 || told["messages/hour=10"] != 8 {
		t.Errorf("told is %v", told)
	}
}

// TestNearAfterShadow: what was tried in shadow leaves no mark, so that of the limit that counts in its place
// somebody is told in the same window.
func TestNearAfterShadow(t *testing.T) {
	c, l := &Counter{}, Limit{Measure: Messages, Window: Day, Max: 10, Action: Defer, Shadow: true}
	near := 0
	for i := range 10 {
		l.Shadow = i < 9
		q := &Question{Levels: []Level{{Subject{Account, "a@example.org"}, []Limit{l}, c}}, Want: Amounts{Messages: 1}, Warn: 80}
		d := Decide(q.Levels, q.Want, q.Warn, noon)
		if len(d.Near) > 0 && l.Shadow {
			t.Errorf("at message %d somebody is told of one in shadow", i+1)
		}
		near += len(d.Near)
		q.Count(&d)
	}
	if near != 1 {
		t.Errorf("told was %d times", near)
	}
}
