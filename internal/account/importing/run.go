package importing

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"countersign/internal/account"
	"countersign/internal/account/roster"
	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// run is one import. What is not said to be guarded belongs to the goroutine that
// reads the list.
type run struct {
	opt Options
	// newCustomer says that Options.Customer is still to be made.
	newCustomer bool
	// seen holds the line of each address that the list has had.
	seen   map[string]int
	places map[mail.Domain]*place
	// taken holds, in a dry run, whose each address of a customer is.
	taken map[string]map[string]string

	mu         sync.Mutex // guards below
	iterations map[int]bool
	summary    Summary
}

// job is one line on its way.
type job struct {
	// first are results that came before that of the line.
	first []Result
	// result is that of the line, when done is closed.
	result Result
	// candidate is the account to be stored; nil where result is known.
	candidate *candidate
	// err ends the import.
	err  error
	done chan struct{}
}

// all takes the list through reading, storing and reporting. Jobs are stored in any
// order and reported in that of the list.
func (r *run) all(parent context.Context, list Source, report func(Result) error) (Summary, error) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	work := make(chan []*job)
	order := make(chan *job, 2*r.opt.Workers*r.opt.Together)
	var workers sync.WaitGroup
	for range r.opt.Workers {
		workers.Go(func() {
			for jobs := range work {
				r.store(ctx, jobs)
			}
		})
	}
	go func() {
		defer close(order)
		defer close(work)
		r.read(ctx, list, work, order)
	}()
	var failed error
	for j := range order {
		<-j.done
		if failed == nil {
			failed = r.tell(j, report)
		}
		if failed != nil {
			cancel() // what is under way ends; the rest is not begun
		}
	}
	workers.Wait()
	for n := range r.iterations {
		r.summary.ScramIterations = append(r.summary.ScramIterations, n)
	}
	slices.Sort(r.summary.ScramIterations)
	if parent.Err() != nil {
		failed = fault.New("account.import", fault.Canceled, "the import was interrupted; the same command goes on where it ended")
	}
	return r.summary, failed
}

// read makes a job of each line, in their order, and hands them on in portions.
func (r *run) read(ctx context.Context, list Source, work chan<- []*job, order chan<- *job) {
	var portion []*job
	waiting := 0 // jobs in order since the first of portion
	defer func() {
		if len(portion) > 0 {
			work <- portion
		}
	}()
	for {
		j := &job{done: make(chan struct{})}
		e, err := list.Next()
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			j.err = err
		default:
			r.prepare(ctx, &e, j)
		}
		if j.err == nil {
			j.err = ctx.Err()
		}
		ends := j.err != nil // read before the job is a worker's
		if ends || j.candidate == nil {
			close(j.done)
		} else {
			portion = append(portion, j)
		}
		if len(portion) > 0 {
			waiting++
		}
		// Also where lines without an account follow: order must not fill up with what
		// waits for a portion that nobody has.
		if waiting == r.opt.Together || ends && len(portion) > 0 {
			work <- portion
			portion, waiting = nil, 0
		}
		order <- j
		if ends {
			return
		}
	}
}

// store stores the accounts of jobs: all that are new together, or where one of them
// cannot be, each alone.
func (r *run) store(ctx context.Context, jobs []*job) {
	var added []*job
	var accounts []account.Account
	var events []audit.Event
	for _, j := range jobs {
		c := j.candidate
		c.together = true
		if j.result, j.err = c.do(ctx); c.pending != nil && j.err == nil {
			added, accounts, events = append(added, j), append(accounts, *c.pending), append(events, c.event)
		}
	}
	if len(added) > 0 {
		err := r.opt.Store.AddAccounts(ctx, accounts, events)
		for _, j := range added {
			switch {
			case err != nil && why(err) != "":
				j.candidate.together, j.candidate.pending = false, nil
				j.result, j.err = j.candidate.do(ctx)
			case err != nil:
				j.err = err
			}
		}
	}
	for _, j := range jobs {
		close(j.done)
	}
}

// tell counts and reports what became of a line.
func (r *run) tell(j *job, report func(Result) error) error {
	for _, result := range j.first {
		if err := report(result); err != nil {
			return err
		}
	}
	if j.err != nil {
		return j.err
	}
	s := &r.summary
	if j.result.Outcome == Failed {
		j.result.Remarks = nil // nothing was taken over at all
	}
	*map[Outcome]*int{
		Added: &s.Added, Replaced: &s.Replaced, Unchanged: &s.Unchanged, Skipped: &s.Skipped, Failed: &s.Failed,
	}[j.result.Outcome]++
	return report(j.result)
}

// prepare checks a line against those before it, and finds or makes its domain.
func (r *run) prepare(ctx context.Context, e *roster.Entry, j *job) {
	j.result = Result{Line: e.Line, Outcome: Failed, Text: e.Problem}
	rec := e.Record
	if rec == nil {
		return
	}
	j.result.Object, j.result.Remarks = "account "+rec.Address.String(), rec.Remarks
	fail := func(err error) {
		if j.result.Text = why(err); j.result.Text == "" {
			j.err = err
		}
	}
	if err := r.first(rec, e.Line); err != nil {
		fail(err)
		return
	}
	p, err := r.placeOf(ctx, rec.Address.Domain, e.Line, j)
	if err != nil {
		fail(err)
		return
	}
	for _, alias := range rec.Aliases {
		if err := r.checkAlias(ctx, alias, p, e.Line, j); err != nil {
			fail(err)
			return
		}
	}
	if rec.Plan != "" && rec.Plan != p.plan {
		j.result.Remarks = append(slices.Clone(j.result.Remarks), "the plan is not taken over: customer "+p.customer+" has "+planText(p.plan)+"; \"account set --plan\" gives the account one of its own")
	}
	j.candidate = &candidate{run: r, rec: rec, place: p, result: j.result}
}

// checkAlias refuses an alias that the account may not have.
func (r *run) checkAlias(ctx context.Context, alias mail.Address, p *place, line int, j *job) error {
	of, err := r.placeOf(ctx, alias.Domain, line, j)
	if err != nil {
		return err
	}
	if of.customer != p.customer {
		return account.ForeignDomain("alias "+alias.String(), alias.Domain, of.customer, p.customer)
	}
	return nil
}
