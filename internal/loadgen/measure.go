package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"countersign/internal/sink"
)

// Report is what Measure found.
type Report struct {
	Load Result `json:"load"`
	// Delivered counts the copies that reached the sink, one for all
	// recipients of a message that the server sends there together; the rate
	// is from the first message sent to the last one delivered.
	Delivered          int     `json:"delivered,omitempty"`
	DeliveredPerSecond float64 `json:"delivered_per_second,omitempty"`
	// CPUPer1000 is the server's processor seconds for 1000 messages.
	CPUPer1000 float64 `json:"cpu_seconds_per_1000,omitempty"`
	// Server is what the server's process had used in the end.
	Server *Usage `json:"server,omitempty"`
}

// Plan says what Measure runs besides the load itself.
type Plan struct {
	Load Options
	// Sink is the loopback address to receive at; "" for no delivery.
	Sink string
	// Wait bounds how long the last delivery is waited for after the load.
	Wait time.Duration
	// PID is the server's process on this machine; 0 for none.
	PID int
}

// tally counts arrivals.
type tally struct {
	mu sync.Mutex // guards what follows
	arrived
}

// arrived is what a tally has counted.
type arrived struct {
	copies, recipients int
	// last is when the last copy came.
	last time.Time
}

func (t *tally) take(m sink.Message) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.copies++
	t.recipients += len(m.To)
	t.last = m.At
	return nil
}

func (t *tally) state() arrived {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.arrived
}

// Measure runs a load, receives what comes out, and reads what it cost.
func Measure(ctx context.Context, p Plan) (Report, error) {
	var rep Report
	got := &tally{}
	if p.Sink != "" {
		s, err := sink.Listen(p.Sink, got.take)
		if err != nil {
			return rep, err
		}
		defer s.Close()
	}
	before, err := p.usage()
	if err != nil {
		return rep, err
	}
	start := time.Now()
	rep.Load, err = Run(ctx, p.Load)
	if err != nil {
		return rep, err
	}
	if p.Sink != "" {
		err = await(ctx, got, rep.Load.Accepted*distinct(p.Load.To), p.Wait)
		if end := got.state(); end.copies > 0 {
			rep.Delivered = end.copies
			rep.DeliveredPerSecond = float64(end.copies) / end.last.Sub(start).Seconds()
		}
	}
	after, uerr := p.usage()
	if p.PID != 0 && uerr == nil && rep.Load.Accepted > 0 {
		rep.Server = &after
		rep.CPUPer1000 = (after.CPUSeconds - before.CPUSeconds) / float64(rep.Load.Accepted) * 1000
	}
	return rep, errors.Join(err, uerr)
}

func (p Plan) usage() (Usage, error) {
	if p.PID == 0 {
		return Usage{}, nil
	}
	return ReadUsage(p.PID)
}

// await waits until the sink has got copies for so many recipients.
func await(ctx context.Context, got *tally, want int, patience time.Duration) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for {
		count := got.state().recipients
		if count >= want {
			return nil
		}
		select {
		case <-tick.C:
		case <-end:
			return fmt.Errorf("copies for %d of %d recipients arrived within %v of the load's end", count, want, patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// distinct counts the recipients of a message: one named twice gets one copy.
func distinct(to []string) int {
	found := map[string]bool{}
	for _, a := range to {
		found[a] = true
	}
	return len(found)
}
