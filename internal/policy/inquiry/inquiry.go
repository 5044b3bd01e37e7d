// Package inquiry bounds what one check may ask of DNS, and knows for how long what
// it was told holds.
//
// An Inquiry is made for one check and given to all that take part in it (packages
// spf, dmarc, domainkey). It asks each question once, stops when as many were asked, or as
// much was answered, as one domain may cost, and keeps the least TTL of the answers. It
// judges nothing.
package inquiry

import (
	"context"
	"sync"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mx"
)

// Bounds on one check.
const (
	// MaxQuestions is how many questions go to DNS: ten terms of an SPF record with ten
	// hosts each (RFC 7208 section 4.6.4) are 110, and there are two records with a walk
	// of eight names each beside them (RFC 9989 section 4.10).
	MaxQuestions = 160
	// MaxAnswer is how many octets the texts of one answer may have. RFC 7208 section 3.4
	// wants an answer to be below 512.
	MaxAnswer = 16 << 10
	// MaxOctets is how many all answers together may have, as they stay in memory until
	// the end of the check.
	MaxOctets = 256 << 10
)

// Inquiry is the questions of one check. It is safe for concurrent use.
type Inquiry struct {
	asker mx.Asker

	mu sync.Mutex // guards what follows
	// answers are those had so far; a question that is being asked is asked twice
	// where two want it at once, which the bounds allow for.
	answers map[question]outcome
	asked   int           // questions put
	octets  int           // of the answers
	ttl     time.Duration // least of the answers
}

type question struct {
	name string
	t    mx.Type
}

type outcome struct {
	answer mx.Answer
	err    error
}

// longest is the TTL of an inquiry that has asked nothing.
const longest = time.Hour

// New returns an Inquiry that puts its questions to asker.
func New(asker mx.Asker) *Inquiry {
	return &Inquiry{asker: asker, answers: map[question]outcome{}, ttl: longest}
}

// Ask is mx.Asker with the bounds of the check. Further errors: fault.TooLarge where an
// answer is too long, or all of them are, and fault.Busy where the questions are used up. Both
// say nothing of the domain but that it cannot be judged.
func (q *Inquiry) Ask(ctx context.Context, name string, t mx.Type) (mx.Answer, error) {
	asked := question{name, t}
	q.mu.Lock()
	known, ok := q.answers[asked]
	if !ok && q.asked >= MaxQuestions {
		q.mu.Unlock()
		return mx.Answer{}, fault.New("inquiry.ask", fault.Busy, "%s would be question %d of one check", name, MaxQuestions+1)
	}
	if !ok {
		q.asked++
	}
	q.mu.Unlock()
	if ok {
		return known.answer, known.err
	}
	answer, err := q.asker.Ask(ctx, name, t)
	return q.take(asked, answer, err)
}

// take keeps an answer.
func (q *Inquiry) take(asked question, answer mx.Answer, err error) (mx.Answer, error) {
	size := weight(answer)
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case size > MaxAnswer:
		answer, err = mx.Answer{TTL: answer.TTL}, fault.New("inquiry.ask", fault.TooLarge, "%s has %d octets of records", asked.name, size)
	case q.octets+size > MaxOctets:
		answer, err = mx.Answer{TTL: answer.TTL}, fault.New("inquiry.ask", fault.TooLarge, "the records of one check are too long")
	default:
		q.octets += size
	}
	q.ttl = min(q.ttl, answer.TTL)
	q.answers[asked] = outcome{answer, err}
	return answer, err
}

// addressSize is what an address takes in memory.
const addressSize = 24

// weight is about how many octets an answer takes in memory.
func weight(a mx.Answer) int {
	size := len(a.Addresses) * addressSize
	for _, list := range [][]string{a.Texts, a.Names} {
		for _, s := range list {
			size += len(s)
		}
	}
	for _, h := range a.Hosts {
		size += len(h.Host) + 2
	}
	return size
}

// TTL returns how long what was learned holds, at most one hour, 0 where an answer was
// not to be kept or was not had.
func (q *Inquiry) TTL() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ttl
}

// Asked returns how many questions were put.
func (q *Inquiry) Asked() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.asked
}
