package sqlkit

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// database answers each question of a text with the number of questions that began before, plus
// how long the question is.
type database struct {
	Reader
	mu    sync.Mutex // guards what follows
	asked []string
	takes time.Duration
	down  error
}

func (d *database) read(_ context.Context, _ string, fn func(Reader) error) error {
	d.mu.Lock()
	down := d.down
	d.mu.Unlock()
	if down != nil {
		return down
	}
	return fn(d)
}

func (d *database) Query(_ context.Context, text string, _ Values, each func(*Row) error) error {
	d.mu.Lock()
	d.asked = append(d.asked, text)
	n, takes := int64(len(d.asked)), d.takes
	d.mu.Unlock()
	time.Sleep(takes) // of the bubble
	var values []driver.Value
	for _, part := range strings.Split(strings.TrimPrefix(text, "SELECT "), ", coalesce(") {
		values = append(values, 100*n+int64(strings.Count(part, "x")))
	}
	var r Row
	r.Set(values)
	return each(&r)
}

// TestNumbersAreAskedTogether: who asks at the same time is answered by one question, who asks while
// it is under way by the next, and each gets its own number.
func TestNumbersAreAskedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{takes: time.Second}
		n := NewNumbers(d.read)
		var asking sync.WaitGroup
		ask := func(text string, want int64) {
			asking.Go(func() {
				if got, err := n.Number(t.Context(), "test", text); err != nil || got != want {
					t.Errorf("%s: %d, %v, want %d", text, got, err, want)
				}
			})
			synctest.Wait()
		}
		ask("x", 101)
		ask("x", 101) // at the same moment
		time.Sleep(2 * sameMoment) // of the bubble: the first one is under way
		for range 5 { // behind it
			ask("xx", 202)
			ask("x", 201)
			ask("xxx", 203)
		}
		time.Sleep(time.Second + 5*sameMoment) // of the bubble: the second one is under way
		ask("x", 301)
		asking.Wait()
		ask("xxx", 403)
		asking.Wait()
		want := "SELECT coalesce((x), 0), coalesce((xx), 0), coalesce((xxx), 0)"
		if len(d.asked) != 4 || d.asked[0] != "SELECT coalesce((x), 0)" || d.asked[1] != want || d.asked[3] != want {
			t.Errorf("asked: %q", d.asked)
		}
	})
}

// TestNumbersOfADatabaseThatIsAway: all who ask hear of it, and nobody waits for longer than he may.
func TestNumbersOfADatabaseThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &database{takes: time.Hour, down: errors.New("away")}
		n := NewNumbers(d.read)
		if _, err := n.Number(t.Context(), "test", "x"); !errors.Is(err, d.down) {
			t.Errorf("away: %v", err)
		}
		d.mu.Lock()
		d.down = nil
		d.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Number(ctx, "test", "x"); !fault.Is(err, fault.Canceled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("too late: %v", err)
		}
		if got, err := n.Number(t.Context(), "test", "xx"); err != nil || got != 202 {
			t.Errorf("the next one: %d, %v", got, err)
		}
	})
}
