package backlog

import "time"

// turns holds the jobs that wait, in lanes, and says whose turn it is. A lane
// that has jobs stands either in its owner's ready list, or in its
// destination's blocked list while that has no place free.
type turns[S comparable] struct {
	limits Limits
	// waiting sums up all lanes; its running counts the workers in use.
	waiting load

	places    map[S]*place[S]
	owners    map[ownerKey]*owner[S]
	customers map[string]*load
	lanes     map[laneKey[S]]*lane[S]
	// order holds the owners that have a ready lane, in the order of their
	// turns.
	order []*owner[S]
}

// ownerKey names whose share a submission takes: an account of a customer. A
// report of ours has no account and takes its customer's.
type ownerKey struct{ customer, login string }

type laneKey[S comparable] struct {
	owner ownerKey
	place S
}

// owner is an account with something in memory.
type owner[S comparable] struct {
	key  ownerKey
	load load
	// customer is shared with the other accounts of the customer.
	customer *load
	// ready holds its lanes that may have a place at their destination.
	ready []*lane[S]
	// listed says that it stands in the order.
	listed bool
}

// lane holds the jobs of one owner for one destination.
type lane[S comparable] struct {
	owner *owner[S]
	place *place[S]
	jobs  []*Job[S]
}

// place is one destination.
type place[S comparable] struct {
	name S
	// queued are its jobs that wait, active those that have a place there.
	queued, active int
	// width is how many may be active now. It grows with each success and
	// falls to one when the destination cannot be reached.
	width int
	// blocked holds the lanes that wait for a place, in the order in which
	// they get one.
	blocked []*lane[S]
	// parked is until when nothing is given out.
	parked time.Time
	// used is when it was last needed.
	used time.Time
}

// FirstWidth is how many places a destination has before it has answered.
const FirstWidth = 1

// placeKept is how long a destination is remembered that nothing needs and that
// has earned itself places, maxPlaces how many destinations may be remembered
// when that comes to be looked at.
const (
	placeKept = time.Minute
	maxPlaces = 16384
)

// maxPark bounds how long a destination can be parked. More than that is left
// only where the clock went back.
const maxPark = time.Minute

func newTurns[S comparable](limits Limits) turns[S] {
	return turns[S]{
		limits: limits, places: map[S]*place[S]{}, owners: map[ownerKey]*owner[S]{},
		customers: map[string]*load{}, lanes: map[laneKey[S]]*lane[S]{},
	}
}

// room reports whether a job may come in as one of n. Nobody fills the memory:
// a destination, a customer, and an account within what its customer may have,
// each may take as much as it leaves free for others.
func (t *turns[S]) room(j *Job[S], n int) bool {
	free, freeBytes := t.limits.Jobs-t.waiting.jobs, t.limits.Bytes-t.waiting.bytes
	bytes := j.bytes()
	if free < n || freeBytes < bytes {
		return false
	}
	var has, customer load
	if o := t.owners[ownerOf(j)]; o != nil {
		has = o.load
	}
	if c := t.customers[ownerOf(j).customer]; c != nil {
		customer = *c
	}
	if p := t.places[j.Destination]; p != nil && !mayWait(p.queued, free) {
		return false
	}
	return mayWait(customer.jobs, free) && mayWait(has.jobs, leftToCustomer(customer.jobs, free)) &&
		mayKeep(customer.bytes, bytes, freeBytes-bytes) && mayKeep(has.bytes, bytes, leftToCustomer(customer.bytes, freeBytes-bytes))
}

func ownerOf[S comparable](j *Job[S]) ownerKey {
	return ownerKey{j.Submission.Customer, j.Submission.Login}
}

// add puts a job at the end of its lane.
func (t *turns[S]) add(j *Job[S], now time.Time) {
	l := t.lane(j, now)
	l.jobs = append(l.jobs, j)
	t.count(l, j)
	if len(l.jobs) == 1 {
		t.list(l, now)
	}
}

// count counts a job in.
func (t *turns[S]) count(l *lane[S], j *Job[S]) {
	for _, sum := range []*load{&t.waiting, &l.owner.load, l.owner.customer} {
		sum.add(j.bytes())
	}
	l.place.queued++
}

// lane finds or makes the lane of a job with all that it hangs on.
func (t *turns[S]) lane(j *Job[S], now time.Time) *lane[S] {
	k := laneKey[S]{ownerOf(j), j.Destination}
	l := t.lanes[k]
	if l == nil {
		l = &lane[S]{owner: t.owner(k.owner), place: t.place(k.place)}
		t.lanes[k] = l
	}
	j.owner = l.owner
	l.place.used = now
	return l
}

func (t *turns[S]) owner(k ownerKey) *owner[S] {
	o := t.owners[k]
	if o == nil {
		c := t.customers[k.customer]
		if c == nil {
			c = &load{}
			t.customers[k.customer] = c
		}
		o = &owner[S]{key: k, customer: c}
		t.owners[k] = o
	}
	return o
}

func (t *turns[S]) place(name S) *place[S] {
	p := t.places[name]
	if p == nil {
		p = &place[S]{name: name, width: min(FirstWidth, t.limits.PerDestination)}
		t.places[name] = p
	}
	return p
}

// free is how many workers have nothing to do.
func (t *turns[S]) free() int { return t.limits.Workers - t.waiting.running }

// idle reports whether nothing needs a destination.
func (p *place[S]) idle() bool { return p.active == 0 && p.queued == 0 }

// open reports whether a job may start at a destination.
func (p *place[S]) open(now time.Time) bool {
	left := p.parked.Sub(now)
	return p.active < p.width && (left <= 0 || left > maxPark)
}

// list puts a lane that has jobs where it belongs.
func (t *turns[S]) list(l *lane[S], now time.Time) {
	if !l.place.open(now) {
		l.place.blocked = append(l.place.blocked, l)
		return
	}
	t.ready(l)
}

// ready puts a lane at the end of its owner's ready list.
func (t *turns[S]) ready(l *lane[S]) {
	o := l.owner
	o.ready = append(o.ready, l)
	if !o.listed {
		o.listed = true
		t.order = append(t.order, o)
	}
}

// next gives out a job: the owners take turns, as do the destinations of each.
func (t *turns[S]) next(now time.Time) *Job[S] {
	if t.free() <= 0 {
		return nil
	}
	for range len(t.order) {
		o := t.order[0]
		t.order = t.order[1:]
		if !mayRun(o.load, *o.customer, t.free()) {
			t.order = append(t.order, o)
			continue
		}
		l := o.nextLane(now)
		if l != nil {
			t.start(l, now)
		}
		o.listed = len(o.ready) > 0
		if o.listed {
			t.order = append(t.order, o)
		}
		if l != nil {
			return t.pop(l, now)
		}
	}
	return nil
}

// nextLane takes the first ready lane whose destination has a place; those in front of it
// wait for one, before all others.
func (o *owner[S]) nextLane(now time.Time) *lane[S] {
	for len(o.ready) > 0 {
		l := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		if l.place.open(now) {
			return l
		}
		l.place.blocked = append([]*lane[S]{l}, l.place.blocked...)
	}
	return nil
}

// start takes a worker and a place for a lane.
func (t *turns[S]) start(l *lane[S], now time.Time) {
	for _, sum := range []*load{&t.waiting, &l.owner.load, l.owner.customer} {
		sum.running++
	}
	l.place.active++
	l.place.used = now
}

// pop takes the first job out of a lane.
func (t *turns[S]) pop(l *lane[S], now time.Time) *Job[S] {
	j := l.jobs[0]
	l.jobs[0] = nil
	l.jobs = l.jobs[1:]
	for _, sum := range []*load{&t.waiting, &l.owner.load, l.owner.customer} {
		sum.take(j.bytes())
	}
	l.place.queued--
	if len(l.jobs) == 0 {
		delete(t.lanes, laneKey[S]{l.owner.key, l.place.name})
	} else {
		t.list(l, now)
	}
	return j
}

// leave frees a place and lets who waits for it go on.
func (t *turns[S]) leave(j *Job[S], reached, failed bool, now time.Time) {
	p := t.place(j.Destination)
	p.active--
	p.used = now
	switch {
	case reached:
		p.width = min(p.width+1, t.limits.PerDestination)
	case failed:
		p.width = 1
	}
	t.unblock(p, now)
	// Nothing is known that is not so of any other: a queue may be for hundreds of
	// thousands that cannot be reached.
	if p.idle() && p.width <= FirstWidth && p.open(now) {
		delete(t.places, p.name)
	}
}

// unblock makes lanes ready, as many as there are places. A lane whose owner has
// its share of workers already takes no place from those behind it.
func (t *turns[S]) unblock(p *place[S], now time.Time) {
	room := p.width - p.active
	if !p.open(now) {
		return
	}
	for room > 0 && len(p.blocked) > 0 {
		l := p.blocked[0]
		p.blocked[0] = nil
		p.blocked = p.blocked[1:]
		t.ready(l)
		if mayRun(l.owner.load, *l.owner.customer, max(t.free(), 1)) {
			room--
		}
	}
}

// park puts a job back in front of its lane and closes the destination.
func (t *turns[S]) park(j *Job[S], until, now time.Time) {
	p := t.place(j.Destination)
	p.active--
	p.parked = until
	l := t.lane(j, now)
	l.jobs = append([]*Job[S]{j}, l.jobs...)
	t.count(l, j)
	if len(l.jobs) == 1 {
		p.blocked = append(p.blocked, l)
	}
}

// done gives a worker back and forgets an owner that has nothing left.
func (t *turns[S]) done(j *Job[S]) {
	o := j.owner
	for _, sum := range []*load{&t.waiting, &o.load, o.customer} {
		sum.running--
	}
	if o.load == (load{}) {
		delete(t.owners, o.key)
	}
	if *o.customer == (load{}) {
		delete(t.customers, o.key.customer)
	}
}

// sweep reopens places and forgets those that nobody needs.
func (t *turns[S]) sweep(now time.Time) {
	crowded := len(t.places) > maxPlaces
	for name, p := range t.places {
		t.unblock(p, now)
		if age := now.Sub(p.used); p.idle() && (crowded || age > placeKept || age < 0) {
			delete(t.places, name)
		}
	}
}
