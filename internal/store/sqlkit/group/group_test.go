package group

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
)

// held is a Queue whose first batch waits until it is let go.
type held struct {
	*Queue[*int]
	batches [][]int
	let     chan struct{}
}

func hold(fit func([]*int) int) *held {
	h := &held{let: make(chan struct{})}
	h.Queue = Start(func(batch []*int) {
		var list []int
		for _, n := range batch {
			list = append(list, *n)
			*n = -*n
		}
		h.batches = append(h.batches, list)
		<-h.let
	}, fit)
	return h
}

// ask has n done in a goroutine of its own, and returns where the answer comes.
func (h *held) ask(ctx context.Context, n int) chan error {
	answer := make(chan error, 1)
	go func() {
		work := n
		err := h.Do(ctx, &work)
		if err == nil && work != -n {
			err = fmt.Errorf("%d has become %d", n, work)
		}
		answer <- err
	}()
	synctest.Wait()
	return answer
}

// TestWhatWaitsIsDoneTogether: in the order it came, no more than a batch and no
// more than fits, and nothing that was withdrawn.
func TestWhatWaitsIsDoneTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(func(list []*int) int {
			for i, n := range list {
				if *n%100 == 0 {
					return i // 0 where it is the first: it is done all the same, alone
				}
			}
			return len(list)
		})
		ctx, cancel := context.WithCancel(t.Context())
		answers := []chan error{h.ask(t.Context(), 1)} // is taken
		withdrawn := h.ask(ctx, 2)
		for n := 3; n < 3+MaxBatch+5; n++ {
			answers = append(answers, h.ask(t.Context(), n))
		}
		if n := h.Waiting(); n != MaxBatch+6 {
			t.Errorf("%d wait", n)
		}
		cancel()
		if err := <-withdrawn; !errors.Is(err, context.Canceled) {
			t.Errorf("withdrawn: %v", err)
		}
		if err := h.Do(ctx, new(int)); !errors.Is(err, context.Canceled) {
			t.Errorf("who comes too late: %v", err)
		}
		go h.Close()
		synctest.Wait()
		if err := h.Do(t.Context(), new(int)); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		close(h.let)
		for i, answer := range answers {
			if err := <-answer; err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		h.Close() // a second time
		var sizes, firsts []int
		want := 1
		for _, b := range h.batches {
			sizes, firsts = append(sizes, len(b)), append(firsts, b[0])
			for _, n := range b {
				if n != want {
					t.Fatalf("%d was done where %d was to be", n, want)
				}
				want++
				if want == 2 {
					want = 3 // withdrawn
				}
			}
		}
		if got := fmt.Sprint(sizes, firsts); got != "[1 97 1 99 1 63] [1 3 100 101 200 201]" {
			t.Errorf("the batches were %s", got)
		}
	})
}

// TestTakenIsWaitedFor: who is taken already gets the answer, whatever ctx says.
func TestTakenIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hold(nil)
		ctx, cancel := context.WithCancel(t.Context())
		answer := h.ask(ctx, 1)
		cancel()
		synctest.Wait()
		select {
		case err := <-answer:
			t.Fatalf("answered before it was done: %v", err)
		default:
		}
		close(h.let)
		if err := <-answer; err != nil {
			t.Error(err)
		}
		h.Close()
	})
}
