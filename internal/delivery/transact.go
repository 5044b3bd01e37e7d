package delivery

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"countersign/internal/delivery/verdict"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpclient"
)

// maxTries is how many connections one attempt makes at most, over all hosts
// and addresses of a site.
const maxTries = 8

// exchange is one attempt to hand a job over: over a connection that is there,
// or over one host after the other until every recipient has an answer that
// no other host can better.
type exchange struct {
	d       *Deliverer
	job     *job
	message smtpclient.Message
	// answers holds what became of each delivery, open the indexes of those
	// that another host may still take.
	answers []verdict.Answer
	open    []int
	// site collects what hosts answered that took nothing.
	site  []verdict.Answer
	tries int
	// began is when the attempt did, asked when the store was last asked whether
	// the deliveries are still to be made.
	began, asked time.Time
	// reached says that some host came as far as a transaction.
	reached bool
	// over says that no other host is to be tried.
	over bool
	// busy says that some address has as many connections of ours as it gets,
	// and that nobody has an answer yet.
	busy bool
}

// transact hands a job over; each delivery has its answer in what it returns,
// unless busy.
func (d *Deliverer) transact(ctx context.Context, j *job, content *queue.Content) *exchange {
	x := &exchange{d: d, job: j, answers: make([]verdict.Answer, len(j.Deliveries)), began: time.Now(), asked: j.Since}
	x.message = smtpclient.Message{
		Envelope: j.Submission.Envelope,
		Size:     j.Submission.Size,
		Head:     content.Head,
		Body:     content.Body,
	}
	if content.Large != nil {
		x.message.Large = content.Large.Open
	}
	for i := range j.Deliveries {
		x.open = append(x.open, i)
	}
	ctx, cancel := context.WithTimeout(ctx, d.opt.AttemptTimeout)
	defer cancel()
	x.message.Proceed = func() bool { return x.stillDue(ctx) }
	if !x.overIdle(ctx) {
		x.overHosts(ctx)
	}
	x.busy = x.busy && len(x.open) == len(j.Deliveries)
	if len(x.site) == 0 { // no time was left to try anybody
		x.site = append(x.site, verdict.Ours(queue.Deferred, smtp.EDeliveryInterrupted, verdict.Host{Name: j.Destination.String()}))
	}
	for _, i := range x.open {
		x.answers[i] = verdict.Worst(x.site)
	}
	return x
}

// stillDue asks again, when some time has passed, whether the deliveries under way
// are still to be made. One that is not has no answer; false says that none is.
// While the store cannot be asked the attempt goes on, as long as the deliveries
// are certainly this node's.
func (x *exchange) stillDue(ctx context.Context) bool {
	if !x.d.opt.Holds() {
		return x.giveUp()
	}
	now := x.d.opt.Now()
	if !x.d.stale(x.asked, now) {
		return true
	}
	waiting, err := x.d.opt.Store.Waiting(ctx, keysOf(x.job))
	if err != nil {
		return !x.d.lostSince(x.asked) || x.giveUp()
	}
	x.asked = now
	var open []int // anew, as a transaction may be reading the old one
	for _, i := range x.open {
		if waiting[i] {
			open = append(open, i)
		} else {
			x.answers[i] = verdict.Answer{Canceled: true}
		}
	}
	x.open = open
	return len(open) > 0
}

// giveUp leaves the deliveries that have no answer to whoever owns them: false, as
// none is still due.
func (x *exchange) giveUp() bool {
	for _, i := range x.open {
		x.answers[i] = verdict.Answer{Canceled: true}
	}
	x.open = nil
	return false
}

// overIdle tries the connections that are open already; true when every
// recipient has its answer. One that the server has closed meanwhile counts
// for nothing.
func (x *exchange) overIdle(ctx context.Context) bool {
	for {
		c := x.d.pool.get(x.job.Destination)
		if c == nil {
			return false
		}
		if !x.d.inUse.enter(c.host.Addr) {
			x.d.pool.put(x.job.Destination, c)
			return false
		}
		before := len(x.site)
		x.send(ctx, c)
		if len(x.open) == 0 {
			return true
		}
		x.site = x.site[:before]
	}
}

// overHosts tries the hosts of the site in order.
func (x *exchange) overHosts(ctx context.Context) {
	s := x.job.Destination
	if s.Route.Host != "" {
		addresses, err := x.d.finder.Route(ctx, s.Route.Host)
		x.overAddresses(ctx, verdict.Host{Name: s.Route.Host}, addresses, err)
		return
	}
	hosts, err := x.d.finder.Hosts(ctx, s.Domain)
	if err != nil {
		x.site = append(x.site, verdict.OfLookup(err, verdict.Host{Name: string(s.Domain)}))
		return
	}
	for _, h := range hosts {
		addresses, err := x.d.finder.Addresses(ctx, h)
		x.overAddresses(ctx, hostOf(h), addresses, err)
		if x.done(ctx) {
			return
		}
	}
}

// hostOf returns the host without an address; a literal's name is its address.
func hostOf(h mx.Host) verdict.Host {
	if h.Literal.IsValid() {
		return verdict.Host{Name: h.Literal.String()}
	}
	return verdict.Host{Name: h.Name}
}

// done reports whether nothing more is to be tried.
func (x *exchange) done(ctx context.Context) bool {
	return len(x.open) == 0 || x.over || x.tries >= maxTries || x.timeToConnect() <= 0 || !x.stillDue(ctx)
}

// timeToConnect is what is left of an attempt's time for finding a host that can be
// talked to.
func (x *exchange) timeToConnect() time.Duration {
	return x.d.opt.AttemptTimeout/3 - time.Since(x.began) // the clock may be set meanwhile
}

// overAddresses tries the addresses of one host.
func (x *exchange) overAddresses(ctx context.Context, h verdict.Host, addresses []netip.Addr, err error) {
	if err != nil {
		x.record(verdict.OfLookup(err, h))
		return
	}
	for _, a := range addresses {
		if x.done(ctx) {
			return
		}
		h.Addr = a
		if !x.d.inUse.enter(a) {
			x.busy = true
			x.record(verdict.HostBusy(h))
			continue
		}
		c, refusal := x.connect(ctx, h)
		if refusal != nil {
			x.d.inUse.leave(a)
			x.record(*refusal)
			continue
		}
		x.send(ctx, c)
	}
}

// record notes the answer of a host that took nothing.
func (x *exchange) record(a verdict.Answer) {
	x.site = append(x.site, a)
	x.over = x.over || !a.Next
}

// connect makes a connection to one address, in plain text where TLS is
// opportunistic and fails.
func (x *exchange) connect(ctx context.Context, h verdict.Host) (*connection, *verdict.Answer) {
	route := x.job.Destination.Route
	mode := route.TLS
	h.TLS = "none"
	for {
		x.tries++
		client, err := x.reach(ctx, h, mode)
		if err == nil {
			h.DSN = client.Offers("DSN")
			if state := client.TLS(); state != nil {
				h.TLS = tlsName(state.Version)
			} else if client.TLSRefused() {
				h.TLS = "refused"
			}
			x.d.opt.Metrics.connected(h.TLS)
			return &connection{client: client, host: h}, nil
		}
		var e *smtpclient.Error
		if !errors.As(err, &e) {
			x.d.opt.Metrics.connected("unreachable")
			a := verdict.Unreachable(err, h)
			return nil, &a
		}
		level := slog.LevelDebug
		if e.Stage == smtpclient.StageAuth { // the operator's to mend
			level = slog.LevelWarn
		}
		x.d.opt.Logger.Log(ctx, level, "connection failed", "remote", h.String(), "error", err)
		if e.Problem == smtpclient.NoTLS && mode == smtpclient.TLSOpportunistic && !route.ImplicitTLS && route.Username == "" {
			// RFC 7435 section 3: no TLS is better than no delivery where
			// nothing was promised.
			mode, h.TLS = smtpclient.TLSNone, "failed"
			continue
		}
		a := verdict.OfConnection(e, h)
		return nil, &a
	}
}

// reach makes one connection and brings it to where transactions can begin.
func (x *exchange) reach(ctx context.Context, h verdict.Host, mode smtpclient.TLSMode) (*smtpclient.Client, error) {
	s := x.job.Destination
	ctx, cancel := context.WithTimeout(ctx, x.timeToConnect())
	defer cancel()
	dialCtx, cancelDial := context.WithTimeout(ctx, x.d.opt.ConnectTimeout)
	defer cancelDial()
	conn, err := x.d.opt.Dial(dialCtx, "tcp", netip.AddrPortFrom(h.Addr, s.Port()).String())
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, context.Canceled
	}
	if err != nil {
		return nil, err
	}
	return smtpclient.Open(ctx, conn, smtpclient.Options{
		Hello: x.d.opt.Hello, Host: h.Name,
		TLS: mode, ImplicitTLS: s.Route.ImplicitTLS, TLSConfig: x.d.tlsConfig(s.Route),
		Username: s.Route.Username, Password: s.Route.Password,
		Timeouts: x.d.opt.Timeouts,
	})
}

// send makes transactions for all open recipients on one connection, and gives
// it back to the pool; it counts as in use until then. A server that takes only so many recipients at a time
// gets the rest in another (RFC 5321 section 4.5.3.1.10), as long as each takes some.
func (x *exchange) send(ctx context.Context, c *connection) {
	defer x.d.pool.put(x.job.Destination, c)
	defer x.d.inUse.leave(c.host.Addr)
	for len(x.open) > 0 && x.stillDue(ctx) {
		tried := x.open
		x.message.Recipients = make([]mail.Recipient, 0, len(tried))
		for _, i := range tried {
			x.message.Recipients = append(x.message.Recipients, x.job.Deliveries[i].Recipient)
		}
		results := c.client.Send(ctx, &x.message)
		more, took := x.take(tried, results, c.host)
		if !more || !took || !c.client.Usable() {
			return
		}
	}
}

// take notes the results of one transaction. more says that some recipients were
// refused only for being too many, took that others were not; then the former stay open.
func (x *exchange) take(tried []int, results []smtpclient.Result, h verdict.Host) (more, took bool) {
	for _, r := range results {
		took = took || r.Err == nil
	}
	x.open = nil
	for n, i := range tried {
		a := verdict.Of(results[n], h)
		x.answers[i] = a
		x.reached = x.reached || !a.Next && !a.Canceled && a.Host.Addr.IsValid()
		switch {
		case took && verdict.TooManyRecipients(results[n].Err):
			more = true
			x.open = append(x.open, i)
		case a.Next:
			x.open = append(x.open, i)
		}
	}
	if len(x.open) > 0 {
		x.site = append(x.site, x.answers[x.open[0]])
	}
	return more, took
}
