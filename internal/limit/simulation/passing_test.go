package simulation

import (
	"strconv"
	"testing"
	"time"

	"countersign/internal/limit"
	"countersign/internal/mail"
)

// every counts all by login.
func every(by Sender) (string, Placed) { return by.Login, Here }

// byAccount simulates limits of accounts.
func byAccount(limits []limit.Limit) *Simulation {
	return New(Options{Limits: limits, Kind: limit.Account, Of: every})
}

func parsed(t *testing.T, texts ...string) (list []limit.Limit) {
	t.Helper()
	for _, text := range texts {
		l, err := limit.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

const ann = "ann@example.org"

func id(n int) mail.ID { return mail.ID(strconv.Itoa(n)) }

// TestPassing: of one message what it has decides, of one connection what that has sent.
func TestPassing(t *testing.T) {
	s := byAccount(parsed(t, "recipients/message=3", "messages/connection=2", "bytes/connection=100", "messages/hour=100"))
	for n, c := range []struct {
		session, recipients, size int
		over                      string
	}{
		{1, 3, 50, ""}, {1, 4, 10, "recipients/message=3"}, {1, 1, 51, "bytes/connection=100"}, {1, 1, 50, ""},
		{1, 1, 0, "messages/connection=2"}, {2, 1, 100, ""}, {2, 1, 1, "bytes/connection=100"},
	} {
		before := s.overMessages(ann)
		s.Add(&Message{Sender: Sender{Login: ann}, ID: id(n), Session: id(c.session), Recipients: int64(c.recipients), Size: int64(c.size), At: noon.Add(time.Duration(n) * time.Second)})
		if got := s.overMessages(ann) > before; got != (c.over != "") {
			t.Errorf("message %d is over: %v, want %q", n, got, c.over)
		}
	}
	over, all, _ := s.Tallies()
	if len(over) != 1 || all.Became.Over() != 4 || all.By.String() != "recipients/message=3" {
		t.Errorf("over are %+v", all)
	}
	for n := range manySessions + 10 { // what was sent long ago is forgotten
		s.Add(&Message{Sender: Sender{Login: ann}, ID: id(n), Session: id(n + 10), At: noon.Add(time.Duration(n) * time.Second * 5)})
	}
	if len(s.sessions) > manySessions {
		t.Errorf("%d connections are remembered", len(s.sessions))
	}
}

// TestManySessionsAtOnce: with many connections in a short time, not all that are remembered are
// looked through for each message, which would take minutes here.
func TestManySessionsAtOnce(t *testing.T) {
	s, began := byAccount(parsed(t, "messages/connection=2")), time.Now()
	for n := range 2 * manySessions {
		s.Add(&Message{Sender: Sender{Login: ann}, ID: id(n), Session: id(n), At: noon.Add(time.Duration(n) * time.Millisecond)})
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("%d messages took %v", 2*manySessions, took)
	}
}

func (s *Simulation) overMessages(login string) int64 {
	t := s.tallies[login]
	if t == nil {
		return 0
	}
	return t.Became.Over()
}

// TestFailures: what failed keeps out what comes, and what would not have been sent does not fail.
func TestFailures(t *testing.T) {
	s := byAccount(parsed(t, "failed-recipients/hour=2"))
	send := func(n int, at time.Time) bool {
		before := s.overMessages(ann)
		s.Add(&Message{Sender: Sender{Login: ann}, ID: id(n), Recipients: 1, Fails: true, At: at})
		return s.overMessages(ann) == before
	}
	if !send(1, noon) || !send(2, noon) {
		t.Fatal("over before anything has failed")
	}
	s.Failed(Sender{Login: ann}, id(1), noon)
	if !send(3, noon) {
		t.Fatal("over with one that failed")
	}
	s.Failed(Sender{Login: ann}, id(2), noon)
	if send(4, noon) {
		t.Fatal("not over with two that failed")
	}
	for n := range 10 {
		s.Failed(Sender{Login: ann}, id(4), noon.Add(time.Duration(n)*time.Minute)) // it would not have been sent
	}
	if !send(5, noon.Add(61*time.Minute)) {
		t.Error("what would not have been sent has failed")
	}
	share := parsed(t, "failed-share/day=20")
	share[0].Least = 2
	s = byAccount(share)
	for n := range 10 {
		if !send(n, noon) {
			t.Fatal("over before anything has failed")
		}
	}
	s.Failed(Sender{Login: ann}, id(1), noon)
	s.Failed(Sender{Login: ann}, id(2), noon)
	if !send(11, noon) {
		t.Error("over at a share of 20")
	}
	s.Failed(Sender{Login: ann}, id(3), noon)
	if send(12, noon) {
		t.Error("not over at a share of 28")
	}
}

// TestShareOfFailures: of a limit with a share what fails is counted for its account too: who has had
// that is over, and others are not.
func TestShareOfFailures(t *testing.T) {
	limits := parsed(t, "failed-recipients/hour=8")
	limits[0].Share = 50
	s := New(Options{Limits: limits, Kind: limit.Domain, Of: func(Sender) (string, Placed) { return "example.org", Here }})
	send := func(n int, login string) bool {
		before := s.overMessages("example.org")
		s.Add(&Message{Sender: Sender{Login: login}, ID: id(n), Recipients: 1, Fails: true, At: noon})
		return s.overMessages("example.org") == before
	}
	for n := range 5 {
		if !send(n, ann) {
			t.Fatalf("over with %d that failed", n)
		}
		s.Failed(Sender{Login: ann}, id(n), noon)
	}
	if send(5, ann) {
		t.Error("not over with five that failed of eight, of which it may have four")
	}
	if !send(6, "bob@example.org") {
		t.Error("who has none that failed is over")
	}
}

// TestNewRecipients: whom somebody has written to lately is not new, whether that was judged or not.
func TestNewRecipients(t *testing.T) {
	s := byAccount(parsed(t, "new-recipients/day=2"))
	day := 24 * time.Hour
	s.Met(&Message{Sender: Sender{Login: ann}, Contacts: []int64{1, 2, 3}, At: noon.Add(-80 * day)})
	s.Met(&Message{Sender: Sender{Login: ann}, Contacts: []int64{4}, At: noon.Add(-95 * day)})
	for n, c := range []struct {
		contacts []int64
		over     int64
	}{{[]int64{1, 2, 3, 5}, 0}, {[]int64{4}, 0}, {[]int64{6}, 1}, {[]int64{1, 4, 5}, 1}, {[]int64{6}, 2}} {
		s.Add(&Message{Sender: Sender{Login: ann}, ID: id(n), Contacts: c.contacts, Recipients: int64(len(c.contacts)), At: noon})
		if got := s.overMessages(ann); got != c.over {
			t.Errorf("message %d: %d are over, want %d", n, got, c.over)
		}
	}
}

// TestConnections: those that come in a time, and those that are there at once; who is turned away is not there,
// and one whose end is not known is not there for ever.
func TestConnections(t *testing.T) {
	s := byAccount(parsed(t, "connections/at-once=2", "connections/minute=4"))
	n := 0
	come := func(at time.Time) bool {
		n++
		before := int64(0)
		if t := s.tallies[ann]; t != nil {
			before = t.Entered.Over()
		}
		s.Came(Sender{Login: ann}, id(n), at)
		return s.tallies[ann].Entered.Over() == before
	}
	three := func(at time.Time) [3]bool { return [3]bool{come(at), come(at), come(at)} }
	if got := three(noon); got != [3]bool{true, true, false} {
		t.Fatalf("two are there at once: %v", got)
	}
	s.Left(id(3), noon) // it was turned away
	if come(noon) {
		t.Fatal("who was turned away has left")
	}
	s.Left(id(1), noon)
	s.Left(id(1), noon)
	if !come(noon) || come(noon) {
		t.Fatal("one has left")
	}
	s.Left(id(2), noon)
	if !come(noon) {
		t.Fatal("another has left")
	}
	s.Left(id(5), noon)
	if come(noon) {
		t.Error("a fifth in a minute")
	}
	if !come(noon.Add(61 * time.Second)) {
		t.Error("a minute later")
	}
	if got := three(noon.Add(25 * time.Hour)); got != [3]bool{true, true, false} {
		t.Errorf("those whose end is not known are there a day later: %v", got)
	}
	over, all, _ := s.Tallies()
	if len(over) != 1 || all.Connections != int64(n) || all.Entered.Over() != 5 || all.By.String() != "connections/at-once=2" {
		t.Errorf("over are %+v", all)
	}
}

// TestMissed: many connections that come together fare as so many that come one after another.
func TestMissed(t *testing.T) {
	limits := parsed(t, "connections/minute=7", "connections/hour=3", "connections/at-once=2")
	limits[1].Shadow = true
	together, single := byAccount(limits), byAccount(limits[:2])
	together.Missed(Sender{Login: ann}, 20, noon)
	for n := range 20 {
		single.Came(Sender{Login: ann}, id(n), noon)
	}
	got, _, unplaced := together.Tallies()
	want, _, _ := single.Tallies()
	if got[0].Entered != want[0].Entered || got[0].Connections != 20 || got[0].Entered != (Outcomes{Passed: 3, Noted: 4, Deferred: 13}) || got[0].By != want[0].By {
		t.Errorf("together %+v, one after another %+v", got[0], want[0])
	}
	if unplaced.Connections != 20 {
		t.Errorf("of %d connections nobody knows whether they were there at once", unplaced.Connections)
	}
}

// TestForgotten: what no window sees any more takes no memory.
func TestForgotten(t *testing.T) {
	limits := parsed(t, "messages/hour=1")
	limits[0].Share = 50
	s := New(Options{Limits: limits, Kind: limit.Domain, Of: func(Sender) (string, Placed) { return "example.org", Here }})
	for n := range 1000 {
		s.Add(&Message{Sender: Sender{Login: string(id(n % 500))}, ID: id(n), At: noon.Add(time.Duration(n) * time.Hour)})
	}
	if len(s.parts) > 30 {
		t.Errorf("%d counters of accounts are kept", len(s.parts))
	}
}
