package cli

import (
	"fmt"
	"strconv"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/story"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
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
	Account     argument.Address `help:"Those of one account." placeholder:"ADDRESS"`
	Domain      argument.Domain  `help:"Those of one sender domain." placeholder:"NAME"`
	Destination argument.Domain  `help:"Those to one recipient domain." placeholder:"NAME"`
	To          argument.Address `help:"Those to one recipient." placeholder:"ADDRESS"`
	State       argument.State   `help:"Those in one state: queued, deferred or held." placeholder:"STATE"`
}

// filter turns the selection into one of the store.
func (s selection) filter(d argument.Delivery) queue.Filter {
	f := queue.Filter{
		Submission: d.ID, N: d.N, Domain: s.Domain.Domain,
		Destination: s.Destination.Domain, To: s.To.Address, State: s.State.State,
	}
	if !s.Account.IsNull() {
		f.Login = s.Account.Key()
	}
	return f
}

// changed is the part that all changes have.
type changed struct {
	ID argument.Delivery `arg:"" optional:"" help:"The id of a submission, or ID/N for its recipient number N."`
	selection
	All bool `help:"All that wait, without any other selection."`
}

// change does one change to what was selected and says how many deliveries it
// met.
func (s *changed) change(c *call, verb string, do func(o *opened, f queue.Filter) (int, error)) error {
	f := s.filter(s.ID)
	if (f == queue.Filter{}) != s.All {
		return usage("say which deliveries: an ID, --account, --domain, --destination, --to, --state, or --all alone")
	}
	return c.with(func(o *opened) error {
		n, err := do(o, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return fault.New("cli.queue", fault.NotFound, "nothing waits that this applies to%s; see \"countersign queue list\"", s.named())
		}
		return c.say("%s %s", plural(n, "delivery", "deliveries"), verb)
	})
}

// named says which id was asked for, "" where none was.
func (s *changed) named() string {
	if s.ID.ID == "" {
		return ""
	}
	return " under " + string(s.ID.ID)
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
	if table.Clean(cmd.Reason) != cmd.Reason || cmd.Reason == "" || cmd.Reason == queue.HoldSuspended {
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
		f := cmd.filter(argument.Delivery{})
		f.Limit = cmd.Limit + 1 // one more, to see whether there are more
		items, err := o.store.List(c.ctx, f)
		if err != nil {
			return err
		}
		if len(items) > cmd.Limit {
			items = items[:cmd.Limit]
			fmt.Fprintf(c.stderr, "there are more than %d; see --limit\n", cmd.Limit)
		}
		heads := []string{"SUBMISSION", "STATE", "FROM", "TO", "TRIES", "NEXT", "LAST OR WHY"}
		return table.List(c.stdout, cmd.JSON, views(items, story.View), heads, func(v story.Delivery) []string {
			return []string{
				fmt.Sprintf("%s/%d", v.Submission, v.N), string(v.State), "<" + v.From + ">", v.To, strconv.Itoa(v.Attempts), v.Due(), v.Outlook(),
			}
		})
	})
}

type queueShow struct {
	ID argument.Delivery `arg:"" help:"The id of a submission, or ID/N for its recipient number N."`
	asJSON
}

func (cmd *queueShow) Run(c *call) error {
	return c.with(func(o *opened) error {
		items, err := o.store.List(c.ctx, selection{}.filter(cmd.ID))
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return fault.New("cli.queue", fault.NotFound, "nothing waits under %s; \"countersign trace %s\" tells what became of it", cmd.ID.ID, cmd.ID.ID)
		}
		all := views(items, story.View)
		if cmd.JSON {
			return table.JSON(c.stdout, all)
		}
		return showSubmission(c, items[0].Submission, all)
	})
}

// showSubmission prints a submission and its deliveries.
func showSubmission(c *call, s *queue.Submission, deliveries []story.Delivery) error {
	t := table.New(c.stdout)
	t.Row("submission", s.ID.String())
	t.Row("session", s.Session.String())
	t.Row("account", s.Login)
	if s.Cause != "" {
		t.Row("report on", s.Cause.String())
	}
	t.Row("from", "<"+s.Envelope.From.String()+">")
	t.Row("size", strconv.FormatInt(s.Size, 10))
	t.Row("accepted", table.Stamp(s.At))
	t.Row("expires", table.Stamp(s.Expires))
	for _, v := range deliveries {
		t.Row(fmt.Sprintf("recipient %d", v.N), v.To)
		t.Row("  state", string(v.State))
		t.Row("  tries", strconv.Itoa(v.Attempts))
		t.Row("  next", v.Due())
		if v.HoldReason != "" {
			t.Row("  held because", v.HoldReason)
		}
		if v.Last != nil {
			t.Row("  last try", table.Stamp(v.Last.At))
			t.Row("  ended in", fmt.Sprintf("%d %s %s", v.Last.Code, v.Last.Enhanced, v.Last.Text))
			t.Row("  by", v.Last.Remote)
		}
	}
	return t.Flush()
}
