package simulation

import (
	"slices"
	"testing"
	"time"

	"countersign/internal/limit"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// TestSimulation: what would have been over is told for each subject, and does not use up what
// comes after it.
func TestSimulation(t *testing.T) {
	hour := limit.Limit{Measure: limit.Recipients, Window: limit.Hour, Max: 10, Action: limit.Refuse}
	s := New(Options{Limits: []limit.Limit{hour, {Measure: limit.Messages, Window: limit.Day, Max: 1000}}, Kind: limit.Account, Of: func(by Sender) (string, Placed) {
		if by.Login == "other@example.com" {
			return "", Elsewhere
		}
		return by.Login, Here
	}})
	for i := range 12 {
		at := noon.Add(time.Duration(i) * time.Minute)
		s.Add(&Message{Sender: Sender{Login: "a@example.org"}, Recipients: 2, At: at})
		s.Add(&Message{Sender: Sender{Login: "b@example.org"}, Recipients: 1, At: at})
		s.Add(&Message{Sender: Sender{Login: "c@example.org"}, Recipients: 0, At: at})
		s.Add(&Message{Sender: Sender{Login: "other@example.com"}, Recipients: 100, At: at})
	}
	s.Add(&Message{Sender: Sender{Login: "a@example.org"}, Recipients: 2, At: noon.Add(61 * time.Minute)}) // there is room again
	over, all, _ := s.Tallies()
	if len(over) != 2 || over[0].Name != "a@example.org" || over[1].Name != "b@example.org" {
		t.Fatalf("over are %+v", over)
	}
	a, b := over[0], over[1]
	if a.Became.Over() != 7 || a.OverRecipients != 14 || !a.First.Equal(noon.Add(5*time.Minute)) || !a.Last.Equal(noon.Add(11*time.Minute)) || a.By != hour {
		t.Errorf("of a: %+v", a)
	}
	if b.Became.Over() != 2 || b.Messages != 12 {
		t.Errorf("of b: %+v", b)
	}
	if all.Messages != 37 || all.Became.Over() != 9 || all.OverRecipients != 16 || !all.First.Equal(a.First) || !all.Last.Equal(a.Last) {
		t.Errorf("of all: %+v", all)
	}
}

// TestShareOfFailures: what fails is counted of the account that has sent it, too, where that has a share of
// the limit.
func TestShareOfFailures(t *testing.T) {
	for share, over := range map[int]bool{0: false, 25: true} {
		failing := limit.Limit{Measure: limit.FailedRecipients, Window: limit.Hour, Max: 8, Share: share, Action: limit.Defer}
		s := New(Options{Limits: []limit.Limit{failing}, Kind: limit.Domain, Of: func(Sender) (string, Placed) { return "example.org", Here }})
		for range 5 {
			s.Failed(Sender{Login: "a@example.org"}, "01KA0000000000000000000000", noon)
		}
		for _, login := range []string{"a@example.org", "b@example.org"} {
			s.Add(&Message{Sender: Sender{Login: login}, Recipients: 1, At: noon.Add(time.Minute)})
		}
		if _, all, _ := s.Tallies(); all.Messages != 2 || all.Became[Deferred] > 1 || (all.Became[Deferred] == 1) != over || over && !all.Share {
			t.Errorf("of a share of %d: %+v", share, all)
		}
	}
}

// TestOrderOfLimits: what limits would have done does not depend on the order in which somebody names them, though
// two that are over alike each count what is held in a place of its own.
func TestOrderOfLimits(t *testing.T) {
	read := func(text string, share int) limit.Limit {
		l, err := limit.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		l.Action, l.Share = limit.Hold, share
		return l
	}
	of := func(Sender) (string, Placed) { return "a.example", Here }
	limits := []limit.Limit{read("recipients/day=3", 0), read("new-recipients/day=3", 1)}
	for range 2 {
		s := New(Options{Limits: limits, Kind: limit.Domain, Of: of})
		for n, m := range []Message{
			{Sender: Sender{Login: "x@a.example"}, Contacts: []int64{1}}, {Sender: Sender{Login: "y@a.example"}, Contacts: []int64{1}},
			{Sender: Sender{Login: "x@a.example"}, Contacts: []int64{1, 2}}, {Sender: Sender{Login: "x@a.example"}, Contacts: []int64{1}},
		} {
			m.Recipients, m.Size, m.At = int64(len(m.Contacts)), 1, time.Date(2026, 11, 27, 12, 0, n, 0, time.UTC)
			s.Add(&m)
		}
		if _, all, _ := s.Tallies(); all.Became[Passed] != 2 || all.Became[Held] != 2 {
			t.Errorf("%v: %v", limits, all.Became)
		}
		slices.Reverse(limits)
	}
}
