package limit

import (
	"math"
	"strings"
	"time"

	"countersign/internal/limit/cells"
)

// Subject is whom a limit bounds.
type Subject struct {
	Kind Kind
	// Name is what the subject is called: a login, a domain, a customer, a network, a
	// node, the id of a credential; "" for Everything.
	Name string
}

// String returns "account a@example.org".
func (s Subject) String() string { return strings.TrimSpace(s.Kind.String() + " " + s.Name) }

// Level is one subject of a message, with its limits and what was counted of it.
type Level struct {
	Subject Subject
	// Limits are never changed: other levels may have the same list.
	Limits  []Limit
	Counter *Counter
}

// Question is what a message is judged by.
type Question struct {
	// Levels are its subjects with their limits; who judges puts the counters in.
	Levels []Level
	// Want is what the message would add. How many recipients are new is found out by who
	// judges.
	Want Amounts
	// Contacts are its recipients, where a limit of new ones is among the levels; nil else.
	Contacts *Contacts
	// Apart says that this is no message but a connection, which has counters of its own.
	Apart bool
	// Self is who holds what is counted at once, and Alive says which holders are there still;
	// who judges sets both.
	Self  string
	Alive func(holder string) bool
	// Warn is of how many percent used somebody is to be warned, 0 for never.
	Warn int
}

// Ledger is what was counted before.
type Ledger interface {
	// Counter returns the counter of a subject.
	Counter(Subject) *Counter
	// Met returns on which day somebody wrote to a recipient last; 0 for never.
	Met(Contact) int64
}

// Judge decides by a ledger, and does not count. It may be asked again.
func (q *Question) Judge(by Ledger, at time.Time) Decision {
	for i := range q.Levels {
		c := by.Counter(q.Key(i))
		if q.Alive != nil {
			c.Bury(q.Alive)
		}
		q.Levels[i].Counter = c
	}
	if q.Contacts != nil {
		q.Want[NewRecipients] = q.Contacts.new(by, at)
	}
	return Decide(q.Levels, q.Want, q.Warn, at)
}

// windows are those that are counted in: of its own limits, and of those of which it may
// have a share.
func (l *Level) windows(levels []Level) (in Windowed) {
	for i := range levels {
		for _, k := range levels[i].Limits {
			if &levels[i] == l || k.Share > 0 && l.Subject.Kind == Account {
				in = in.And(k.Window)
			}
		}
	}
	return in
}

// CountsIn reports whether what is sent is counted of the level in a window, by a limit of its own,
// or by one of the levels of which it may have a share. Limits of connections count no messages.
func (l *Level) CountsIn(w Window, levels []Level) bool {
	for i := range levels {
		for _, k := range levels[i].Limits {
			own := levels[i].Subject == l.Subject || k.Share > 0 && l.Subject.Kind == Account
			if own && k.Window == w && k.Measure != Connections {
				return true
			}
		}
	}
	return false
}

// Breach is one limit that a message is over, or near to.
type Breach struct {
	Subject Subject
	Limit   Limit
	// Of is whose limit it is where Subject is over its share of it; zero where it is its own.
	Of Subject
	// Used is what was counted, Want what the message would add.
	Used, Want int64
	// Room is from when on it would pass, if nothing else comes; zero for never, and where
	// it is only near, or the limit is of one message or connection.
	Room time.Time
	// Next is from when on one more would pass than does at this moment, if nothing else comes; zero where
	// the limit refuses nothing.
	Next time.Time
}

// Left is how much of the limit is not used.
func (b *Breach) Left() int64 { return max(b.Limit.Max-b.Used, 0) }

// Key names a limit of a subject, for those who look it up.
type Key struct {
	Subject Subject
	Measure Measure
	Window  Window
}

// Key names the limit.
func (b *Breach) Key() Key { return Key{b.Subject, b.Limit.Measure, b.Limit.Window} }

// Never reports whether there is never room for what is wanted.
func (b *Breach) Never() bool {
	if b.Limit.Window.Passing() {
		return b.Want > b.Limit.Max
	}
	return b.Room.IsZero()
}

// Action is what follows. What never has room is not to be tried again, nor ever sent.
func (b *Breach) Action() Action {
	if b.Never() && b.Limit.Action != Hold {
		return Refuse
	}
	return b.Limit.Action
}

// Strictest returns the one of the strictest action of those that are not in shadow, the first of
// several; nil for none.
func Strictest(over []Breach) (most *Breach) {
	for i := range over {
		if b := &over[i]; !b.Limit.Shadow && (most == nil || b.Action() > most.Action()) {
			most = b
		}
	}
	return most
}

// Decision is what becomes of a message.
type Decision struct {
	// At is when it was made, by the clock of who counts.
	At time.Time
	// Over are the limits that it is over at that moment, those in shadow mode among them.
	Over []Breach
	// Decisive is the one that is told to the client: of the strictest action that is not in
	// shadow, the one that has room last, when the message would go. nil where there is none,
	// so that it passes.
	Decisive *Breach
	// Action is what becomes of it where there is a Decisive one: mostly that limit's, but
	// Refuse for what never has room, and Defer for what would have to wait for longer than
	// MaxSlowed.
	Action Action
	// Slot is when it may go: At, or later where it is slowed.
	Slot time.Time
	// Full are limits that have no room for one more behind a message that was counted.
	Full []Breach
	// Near are limits of which so much is used with it that somebody is to be warned, for
	// the first time in their window; none in shadow.
	Near []Breach
}

// MaxSlowed is how long a message waits for its turn at most.
const MaxSlowed = 24 * time.Hour

// Passes reports whether the message is accepted, perhaps to be slowed down or held.
func (d *Decision) Passes() bool { return d.Decisive == nil || d.Action <= Hold }

// Decide judges amounts against all limits of all levels at a moment. warn is of how many
// percent used somebody is to be warned, 0 for never. It changes nothing.
func Decide(levels []Level, want Amounts, warn int, at time.Time) Decision {
	d := Decision{At: at, Slot: at, Over: breaches(levels, want, at)}
	over := d.slow(levels, want)
	if d.Decisive == nil {
		d.decide(over)
	}
	if d.Action != Slow || d.Decisive == nil {
		d.Slot = at // it does not go, or is not in the way
	}
	if d.Passes() && warn > 0 {
		d.Near = near(d.counted(levels), want, warn, at)
	}
	return d
}

// counted are the levels in which a message that passes counts. What is held goes nowhere, and
// counts where it is held alone: whose limit it is must not use up those of others, nor have
// anybody warned of them.
func (d *Decision) counted(levels []Level) []Level {
	if d.Decisive == nil || d.Action != Hold {
		return levels
	}
	for i := range levels {
		if levels[i].Subject == d.Decisive.Subject {
			return levels[i : i+1]
		}
	}
	return nil
}

// slow finds the first moment at which no limit that slows down is in the way, and returns
// what is over then.
func (d *Decision) slow(levels []Level, want Amounts) []Breach {
	last := d.At.Add(MaxSlowed)
	for over := d.Over; ; over = breaches(levels, want, d.Slot) {
		var slowed *Breach
		for i := range over {
			if b := &over[i]; !b.Limit.Shadow && b.Action() == Slow && b.Room.After(d.Slot) {
				d.Slot, slowed = b.Room, b
			}
		}
		switch {
		case slowed == nil:
			return over
		case d.Slot.After(last):
			b := *slowed
			b.Room = d.Slot.Add(-MaxSlowed)
			d.Decisive, d.Action = &b, Defer
			return over
		}
	}
}

// decide takes the strictest of what is over when the message would go; where that is
// nothing, what slows it down.
func (d *Decision) decide(over []Breach) {
	if d.Slot.After(d.At) {
		for i := range d.Over {
			if b := &d.Over[i]; !b.Limit.Shadow && b.Action() == Slow && (d.Decisive == nil || stricter(b, d.Decisive)) {
				d.Decisive, d.Action = b, Slow
			}
		}
	}
	for i := range over {
		b := &over[i]
		if !b.Limit.Shadow && (d.Decisive == nil || b.Action() > d.Action || b.Action() == d.Action && stricter(b, d.Decisive)) {
			d.Decisive, d.Action = b, b.Action()
		}
	}
}

// breaches lists what amounts are over at a moment.
func breaches(levels []Level, want Amounts, at time.Time) (over []Breach) {
	for i := range levels {
		for _, l := range levels[i].Limits {
			if want[l.Measure] == 0 && !l.Measure.fails() {
				continue // what adds nothing is over nothing
			}
			if b, is := breach(&levels[i], l, want, at); is {
				over = append(over, b)
			} else if b, is := shareOf(levels, &levels[i], l, want, at); is {
				over = append(over, b)
			}
		}
	}
	return over
}

// breach reports whether amounts are over a limit of a level.
func breach(level *Level, l Limit, want Amounts, at time.Time) (Breach, bool) {
	n := want[l.Measure]
	if level.Counter.far(l, n) {
		return Breach{}, false
	}
	used := level.Counter.Used(l.Window, l.Measure, at)
	room, ever := level.Counter.RoomAt(l, n, at)
	if l.Measure == FailedRecipients {
		// Nobody knows before how many of a message will fail: there has to be room for one.
		n = 0
		room, ever = level.Counter.RoomAt(Limit{Measure: l.Measure, Window: l.Window, Max: max(l.Max, 1)}, 1, at)
	}
	if l.Measure == FailedShare {
		used, n = level.Counter.share(l.Window, at), 0
		room, ever = level.Counter.shareRoomAt(l, at), true
	}
	if l.Window == AtOnce && ever {
		ever = used <= l.Max-n
	}
	if ever && !room.After(at) {
		return Breach{}, false
	}
	b := Breach{Subject: level.Subject, Limit: l, Used: used, Want: n, Room: room}
	if l.Action >= Defer && !l.Shadow && !l.Measure.fails() {
		b.Next, _ = level.Counter.RoomAt(l, b.Left()+1, at)
	}
	return b, true
}

// shareOf reports whether the account among the levels would have more than its share of a limit
// that is short, or of one that is not more than half, so that nobody makes it short alone and then
// has nearly all of it. Over a share of what is short it is for a time alone.
func shareOf(levels []Level, of *Level, l Limit, want Amounts, at time.Time) (Breach, bool) {
	if l.Share <= 0 || of.Subject.Kind <= Account || l.Measure == FailedShare {
		return Breach{}, false
	}
	part := l.Part()
	until, short := of.Counter.short(l, at)
	if !short {
		part.Max = max(part.Max, l.plenty())
	}
	for i := range levels {
		if levels[i].Subject.Kind != Account {
			continue
		}
		b, is := breach(&levels[i], part, want, at)
		b.Of = of.Subject
		if short && want[l.Measure] <= max(part.Max, l.plenty()) && (b.Room.IsZero() || until.Before(b.Room)) {
			b.Room = until
		}
		return b, is
	}
	return Breach{}, false
}

// near lists the limits of which so much is used with these amounts that somebody is to be
// warned: none in shadow.
func near(levels []Level, want Amounts, warn int, at time.Time) (list []Breach) {
	for i := range levels {
		c := levels[i].Counter
		for _, l := range levels[i].Limits {
			if !l.Window.Lasts() || l.Measure == FailedShare || l.Shadow {
				continue // somebody is told once in a window, which is for the limit that counts, now or later
			}
			n, from := want[l.Measure], warnFrom(l.Max, warn)
			if c.below(l.Window, l.Measure, from-1-n) {
				continue
			}
			used := c.Used(l.Window, l.Measure, at)
			counts := n > 0 || l.Measure == FailedRecipients && used > 0
			if counts && cells.Plus(used, n) >= from && c.warn(l, at) {
				list = append(list, Breach{Subject: levels[i].Subject, Limit: l, Used: used, Want: n})
			}
		}
	}
	return list
}

// warnFrom is of how much somebody is warned: a part of a number, rounded up, so that of a few it is not
// less than that part.
func warnFrom(n int64, part int) int64 {
	from := percent(n, part)
	if n <= math.MaxInt64/100 && n*int64(part)%100 != 0 {
		from++
	}
	return from
}

// percent returns a part of a number, rounded down.
func percent(n int64, part int) int64 {
	if n > math.MaxInt64/100 {
		return n / 100 * int64(part)
	}
	return n * int64(part) / 100
}

// stricter reports whether a comes before b.
func stricter(a, b *Breach) bool {
	switch {
	case a.Action() != b.Action():
		return a.Action() > b.Action()
	case a.Room.IsZero() || b.Room.IsZero():
		return a.Room.IsZero() && !b.Room.IsZero()
	}
	return a.Room.After(b.Room)
}

// Count counts amounts that pass in all levels, at the time at which they go, and notes of
// what was warned. What is held counts where it is held alone.
func Count(levels []Level, amounts Amounts, d *Decision) {
	counted := d.counted(levels)
	for i := range counted {
		l := &counted[i]
		l.Counter.Count(amounts, l.windows(levels), d.Slot, d.At)
		for _, b := range d.Near {
			if b.Subject == l.Subject {
				l.Counter.warned(b.Limit, d.At)
			}
		}
	}
}
