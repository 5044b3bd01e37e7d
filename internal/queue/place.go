package queue

import (
	"time"

	"countersign/internal/limit"
)

// Place says where a delivery stands by what limits came to: held, due later, or as it is.
func Place(d *Delivery, by *limit.Decision) (state State, next time.Time, reason string) {
	state, next, reason = d.State, d.Next, d.HoldReason
	switch {
	case state != Queued || by.Decisive == nil:
	case by.Action == limit.Hold:
		state, reason = Held, HoldLimit
	case by.Action == limit.Slow && by.Slot.After(next):
		next, reason = by.Slot, Slowed
	}
	return state, next, reason
}
