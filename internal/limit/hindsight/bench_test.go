package hindsight

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
	"countersign/internal/store/sqlite"
)

// million is how many messages of 30 days the record has, of 10,000 accounts in 1000 domains, each to 20 addresses; one in 50 has
// failed, the others were delivered.
const million = 1_000_000

// fill makes that record.
func fill(b *testing.B, s *sqlite.Store, since time.Time) {
	b.Helper()
	step := 30 * 24 * time.Hour / million
	var events []audit.Event
	for n := range million {
		login := fmt.Sprintf("user%d@d%d.example", n*7919%10_000, n*7919%1000)
		at, id := since.Add(time.Duration(n)*step), mail.ID(fmt.Sprintf("01K%023d", n))
		add := func(kind audit.Kind, later time.Duration, data map[string]string) *audit.Event {
			events = append(events, audit.Event{At: at.Add(later), Kind: kind, Session: id, Submission: id, Login: login, Client: fmt.Sprintf("192.0.%d.%d", n%100, n%250), Data: data})
			return &events[len(events)-1]
		}
		add(audit.Accepted, 0, map[string]string{"from": login, "size": "5000", "recipients": strconv.Itoa(1 + n%5), limit.DataCredential: login, "node": "g" + strconv.Itoa(n%3)})
		if n%50 == 0 {
			add(audit.DeliveryFailed, time.Second, map[string]string{"to": "x@there.example", "remote": "mx.there.example"}).Code = 550
		} else {
			add(audit.DeliveryDelivered, time.Second, map[string]string{"to": fmt.Sprintf("r%d@there.example", n%200_000), "remote": "mx.there.example"})
		}
		if len(events) >= 20_000 || n == million-1 {
			if err := s.Append(b.Context(), events); err != nil {
				b.Fatal(err)
			}
			events = events[:0]
		}
	}
}

// BenchmarkSimulate simulates limits of 30 days with a million messages. The megabytes are the most that was in use
// beside the record's database, sampled.
func BenchmarkSimulate(b *testing.B) {
	s, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "test.db"), Server: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	since := time.Now().Add(-30 * 24 * time.Hour).UTC().Truncate(time.Second)
	fill(b, s, since)
	each := func(k limit.Kind) limit.Subject { return limit.Subject{Kind: k, Name: limit.Each} }
	for _, c := range []struct {
		name   string
		of     limit.Subject
		action limit.Action
		share  int
		texts  []string
	}{
		{"accounts", each(limit.Account), limit.Defer, 0, []string{"recipients/hour=5", "messages/day=3", "bytes/month=300KiB"}},
		{"slowed", each(limit.Account), limit.Slow, 0, []string{"recipients/hour=5", "messages/day=3"}},
		{"shares", each(limit.Domain), limit.Defer, 25, []string{"recipients/day=80"}},
		{"credentials that fail", each(limit.Credential), limit.Defer, 0, []string{"failed-recipients/month=2"}},
		{"everything", limit.Subject{Kind: limit.Everything}, limit.Defer, 0, []string{"messages/minute=20", "messages/month=900000"}},
		{"new recipients", each(limit.Account), limit.Defer, 0, []string{"new-recipients/day=2"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			q := Question{For: c.of, Since: since, Now: time.Now()}
			for _, text := range c.texts {
				l, err := limit.Parse(text)
				if err != nil {
					b.Fatal(err)
				}
				l.Action, l.Share = c.action, c.share
				q.Limits = append(q.Limits, l)
			}
			runtime.GC()
			before := inUse()
			var most atomic.Uint64
			done := make(chan struct{})
			defer close(done)
			go func() {
				for tick := time.NewTicker(50 * time.Millisecond); ; {
					select {
					case <-done:
						tick.Stop()
						return
					case <-tick.C:
						most.Store(max(most.Load(), inUse()))
					}
				}
			}()
			for b.Loop() {
				told, err := Simulate(b.Context(), s, q)
				if err != nil || told.Messages != million || told.OverMessages == 0 {
					b.Fatal(told.Messages, told.OverMessages, err)
				}
			}
			b.ReportMetric(float64(max(most.Load(), before)-before)/(1<<20), "MiB")
		})
	}
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
