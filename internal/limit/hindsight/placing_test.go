package hindsight

import (
	"context"
	"strconv"
	"testing"
	"time"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/node"
)

// older is a record in which some events are those of gates that said less.
type older struct {
	book
	gates []node.Node
}

func (o older) Nodes(context.Context) ([]node.Node, error) { return o.gates, nil }

func (older) Sender(_ context.Context, login string) (*account.Sender, error) {
	if login == "gone@example.org" {
		return nil, fault.New("test.sender", fault.NotFound, "there is none")
	}
	return &account.Sender{Account: account.Account{Credentials: []account.Credential{{ID: "CRED1", Name: "scanner"}}}}, nil
}

// add adds an event, each a second later.
func (o *older) add(kind audit.Kind, login string, data map[string]string) {
	e := audit.Event{Seq: int64(len(o.book) + 1), At: theNoon.Add(time.Duration(len(o.book)) * time.Second), Kind: kind, Login: login, Session: mail.ID(strconv.Itoa(len(o.book))), Data: data}
	if kind != audit.EventsOmitted {
		e.Client = "192.0.2.1"
	}
	o.book = append(o.book, e)
}

func asked(t *testing.T, store Store, of limit.Subject, login string, texts ...string) Simulated {
	t.Helper()
	q := Question{For: of, Login: login, Since: theNoon.Add(-time.Minute), Now: theNoon}
	for _, text := range texts {
		l, err := limit.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		q.Limits = append(q.Limits, l)
	}
	s, err := Simulate(t.Context(), store, q)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestUnplaced: of messages whose record does not say by which credential or at which gate they came it is
// told how many there are, and nothing else; of one account no more than its own.
func TestUnplaced(t *testing.T) {
	o := &older{gates: []node.Node{{ID: "a"}, {ID: "b"}}}
	accepted := func(login string, more map[string]string) {
		data := map[string]string{"recipients": "1", "size": "10", "from": login}
		for key, value := range more {
			data[key] = value
		}
		o.add(audit.Accepted, login, data)
	}
	for range 2 {
		accepted("ann@example.org", nil)
		accepted("bob@example.org", nil)
		accepted("ann@example.org", map[string]string{limit.DataCredential: "CRED1", "node": "a"})
		accepted("ann@example.org", map[string]string{limit.DataCredential: limit.NoCredential, "node": "b"})
		accepted("gone@example.org", map[string]string{limit.DataCredential: "CRED2", "node": "b"})
	}
	each := func(k limit.Kind) limit.Subject { return limit.Subject{Kind: k, Name: limit.Each} }
	s := asked(t, o, each(limit.Credential), "", "messages/hour=1")
	if s.Messages != 4 || s.OverMessages != 2 || s.UnplacedMessages != 4 || len(s.Over) != 2 || s.Over[0].Name != "ann@example.org/scanner" && s.Over[1].Name != "ann@example.org/scanner" {
		t.Errorf("of each credential: %+v", s)
	}
	if s.Over[0].Name != "CRED2" && s.Over[1].Name != "CRED2" {
		t.Errorf("of one that is gone: %+v", s.Over)
	}
	s = asked(t, o, limit.Subject{Kind: limit.Credential, Name: "CRED1"}, "ann@example.org", "messages/hour=1")
	if s.Messages != 2 || s.OverMessages != 1 || s.UnplacedMessages != 2 {
		t.Errorf("of one credential: %+v", s)
	}
	s = asked(t, o, limit.Subject{Kind: limit.Node, Name: "b"}, "", "messages/hour=1")
	if s.Messages != 4 || s.OverMessages != 3 || s.UnplacedMessages != 4 {
		t.Errorf("of one gate: %+v", s)
	}
	o.gates = []node.Node{{ID: node.Only}}
	s = asked(t, o, each(limit.Node), "", "messages/hour=1")
	if s.Messages != 10 || s.OverMessages != 4+0+3 || s.UnplacedMessages != 0 {
		t.Errorf("of the only gate: %+v", s)
	}
}

// TestOmitted: connections that the record has only the number of are counted in a time; whose network they
// were, and whether they were there at once, is not known. An older gate has told how many events it left out.
func TestOmitted(t *testing.T) {
	o := &older{gates: []node.Node{{ID: "a"}, {ID: "b"}}}
	for range 3 {
		o.add(audit.SessionOpened, "", map[string]string{"node": "a"})
	}
	o.add(audit.EventsOmitted, "", map[string]string{"network": "192.0.2.0/24", "events": "90", "connections": "40", "node": "a"})
	o.add(audit.EventsOmitted, "", map[string]string{"network": "198.51.100.0/24", "events": "7"})
	everything := limit.Subject{Kind: limit.Everything}
	for name, c := range map[string]struct {
		of                   limit.Subject
		limits               []string
		came, over, unplaced int64
	}{
		"everything":               {everything, []string{"connections/hour=10"}, 50, 40, 0},
		"with room":                {everything, []string{"connections/hour=100"}, 50, 0, 0},
		"at once":                  {everything, []string{"connections/at-once=2"}, 50, 1, 47},
		"a gate":                   {limit.Subject{Kind: limit.Node, Name: "a"}, []string{"connections/hour=10"}, 43, 33, 7},
		"networks":                 {limit.Subject{Kind: limit.Network, Name: limit.Each}, []string{"connections/hour=2"}, 3, 1, 47},
		"an account, at its login": {limit.Subject{Kind: limit.Account, Name: limit.Each}, []string{"connections/hour=1"}, 0, 0, 0},
		"in a minute and an hour":  {everything, []string{"connections/minute=20", "connections/hour=10"}, 50, 40, 0},
	} {
		s := asked(t, o, c.of, "", c.limits...)
		if s.Connections != c.came || s.OverConnections != c.over || s.UnplacedConnections != c.unplaced {
			t.Errorf("%s: %d came, %d over, %d unplaced; want %+v", name, s.Connections, s.OverConnections, s.UnplacedConnections, c)
		}
	}
}

// TestNotSimulated: what could not be set cannot be simulated.
func TestNotSimulated(t *testing.T) {
	for text, of := range map[string]limit.Subject{
		"failed-recipients/hour=1": {Kind: limit.Network, Name: limit.Each},
		"messages/hour=1":          {Kind: limit.Account, Name: limit.Each}, // with a share
	} {
		l, err := limit.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		l.Share = 10
		if _, err := Simulate(t.Context(), older{}, Question{Limits: []limit.Limit{l}, For: of}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s of %s: %v", text, of, err)
		}
	}
}

// TestTwice: of two limits of the same measure and window one would take the place of the other, so that
// there can be no more of them than of these.
func TestTwice(t *testing.T) {
	l := limit.Limit{Measure: limit.Messages, Window: limit.Hour, Max: 1}
	other := l
	other.Max, other.Shadow = 2, true
	q := Question{Limits: []limit.Limit{l, {Measure: limit.Messages, Window: limit.Day, Max: 1}, other}, For: limit.Subject{Kind: limit.Everything}}
	if _, err := Simulate(t.Context(), older{}, q); !fault.Is(err, fault.Invalid) {
		t.Errorf("a limit that stands twice: %v", err)
	}
	q.Limits = q.Limits[:2]
	if _, err := Simulate(t.Context(), older{}, q); err != nil {
		t.Errorf("two windows: %v", err)
	}
}
