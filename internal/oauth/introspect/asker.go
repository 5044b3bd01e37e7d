// Package introspect asks an identity provider whether a token is good, by token
// introspection (RFC 7662), and remembers its answers for a short time.
//
// What an answer means its Judge decides. A token is remembered by a keyed hash and
// never as it is; good and bad answers are bounded in number and time, apart from each
// other. The same token is asked about once, however many wait; different ones at most
// 64 at once. While the provider fails it is asked less and less often.
package introspect

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"io"
	"net/url"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/pool"
	"countersign/internal/oauth/document"
	"countersign/internal/oauth/fetch"
)

// op is where errors come from.
const op = "oauth.introspect"

const (
	// maxQuestions is how many tokens an issuer is asked about at once, and maxWaiting how
	// many wait for that; of further callers those give way that share most with others.
	maxQuestions, maxWaiting = 64, 256
	// respects is how many keys of a ticket count: the wide and the narrow network of who
	// brings a token, and the login that it comes with.
	respects = 3
	// refusedKept is for how long a refusal is remembered at most.
	refusedKept = 10 * time.Second
	// tolerated is how many failures in a row do not hold questions back yet: one lost
	// answer is not an outage.
	tolerated = 2
)

// Verdict is what an answer comes to.
type Verdict[V any] struct {
	// Good says that the token is.
	Good bool
	// Until is when a good token's time is over; zero where nobody has said.
	Until time.Time
	// Value is whatever the judge makes of the answer.
	Value V
}

// Config is what an Asker is made of. All fields are needed.
type Config[V any] struct {
	// Client asks, at the address that Endpoint returns.
	Client   *fetch.Client
	Endpoint func(context.Context) (string, error)
	// Who is the client's name and secret.
	Who *url.Userinfo
	// Judge decides what an answer means. It is called once for each.
	Judge func(document.Object) Verdict[V]
	// Now is the clock; Random makes the key under which tokens are remembered.
	Now    func() time.Time
	Random io.Reader
	// Timeout bounds a question, Endpoint included.
	Timeout time.Duration
	// Keep is for how long good answers are remembered, Remembered how many; of bad ones
	// it is a quarter as many.
	Keep       time.Duration
	Remembered int
}

// Asker asks one provider about tokens and remembers the answers. It is safe for
// concurrent use.
type Asker[V any] struct {
	c        Config[V]
	standing *fetch.Standing
	// key is that of the marks.
	key []byte
	// door shares the questions out among those who bring tokens.
	door *pool.Pool
	// life ends with Close, by quit; running counts the questions under way.
	life    context.Context
	quit    context.CancelFunc
	running sync.WaitGroup

	mu        sync.Mutex // guards what follows
	questions map[mark]*question[V]
	// good and bad are apart, so that invented tokens cannot drive out real ones.
	good, bad *answers[V]
	closed    bool
}

// question is one that is under way.
type question[V any] struct {
	// done is closed at its end; the rest is set before.
	done    chan struct{}
	verdict Verdict[V]
	err     error
}

// New makes an Asker that has asked nothing yet. It fails where Random does.
func New[V any](c Config[V]) (*Asker[V], error) {
	a := &Asker[V]{
		c: c, standing: fetch.NewStanding(tolerated), key: make([]byte, sha256.Size), questions: make(map[mark]*question[V]),
		door: pool.New(pool.Options{Workers: maxQuestions, Waiting: maxWaiting, Respects: respects}),
		good: newAnswers[V](c.Remembered, c.Keep), bad: newAnswers[V](c.Remembered/4, refusedKept),
	}
	_, err := io.ReadFull(c.Random, a.key)
	if err != nil {
		return nil, fault.Wrap(op, fault.Internal, err)
	}
	a.life, a.quit = context.WithCancel(context.Background())
	return a, nil
}

// Standing tells how the provider stands.
func (a *Asker[V]) Standing() fetch.Report { return a.standing.Report() }

// mark returns what a token is remembered by.
func (a *Asker[V]) mark(text string) mark {
	mac := hmac.New(sha256.New, a.key)
	mac.Write([]byte(text))
	return mark(mac.Sum(nil))
}

// Ask finds out what the issuer says of a token, in the turn of whose. A question goes on, and
// keeps its turn, when its caller has gone: who goes often has no more of them. Errors:
// Unavailable where it cannot be asked, Busy when too much is asked at once, Canceled when ctx
// ends first.
func (a *Asker[V]) Ask(ctx context.Context, text string, whose pool.Ticket) (Verdict[V], error) {
	q, known, err := a.begin(a.mark(text), text, whose)
	if q == nil {
		return known, err
	}
	select {
	case <-q.done:
		return q.verdict, q.err
	case <-ctx.Done():
		return Verdict[V]{}, fault.Wrap(op, fault.Canceled, ctx.Err())
	}
}

// begin returns the question about a token, under way or begun here, or without one
// what is remembered.
func (a *Asker[V]) begin(m mark, text string, whose pool.Ticket) (q *question[V], known Verdict[V], err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.c.Now()
	for _, kept := range []*answers[V]{a.good, a.bad} {
		if verdict, ok := kept.get(m, now); ok {
			return nil, verdict, nil
		}
	}
	if q = a.questions[m]; q != nil {
		return q, Verdict[V]{}, nil
	}
	if a.closed || a.standing.Blocked(now) || a.standing.Failing() && len(a.questions) > 0 {
		return nil, Verdict[V]{}, a.away()
	}
	q = &question[V]{done: make(chan struct{})}
	a.questions[m] = q
	a.running.Go(func() { a.run(q, m, text, whose) })
	return q, Verdict[V]{}, nil
}

// wentAway reports whether the provider went away while a question waited for its turn, so
// that only the last one finds out whether it is back.
func (a *Asker[V]) wentAway() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.standing.Blocked(a.c.Now()) || a.standing.Failing() && len(a.questions) > 1
}

// away is the error while the provider is away.
func (a *Asker[V]) away() error {
	return fault.Wrap(op, fault.Unavailable, errors.New("the provider is away: "+a.standing.Report().Reason))
}

// run answers a question when it has its turn. There are no more of them than may be asked
// and wait.
func (a *Asker[V]) run(q *question[V], m mark, text string, whose pool.Ticket) {
	defer close(q.done)
	err := a.door.Do(a.life, whose, func() { a.answer(q, m, text) })
	if err == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.questions, m)
	q.err = err
	if fault.Is(err, fault.Canceled) { // by Close
		q.err = a.away()
	}
}

// answer gets the answer to a question. It does not belong to whoever asked first, who
// may leave.
func (a *Asker[V]) answer(q *question[V], m mark, text string) {
	if a.wentAway() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.questions, m)
		q.err = a.away()
		return
	}
	ctx, cancel := context.WithTimeout(a.life, a.c.Timeout)
	defer cancel()
	began := a.c.Now()
	said, err := a.question(ctx, text)
	now := a.c.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.questions, m)
	if err != nil {
		a.standing.Failed(began, now, err)
		q.err = fault.Wrap(op, fault.Unavailable, err)
		return
	}
	a.standing.Succeeded(now)
	q.verdict = a.c.Judge(said)
	if !q.verdict.Good {
		a.bad.put(m, q.verdict, now, now.Add(refusedKept))
		return
	}
	until := now.Add(a.c.Keep)
	if end := q.verdict.Until; !end.IsZero() && end.Before(until) {
		until = end
	}
	a.good.put(m, q.verdict, now, until)
}

// question asks the issuer (RFC 7662 section 2.1).
func (a *Asker[V]) question(ctx context.Context, text string) (document.Object, error) {
	address, err := a.c.Endpoint(ctx)
	if err != nil {
		return nil, err
	}
	body, err := a.c.Client.Post(ctx, address, url.Values{"token": {text}, "token_type_hint": {"access_token"}}, a.c.Who)
	if err != nil {
		return nil, err
	}
	said, err := document.Read(body)
	if err != nil {
		return nil, err
	}
	// RFC 7662 section 2.2: it is required.
	if active := string(said["active"]); active != "true" && active != "false" {
		return nil, errors.New(`the answer has no "active" that is true or false`)
	}
	return said, nil
}

// Close ends the questions under way and waits for their end.
func (a *Asker[V]) Close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.quit()
	a.running.Wait()
}
