package alignment

import "context"

// perDomain is how many assessments of one From domain are made at once. Its DNS may be slow,
// and it has as many questions as there are domains to put into MAIL FROM.
const perDomain = 2

// shares divide the places among those who ask: few at once for each From domain, a quarter for
// each customer. It is not safe for concurrent use, but for the waits of its tickets.
type shares struct {
	all         chan struct{} // one for each assessment that is being made
	perCustomer int
	waiting     int // how many of a customer may be under way or wait
	of          map[string]*share
}

// share is that of a From domain or a customer. It is there while somebody has a ticket.
type share struct {
	places  chan struct{}
	tickets int
}

func newShares(running, most int) *shares {
	return &shares{
		all: make(chan struct{}, running), perCustomer: max(perDomain, running/4), waiting: max(perDomain, most/8),
		of: map[string]*share{},
	}
}

// ticket is the right to wait for a place.
type ticket struct {
	names []string
	// in are the places that it takes, the narrowest first: who waits for one of many keeps
	// none that another From domain or another customer could have.
	in []chan struct{}
}

// shares returns the names of the shares that a question takes part in, "" for none.
func (q Question) shares() (domain, customer string) {
	domain = "domain " + q.From.String()
	if q.Customer != "" {
		customer = "customer " + q.Customer
	}
	return domain, customer
}

// full reports whether too many wait already of those who ask.
func (s *shares) full(q Question) bool {
	for _, name := range both(q.shares()) {
		if of := s.of[name]; of != nil && of.tickets >= s.waiting {
			return true
		}
	}
	return false
}

// both returns those of two names that are not empty.
func both(domain, customer string) []string {
	if customer == "" {
		return []string{domain}
	}
	return []string{domain, customer}
}

// join returns a ticket for a question, which is to be given back.
func (s *shares) join(q Question) ticket {
	t := ticket{names: both(q.shares())}
	for i, name := range t.names {
		of := s.of[name]
		if of == nil {
			of = &share{places: make(chan struct{}, []int{perDomain, s.perCustomer}[i])}
			s.of[name] = of
		}
		of.tickets++
		t.in = append(t.in, of.places)
	}
	t.in = append(t.in, s.all)
	return t
}

// leave takes a ticket back.
func (s *shares) leave(t ticket) {
	for _, name := range t.names {
		of := s.of[name]
		if of.tickets--; of.tickets == 0 {
			delete(s.of, name)
		}
	}
}

// enter waits for a place, and reports whether there was one before ctx ended; then free
// gives it back. It is called once.
func (t ticket) enter(ctx context.Context) (free func(), ok bool) {
	taken := 0
	free = func() {
		for _, places := range t.in[:taken] {
			<-places
		}
	}
	for _, places := range t.in {
		select {
		case places <- struct{}{}:
			taken++
		case <-ctx.Done():
			free()
			return nil, false
		}
	}
	return free, true
}
