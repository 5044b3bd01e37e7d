package limiting

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// size is a message of the slow model, which keeps all that was accepted and adds it up anew.
type size struct{ recipients, octets int64 }

// model is one connection.
type model struct {
	limits   []limit.Limit
	accepted []size
}

// breaks reports whether one more message of that size would be over a limit that refuses or defers; with
// held, over one that holds.
func (m *model) breaks(s size, held bool) bool {
	for _, l := range m.limits {
		if l.Shadow || (l.Action == limit.Hold) != held {
			continue
		}
		all := []size{s}
		if l.Window == limit.PerConnection {
			all = append(all, m.accepted...)
		}
		sum := int64(0)
		for _, one := range all {
			switch l.Measure {
			case limit.Messages:
				sum++
			case limit.Recipients:
				sum += one.recipients
			default:
				sum += one.octets
			}
		}
		if sum > l.Max {
			return true
		}
	}
	return false
}

// drawLimits draws some, of two subjects.
func drawLimits(t *rapid.T) (levels []limit.Level, flat []limit.Limit) {
	for _, of := range []limit.Subject{{Kind: limit.Account, Name: "a@example.org"}, {Kind: limit.Network, Name: "192.0.2.1"}} {
		level := limit.Level{Subject: of}
		for range rapid.IntRange(0, 3).Draw(t, "limits") {
			text := rapid.SampledFrom([]string{"recipients/message=", "bytes/message=", "messages/connection=", "recipients/connection=", "bytes/connection="}).Draw(t, "limit")
			l, err := limit.Parse(text + strconv.Itoa(rapid.IntRange(1, 12).Draw(t, "max")))
			if err != nil {
				t.Fatal(err)
			}
			l.Action = rapid.SampledFrom([]limit.Action{limit.Hold, limit.Defer, limit.Refuse}).Draw(t, "action")
			l.Shadow = rapid.IntRange(0, 4).Draw(t, "shadow") == 0
			level.Limits = append(level.Limits, l)
		}
		levels, flat = append(levels, level), append(flat, level.Limits...)
	}
	return levels, flat
}

// TestSessions: whatever a client does in whatever order, each step is refused exactly if no message that goes on
// from there is within all limits, and what is accepted is held exactly if it is over one that holds. What was given up,
// or refused by somebody else, leaves nothing.
func TestSessions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		levels, flat := drawLimits(t)
		m := &Meter{Desk: &Desk{Host: "gate.example.org", Now: time.Now}}
		model := &model{limits: flat}
		for range rapid.IntRange(1, 15).Draw(t, "messages") {
			send(t, m, model, levels)
		}
	})
}

// send goes through one transaction.
func send(t *rapid.T, m *Meter, model *model, levels []limit.Level) {
	msg := &Message{Levels: levels, Size: rapid.Int64Range(0, 6).Draw(t, "announced")}
	if refused := m.Mail(msg) != nil; refused != model.breaks(size{1, max(msg.Size, 1)}, false) {
		t.Fatalf("MAIL SIZE=%d behind %+v: refused is %v", msg.Size, model.accepted, refused)
	} else if refused {
		return
	}
	a := &queue.Acceptance{}
	for range rapid.IntRange(1, 6).Draw(t, "recipients") {
		n := int64(len(a.Deliveries))
		to := mail.Address{Local: "r" + strconv.FormatInt(n, 10), Domain: "there.example"}
		refused := m.Rcpt(msg, to) != nil
		if refused != model.breaks(size{n + 1, max(msg.Size, 1)}, false) {
			t.Fatalf("RCPT %d behind %+v: refused is %v", n+1, model.accepted, refused)
		}
		if !refused {
			msg.Named(to)
			a.Deliveries = append(a.Deliveries, queue.Delivery{State: queue.Queued})
		}
	}
	if len(a.Deliveries) == 0 || rapid.IntRange(0, 4).Draw(t, "reset") == 0 {
		return
	}
	s := size{int64(len(a.Deliveries)), rapid.Int64Range(1, 8).Draw(t, "octets")}
	_, err := io.ReadAll(m.Content(msg, iotest.OneByteReader(strings.NewReader(strings.Repeat("x", int(s.octets))))))
	if err == nil {
		err = m.Data(msg, a, levels)
	}
	if refused := err != nil; refused != model.breaks(s, false) {
		t.Fatalf("%+v behind %+v: refused is %v", s, model.accepted, refused)
	} else if refused || rapid.IntRange(0, 4).Draw(t, "store") == 0 {
		return // the store may refuse it too
	}
	for _, d := range a.Deliveries {
		if held := d.State == queue.Held && d.HoldReason == queue.HoldLimit; held != model.breaks(s, true) {
			t.Fatalf("%+v behind %+v: held is %v", s, model.accepted, held)
		}
	}
	m.Taken(msg, a)
	model.accepted = append(model.accepted, s)
}
