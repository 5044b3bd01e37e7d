package cli

import (
	"fmt"
	"strconv"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
)

// queueGroup is "countersign queue".
type queueGroup struct {
	List    queueList    `cmd:"" help:"List waiting deliveries."`
	Show    queueShow    `cmd:"" help:"Show a submission with its waiting deliveries."`
	Hold    queueHold    `cmd:"" help:"Stop waiting deliveries until they are released."`
	Release queueRelease `cmd:"" help:"Put held deliveries back, due now."`
	Retry   queueRetry   `cmd:"" help:"Make deferred deliveries due now."`
	Drop    queueDrop    `cmd:"" help:"Remove waiting deliveries; nobody is told."`
}

// selection says which deliveries are meant.
type selection struct {
	Account     addressArg `help:"Those of one account." placeholder:"ADDRESS"`
	Domain      domainArg  `help:"Those of one sender domain." placeholder:"NAME"`
	Destination domainArg  `help:"Those to one recipient domain." placeholder:"NAME"`
	State       string     `help:"Those in one state: queued, deferred or held." enum:",queued,deferred,held" default:"" placeholder:"STATE"`
}

// filter turns the selection into one of the store.
func (s selection) filter(d deliveryArg) queue.Filter {
	f := queue.Filter{
		Submission: d.id, N: d.n, Domain: s.Domain.Domain,
		Destination: s.Destination.Domain, State: queue.State(s.State),
	}
	if !s.Account.IsNull() {
		f.Login = s.Account.Key()
	}
	return f
}

// changed is the part that all changes have.
type changed struct {
	ID deliveryArg `arg:"" optional:"" help:"The id of a submission, or ID/N for its recipient number N."`
	selection
	All bool `help:"All that wait, without any other selection."`
}

// change does one change to what was selected and says how many deliveries it
// met.
func (s *changed) change(c *call, verb string, do func(o *opened, f queue.Filter) (int, error)) error {
	f := s.filter(s.ID)
	if (f == queue.Filter{}) != s.All {
		return usage("say which deliveries: an ID, --account, --domain, --destination, --state, or --all alone")
	}
	return c.with(func(o *opened) error {
		n, err := do(o, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New("cli.queue", fault.NotFound, "nothing waits that this applies to; see \"countersign queue list\"")
		}
		return c.say("%s %s", plural(n, "delivery", "deliveries"), verb)
	})
}

// plural counts things.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

type queueHold struct {
	changed
	Reason string `help:"Why, for whoever finds it." default:"held by an administrator" placeholder:"TEXT"`
}

func (cmd *queueHold) Run(c *call) error {
	if clean(cmd.Reason) != cmd.Reason || cmd.Reason == "" || cmd.Reason == queue.HoldSuspended {
		return usage("--reason needs a line of text, other than %q, which stands for suspensions", queue.HoldSuspended)
	}
	return cmd.change(c, "held", func(o *opened, f queue.Filter) (int, error) {
		return o.store.Hold(c.ctx, f, cmd.Reason, o.event(audit.DeliveryHeld, cmd.Reason))
	})
}

type queueRelease struct{ changed }

func (cmd *queueRelease) Run(c *call) error {
	return cmd.change(c, "released", func(o *opened, f queue.Filter) (int, error) {
		return o.store.Release(c.ctx, f, o.event(audit.DeliveryReleased, ""))
	})
}

type queueRetry struct{ changed }

func (cmd *queueRetry) Run(c *call) error {
	return cmd.change(c, "due now", func(o *opened, f queue.Filter) (int, error) {
		return o.store.Retry(c.ctx, f, o.event(audit.DeliveryRetried, ""))
	})
}

type queueDrop struct{ changed }

func (cmd *queueDrop) Run(c *call) error {
	return cmd.change(c, "dropped", func(o *opened, f queue.Filter) (int, error) {
		return o.store.Drop(c.ctx, f, o.event(audit.DeliveryDropped, ""))
	})
}

// deliveryView is a delivery as it is printed.
type deliveryView struct {
	Submission mail.ID     `json:"submission"`
	N          int         `json:"n"`
	State      queue.State `json:"state"`
	Account    string      `json:"account"`
	From       string      `json:"from"`
	To         string      `json:"to"`
	Size       int64       `json:"size"`
	Accepted   time.Time   `json:"accepted"`
	Expires    time.Time   `json:"expires"`
	Attempts   int         `json:"attempts"`
	// Next is when a queued or deferred delivery is due.
	Next       *time.Time  `json:"next,omitempty"`
	HoldReason string      `json:"hold_reason,omitempty"`
	Last       *resultView `json:"last,omitempty"`
}

// resultView is how an attempt ended.
type resultView struct {
	At       time.Time `json:"at"`
	Code     int       `json:"code"`
	Enhanced string    `json:"enhanced"`
	Text     string    `json:"text"`
	Remote   string    `json:"remote"`
}

func viewDelivery(item queue.Item) deliveryView {
	d, s := item.Delivery, item.Submission
	v := deliveryView{
		Submission: d.Submission, N: d.N, State: d.State, Account: s.Login,
		From: s.Envelope.From.String(), To: d.Recipient.To.String(), Size: s.Size,
		Accepted: s.At, Expires: s.Expires, Attempts: d.Attempts, HoldReason: d.HoldReason,
	}
	if d.State != queue.Held {
		v.Next = &d.Next
	}
	if d.Last != (queue.Result{}) {
		v.Last = &resultView{d.Last.At, d.Last.Code, d.Last.Enhanced, d.Last.Text, d.Last.Remote}
	}
	return v
}

// outlook says in one line what will become of a delivery, or why not.
func (v deliveryView) outlook() string {
	switch {
	case v.State == queue.Held:
		return v.HoldReason
	case v.Last != nil:
		return fmt.Sprintf("%d %s %s", v.Last.Code, v.Last.Enhanced, v.Last.Text)
	}
	return ""
}

// due says when the next attempt is due.
func (v deliveryView) due() string {
	if v.Next == nil {
		return ""
	}
	return stamp(*v.Next)
}

type queueList struct {
	selection
	Limit int `help:"The most deliveries to print." default:"1000"`
	asJSON
}

func (cmd *queueList) Run(c *call) error {
	if cmd.Limit < 1 {
		return usage("--limit is at least 1")
	}
	return c.with(func(o *opened) error {
		f := cmd.filter(deliveryArg{})
		f.Limit = cmd.Limit + 1 // one more, to see whether there are more
		items, err := o.store.List(c.ctx, f)
		if err != nil {
			return err
		}
		if len(items) > cmd.Limit {
			items = items[:cmd.Limit]
			fmt.Fprintf(c.stderr, "there are more than %d; see --limit\n", cmd.Limit)
		}
		return list(c, cmd.asJSON, views(items, viewDelivery), []column[deliveryView]{
			{"SUBMISSION", func(v deliveryView) string { return fmt.Sprintf("%s/%d", v.Submission, v.N) }},
			{"STATE", func(v deliveryView) string { return string(v.State) }},
			{"FROM", func(v deliveryView) string { return "<" + v.From + ">" }},
			{"TO", func(v deliveryView) string { return v.To }},
			{"TRIES", func(v deliveryView) string { return strconv.Itoa(v.Attempts) }},
			{"NEXT", deliveryView.due},
			{"LAST OR WHY", deliveryView.outlook},
		})
	})
}

type queueShow struct {
	ID deliveryArg `arg:"" help:"The id of a submission, or ID/N for its recipient number N."`
	asJSON
}

func (cmd *queueShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		items, err := o.store.List(c.ctx, selection{}.filter(cmd.ID))
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return fault.New("cli.queue", fault.NotFound, "nothing waits under %s; \"countersign trace %s\" tells what became of it", cmd.ID.id, cmd.ID.id)
		}
		all := views(items, viewDelivery)
		if cmd.JSON {
			return printJSON(c.stdout, all)
		}
		return showSubmission(c, items[0].Submission, all)
	})
}

// showSubmission prints a submission and its deliveries.
func showSubmission(c *call, s *queue.Submission, deliveries []deliveryView) error {
	t := newTable(c.stdout)
	t.field("submission", s.ID.String())
	t.field("session", s.Session.String())
	t.field("account", s.Login)
	if s.Cause != "" {
		t.field("report on", s.Cause.String())
	}
	t.field("from", "<"+s.Envelope.From.String()+">")
	t.field("size", strconv.FormatInt(s.Size, 10))
	t.field("accepted", stamp(s.At))
	t.field("expires", stamp(s.Expires))
	for _, v := range deliveries {
		t.field(fmt.Sprintf("recipient %d", v.N), v.To)
		t.field("  state", string(v.State))
		t.field("  tries", strconv.Itoa(v.Attempts))
		t.field("  next", v.due())
		if v.HoldReason != "" {
			t.field("  held because", v.HoldReason)
		}
		if v.Last != nil {
			t.field("  last try", stamp(v.Last.At))
			t.field("  ended in", fmt.Sprintf("%d %s %s", v.Last.Code, v.Last.Enhanced, v.Last.Text))
			t.field("  by", v.Last.Remote)
		}
	}
	return t.Flush()
}
