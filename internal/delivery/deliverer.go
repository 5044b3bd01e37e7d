package delivery

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/delivery/backlog"
	"countersign/internal/delivery/notice"
	"countersign/internal/delivery/route"
	"countersign/internal/delivery/unreached"
	"countersign/internal/delivery/verdict"
	"countersign/internal/mx"
	"countersign/internal/queue"
)

// job is one transaction to be.
type job = backlog.Job[site]

// Deliverer delivers what is in the queue. New, then Start, then Stop. Its
// methods are safe for concurrent use.
type Deliverer struct {
	opt      Options
	finder   *mx.Finder
	sessions tls.ClientSessionCache
	backlog  *backlog.Backlog[site]
	pool     *pool
	// inUse bounds the connections to each address, downs knows which sites
	// cannot be reached, letters what senders are still to be told,
	// which notices writes.
	inUse    *addresses
	downs    *unreached.List[site, verdict.Answer]
	letters  notice.Gatherer
	notices  *notice.Writer
	routes   atomic.Pointer[route.Table]
	schedule atomic.Pointer[queue.Schedule]

	// hard ends attempts, soft only what begins new ones.
	hard, soft       context.Context
	endHard, endSoft context.CancelFunc
	// behind says that the store holds more than fitted into memory.
	behind atomic.Bool
	// wake makes the scan begin at once.
	wake chan struct{}

	mu      sync.Mutex // guards started
	started bool
	// workers and scans end with Stop.
	workers, scans sync.WaitGroup
}

// New returns a Deliverer that does nothing yet; what it is offered waits for
// Start. Errors: fault.Invalid for options that lack something.
func New(o Options) (*Deliverer, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Deliverer{
		opt:      o,
		finder:   &mx.Finder{Resolver: o.Resolver, IPv6: o.IPv6, Allow: o.AllowTarget},
		sessions: tls.NewLRUClientSessionCache(sessionCacheSize),
		backlog:  backlog.New[site](backlogLimits(o.Limits), o.Now),
		pool:     newPool(o.Limits, o.Now),
		inUse:    newAddresses(max(o.Limits.PerAddress, o.Limits.PerDestination)),
		downs:    unreached.New[site, verdict.Answer](),
		wake:     make(chan struct{}, 1),
	}
	d.notices = &notice.Writer{
		IDs: o.IDs, Now: o.Now, Host: o.Hostname, Random: o.Random, Sign: o.SignReport, Logger: o.Logger,
		Expires: func(now time.Time) time.Time { return d.schedule.Load().Expires(now) }, NewBody: o.Store.NewBody,
	}
	d.hard, d.endHard = context.WithCancel(context.Background())
	d.soft, d.endSoft = context.WithCancel(d.hard)
	d.SetRoutes(o.Routes)
	d.SetSchedule(o.Schedule)
	return d, nil
}

// SetRoutes changes the routes for all transactions that are not formed yet.
func (d *Deliverer) SetRoutes(list []route.Route) {
	set := route.NewTable(list)
	d.routes.Store(&set)
}

// SetSchedule changes the schedule for all attempts that end from now on.
func (d *Deliverer) SetSchedule(s queue.Schedule) { d.schedule.Store(&s) }

// Start begins to deliver. It returns at once.
func (d *Deliverer) Start() {
	d.mu.Lock()
	d.started = true
	d.mu.Unlock()
	d.scans.Go(func() { d.scanLoop(d.soft) })
	d.kick()
}

// Stop begins no new attempt and lets those under way finish until ctx ends;
// then it cuts them off, which leaves them in the queue. What senders are still to be told is
// stored last. It returns when nothing runs any more; the error is ctx's where
// attempts were cut off.
func (d *Deliverer) Stop(ctx context.Context) error {
	d.endSoft()
	d.backlog.Stop()
	d.mu.Lock() // behind any kick that still saw a job
	d.started = false
	d.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.scans.Wait()
		d.workers.Wait()
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		d.endHard()
		<-done
	}
	defer context.AfterFunc(ctx, d.endHard)() // the store may be away
	for _, l := range d.letters.Old(time.Time{}) {
		d.write(l, nil)
	}
	d.endHard()
	d.pool.close(err != nil)
	return err
}

// kick starts workers for what is ready, as many as there may be.
func (d *Deliverer) kick() {
	d.opt.Metrics.waiting(d.backlog.Waiting())
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.started && d.opt.Holds() {
		j := d.backlog.Next()
		if j == nil {
			return
		}
		d.workers.Go(func() { d.work(j) })
	}
}

// work makes attempts until there is none to make.
func (d *Deliverer) work(j *job) {
	for j != nil {
		d.attempt(d.hard, j)
		d.backlog.Done(j)
		if d.behind.Load() && d.backlog.Low() {
			select {
			case d.wake <- struct{}{}:
			default:
			}
		}
		j = nil
		if d.opt.Holds() {
			j = d.backlog.Next()
		}
	}
}
