package loadgen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"countersign/internal/mail"
)

// Options say what to send where.
type Options struct {
	// Address is the server's host:port.
	Address string
	// ImplicitTLS is for port 465; otherwise STARTTLS is used.
	ImplicitTLS bool
	// TLS holds the server's name and the roots to check it by.
	TLS *tls.Config
	// Login and Password authenticate every connection.
	Login, Password string
	// From is the envelope sender and the header From.
	From string
	// Client is who the connection says it is for, by a PROXY header (version 1 of the PROXY
	// protocol), which the server has to expect; the zero value for no header.
	Client netip.Addr
	// Change is called before each connection with its number, counted from 1, and with what
	// it is made by: it may change Login, Password, From and Client. nil changes nothing. It
	// is called concurrently.
	Change func(connection int, o *Options)
	// To are the recipients of each message.
	To []string
	// Connections run at once; at least 1.
	Connections int
	// Messages are sent in all.
	Messages int
	// PerConnection is how many messages a connection carries before a new one is made;
	// 0 is unlimited.
	PerConnection int
	// Size is the octets of each message.
	Size int
	// Ledger is called with each message's number before it is sent (ok false) and
	// after its 250 (ok true, with the reply). It may be nil.
	Ledger func(number int, ok bool, reply string)
	// Number turns a message's number into the one that stands in it; nil
	// leaves it.
	Number func(number int) int
}

// Result is what a run measured.
type Result struct {
	Accepted  int     `json:"accepted"`
	Failed    int     `json:"failed"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"accepted_per_second"`
	Latency   Latency `json:"latency_ms"`
	// Rejections counts replies other than 250 by code; "0" are broken
	// connections.
	Rejections map[string]int `json:"rejections"`
	// FirstError is one example of what went wrong.
	FirstError string `json:"first_error,omitempty"`
}

// Latency is the time from MAIL to the 250 in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Run sends and waits for the end. ctx stops it early; what was measured by then is
// returned.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Connections < 1 || o.Messages < 1 || len(o.To) == 0 {
		return Result{}, errors.New("loadgen: needs at least one connection, message and recipient")
	}
	r := &run{opt: o, rejections: map[string]int{}}
	start := time.Now()
	var wg sync.WaitGroup
	for range o.Connections {
		wg.Go(func() { r.worker(ctx) })
	}
	wg.Wait()
	return r.result(time.Since(start)), nil
}

// run is the state that the connections of one run share.
type run struct {
	opt Options
	// next is the number of the next message, dialled that of the last connection.
	next, dialled atomic.Int64

	mu         sync.Mutex // guards what follows
	latencies  []time.Duration
	rejections map[string]int
	firstError error
	failed     int
}

// worker is one connection after the other until no message is left.
func (r *run) worker(ctx context.Context) {
	broken := 0
	for !over(ctx) && broken < 10 && r.left() {
		o := r.opt.numbered(int(r.dialled.Add(1)))
		c, err := dial(ctx, o)
		if over(ctx) && err != nil {
			return
		}
		if err != nil {
			r.fail(err)
			broken++
			continue
		}
		if err := r.use(ctx, c, o); err != nil {
			broken++
		}
		c.quit()
	}
}

// numbered returns what the connection of that number is made by.
func (o Options) numbered(connection int) Options {
	if o.Change != nil {
		o.Change(connection, &o)
	}
	return o
}

// over reports whether a load is to end. A connection that is being made ends at the deadline of
// its context, which may be a moment before that says so.
func over(ctx context.Context) bool {
	end, has := ctx.Deadline()
	return ctx.Err() != nil || has && !time.Now().Before(end)
}

func (r *run) left() bool { return r.next.Load() < int64(r.opt.Messages) }

// use sends over one connection, made by o, until its share is done.
func (r *run) use(ctx context.Context, c *client, o Options) error {
	for sent := 0; !over(ctx) && (r.opt.PerConnection == 0 || sent < r.opt.PerConnection); sent++ {
		number := int(r.next.Add(1))
		if number > r.opt.Messages {
			return nil
		}
		if r.opt.Ledger != nil {
			r.opt.Ledger(number, false, "")
		}
		shown := number
		if r.opt.Number != nil {
			shown = r.opt.Number(number)
		}
		body := message(o, shown)
		start := time.Now()
		reply, refused, err := c.send(o.From, o.To, body)
		if err != nil && over(ctx) {
			return err // cut off by us: neither accepted nor refused
		}
		if err != nil {
			r.fail(err)
			return err
		}
		r.done(time.Since(start), refused)
		if r.opt.Ledger != nil {
			r.opt.Ledger(number, true, reply)
		}
	}
	return nil
}

// done counts a message that was accepted, for some recipients at least.
func (r *run) done(took time.Duration, refused error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latencies = append(r.latencies, took)
	if refused != nil {
		r.reject(refused)
	}
}

// fail counts a message that was not.
func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	r.reject(err)
}

// reject counts a refusal by its code. The caller holds mu.
func (r *run) reject(err error) {
	code := 0
	var refused *replyError
	if errors.As(err, &refused) {
		code = refused.code
	}
	r.rejections[strconv.Itoa(code)]++
	if r.firstError == nil {
		r.firstError = err
	}
}

func (r *run) result(took time.Duration) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.latencies)
	res := Result{
		Accepted: len(r.latencies), Failed: r.failed, Seconds: took.Seconds(),
		PerSecond: float64(len(r.latencies)) / took.Seconds(), Rejections: r.rejections,
		Latency: Latency{
			P50: percentile(r.latencies, 0.50), P90: percentile(r.latencies, 0.90),
			P99: percentile(r.latencies, 0.99), Max: percentile(r.latencies, 1),
		},
	}
	if r.firstError != nil {
		res.FirstError = r.firstError.Error()
	}
	return res
}

// percentile returns a quantile of sorted durations in milliseconds, by the nearest rank.
func percentile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := max(int(q*float64(len(sorted))+0.999999)-1, 0)
	return float64(sorted[min(rank, len(sorted)-1)].Microseconds()) / 1000
}

// line fills the body of generated messages.
const line = "The quick brown fox jumps over the lazy dog while the gate counts it all.\r\n"

// message makes a message of about o.Size octets that names its number.
func message(o Options, number int) []byte {
	var b bytes.Buffer
	b.Grow(o.Size + 512)
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: load %d\r\n%s%d\r\n", o.From, o.To[0], number, numberField, number)
	b.WriteString("Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	for b.Len()+len(line) <= o.Size {
		b.WriteString(line)
	}
	b.WriteString("end\r\n")
	return b.Bytes()
}

// SendOne submits one message of the caller's own over one connection and
// returns the id in the server's 250.
func SendOne(ctx context.Context, o Options, message []byte) (mail.ID, error) {
	c, err := dial(ctx, o)
	if err != nil {
		return "", err
	}
	defer c.quit()
	reply, _, err := c.send(o.From, o.To, message)
	if err != nil {
		return "", err
	}
	for _, word := range strings.Fields(reply) {
		if mail.ValidID(word) {
			return mail.ID(word), nil
		}
	}
	return "", fmt.Errorf("reply %q names no id", reply)
}
