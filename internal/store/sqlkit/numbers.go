package sqlkit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"countersign/internal/fault"
)

// Numbers asks for numbers that are asked for all the time, as who follows something does: all
// of them at once, for all who ask at the same time. It is safe for concurrent use, as long as
// what it reads with is.
type Numbers struct {
	read func(ctx context.Context, op string, fn func(Reader) error) error

	mu sync.Mutex // guards what follows
	// texts are the questions that were asked so far: as many as the program has.
	texts []string
	// next is the question that has not begun; nil where nobody waits for one.
	next *numbersAsked
	// asking says that a goroutine asks what is next.
	asking bool
}

// numbersAsked is one question for all numbers.
type numbersAsked struct {
	// done is closed when it is answered, by the numbers of texts, or err.
	done    chan struct{}
	numbers []int64
	err     error
}

// sameMoment is how long a question waits for those that are asked at the same moment.
const sameMoment = time.Millisecond

// NewNumbers returns Numbers of a database; read runs a query, within a time of its own.
func NewNumbers(read func(ctx context.Context, op string, fn func(Reader) error) error) *Numbers {
	return &Numbers{read: read}
}

// Number returns the number that a query finds, which has one row at most, and is one of few that
// a program has; 0 for none. The answer is not older than the call. Errors are those of read, and
// fault.Canceled where ctx ended before.
func (n *Numbers) Number(ctx context.Context, op, text string) (int64, error) {
	n.mu.Lock()
	at := slices.Index(n.texts, text)
	if at < 0 {
		at, n.texts = len(n.texts), append(slices.Clip(n.texts), text)
	}
	if n.next == nil {
		n.next = &numbersAsked{done: make(chan struct{})}
	}
	asked := n.next
	if !n.asking {
		n.asking = true
		go n.ask()
	}
	n.mu.Unlock()
	select {
	case <-asked.done:
	case <-ctx.Done():
		return 0, fault.Wrap(op, fault.Canceled, ctx.Err())
	}
	if asked.err != nil {
		return 0, asked.err
	}
	return asked.numbers[at], nil
}

// ask asks until nobody waits.
func (n *Numbers) ask() {
	for n.waited() {
		time.Sleep(sameMoment)
		n.mu.Lock()
		asked, texts := n.next, n.texts
		n.next = nil
		n.mu.Unlock()
		asked.numbers, asked.err = n.answer(texts)
		close(asked.done)
	}
}

// waited reports whether anybody waits for a question; else nobody asks any more.
func (n *Numbers) waited() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asking = n.next != nil
	return n.asking
}

// answer asks all questions in one.
func (n *Numbers) answer(texts []string) (numbers []int64, err error) {
	text := "SELECT coalesce((" + strings.Join(texts, "), 0), coalesce((") + "), 0)"
	err = n.read(context.Background(), "store.numbers", func(c Reader) error {
		numbers = make([]int64, 0, len(texts))
		return c.Query(context.Background(), text, nil, func(r *Row) error {
			for range texts {
				numbers = append(numbers, r.Int64())
			}
			return nil
		})
	})
	return numbers, err
}
