package tally

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"countersign/internal/limit"
)

// sent is a message of the slow model, which keeps all and adds up anew.
type sent struct{ messages, recipients, bytes int64 }

// of is what a message has of a measure.
func (s sent) of(m limit.Measure) int64 {
	return [...]int64{limit.Messages: s.messages, limit.Recipients: s.recipients, limit.Bytes: s.bytes}[m]
}

func (s sent) amounts() limit.Amounts {
	return limit.Amounts{limit.Messages: s.messages, limit.Recipients: s.recipients, limit.Bytes: s.bytes}
}

// fits reports whether a message is within a limit, by all that the connection has sent.
func fits(before []sent, s sent, l limit.Limit) bool {
	sum := s.of(l.Measure)
	if l.Window == limit.PerConnection {
		for _, one := range before {
			sum += one.of(l.Measure)
		}
	}
	return sum <= l.Max
}

var (
	measured = []struct {
		m limit.Measure
		w limit.Window
	}{
		{limit.Messages, limit.PerConnection}, {limit.Recipients, limit.PerConnection}, {limit.Bytes, limit.PerConnection},
		{limit.Recipients, limit.PerMessage}, {limit.Bytes, limit.PerMessage},
	}
	subjects = []limit.Subject{{Kind: limit.Account, Name: "a@example.org"}, {Kind: limit.Domain, Name: "example.org"}, {Kind: limit.Everything}}
)

// drawn are levels with limits of what is tallied, and one of an hour, which is not.
func drawn(t *rapid.T) (levels []limit.Level) {
	for _, s := range subjects {
		level := limit.Level{Subject: s, Limits: []limit.Limit{{Measure: limit.Messages, Window: limit.Hour}}}
		for range rapid.IntRange(0, 3).Draw(t, "limits") {
			of := rapid.SampledFrom(measured).Draw(t, "of")
			level.Limits = append(level.Limits, limit.Limit{
				Measure: of.m, Window: of.w, Max: rapid.Int64Range(0, 12).Draw(t, "max"),
				Action: rapid.SampledFrom([]limit.Action{limit.Hold, limit.Defer, limit.Refuse}).Draw(t, "action"),
				Shadow: rapid.IntRange(0, 3).Draw(t, "shadow") == 0,
			})
		}
		levels = append(levels, level)
	}
	return levels
}

// TestExact: what passes, what is held and what is refused is what a model says that adds all up
// anew; what was refused counts nowhere; and recipients that are named one by one are refused from the first
// on with whom the message would be.
func TestExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels, tally, model := drawn(t), Tally{}, []sent(nil)
		for range rapid.IntRange(1, 20).Draw(t, "messages") {
			s := sent{1, rapid.Int64Range(1, 6).Draw(t, "recipients"), rapid.Int64Range(1, 6).Draw(t, "bytes")}
			d := tally.Judge(levels, s.amounts())
			over, action := 0, limit.Slow
			for _, level := range levels {
				for _, l := range level.Limits {
					if !l.Window.Passing() || fits(model, s, l) {
						continue
					}
					over++
					if l.Action != limit.Hold && s.of(l.Measure) > l.Max {
						l.Action = limit.Refuse // no connection has room for it
					}
					if !l.Shadow {
						action = max(action, l.Action)
					}
				}
			}
			if len(d.Over) != over || (d.Decisive != nil) != (action > limit.Slow) || d.Decisive != nil && d.Action != action {
				t.Fatalf("%+v behind %+v: over %+v, %s; the model has %d, %s", s, model, d.Over, d.Action, over, action)
			}
			oneByOne(t, &tally, levels, s, model)
			if d.Passes() {
				tally.Add(s.amounts())
				model = append(model, s)
			}
		}
	})
}

// oneByOne holds recipients that are named one by one against the model.
func oneByOne(t *rapid.T, tally *Tally, levels []limit.Level, s sent, model []sent) {
	for n := range s.recipients {
		over := tally.Over(levels, limit.Amounts{limit.Recipients: n}, limit.Amounts{limit.Recipients: 1})
		want := 0
		for _, level := range levels {
			for _, l := range level.Limits {
				if l.Measure == limit.Recipients && !fits(model, sent{0, n + 1, 0}, l) {
					want++
				}
			}
		}
		if len(over) != want {
			t.Fatalf("with %d before it in the message and %+v before that, a recipient is over %+v, want %d", n, model, over, want)
		}
	}
}

// TestLargest: sums do not run over.
func TestLargest(t *testing.T) {
	levels := []limit.Level{{Limits: []limit.Limit{{Measure: limit.Bytes, Window: limit.PerConnection, Max: math.MaxInt64, Action: limit.Defer}}}}
	tally := Tally{}
	for range 2 {
		tally.Add(limit.Amounts{limit.Bytes: math.MaxInt64 - 1})
	}
	if d := tally.Judge(levels, limit.Amounts{limit.Bytes: 1}); d.Passes() || d.Action != limit.Defer {
		t.Errorf("behind the largest number: %+v", d)
	}
}

// TestFirstOfTheStrictest: the strictest action decides, and of several the narrowest subject's.
func TestFirstOfTheStrictest(t *testing.T) {
	of := func(action limit.Action) []limit.Limit {
		return []limit.Limit{{Measure: limit.Messages, Window: limit.PerConnection, Max: 1, Action: action}}
	}
	levels := []limit.Level{{Subject: subjects[0], Limits: of(limit.Hold)}, {Subject: subjects[1], Limits: of(limit.Defer)}, {Subject: subjects[2], Limits: of(limit.Defer)}}
	tally := Tally{}
	tally.Add(limit.Amounts{limit.Messages: 1})
	if d := tally.Judge(levels, limit.Amounts{limit.Messages: 1}); d.Decisive == nil || d.Decisive.Subject != subjects[1] || d.Action != limit.Defer || d.Decisive.Used != 1 {
		t.Errorf("%+v decides", d.Decisive)
	}
}
