package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/story"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/queue"
	"countersign/internal/shown"
)

// queueGroup is "countersign queue".
type queueGroup struct {
	List    queueList    `cmd:"" help:"List waiting deliveries."`
	Show    queueShow    `cmd:"" help:"Show a submission with its waiting deliveries."`
	Hold    queueHold    `cmd:"" help:"Stop waiting deliveries until they are released."`
	Release queueRelease `cmd:"" help:"Put held deliveries back, due now."`
	Retry   queueRetry   `cmd:"" help:"Make deferred deliveries due now, and those that a limit slows down."`
	Drop    queueDrop    `cmd:"" help:"Remove waiting deliveries; nobody is told."`
}

// selection says which deliveries are meant.
type selection struct {
	Account     argument.Address    `help:"Those of one account." placeholder:"ADDRESS"`
	Domain      argument.Domain     `help:"Those of one sender domain." placeholder:"NAME"`
	Destination argument.Domain     `help:"Those to one recipient domain." placeholder:"NAME"`
	To          argument.Address    `help:"Those to one recipient." placeholder:"ADDRESS"`
	State       argument.State      `help:"Those in one state: queued, deferred or held." placeholder:"STATE"`
	Credential  argument.Credential `help:"Those that came under one credential; a name needs --account." placeholder:"ID|NAME"`
	Why         string              `help:"Those that are held for one reason, as listings show it." placeholder:"REASON"`
}

// filter turns the selection into one of the store.
func (s selection) filter(d argument.Delivery) queue.Filter {
	f := queue.Filter{
		Submission: d.ID, N: d.N, Domain: s.Domain.Domain,
		Destination: s.Destination.Domain, To: s.To.Address, State: s.State.State,
		Credential: s.Credential.ID, Why: s.Why,
	}
	if !s.Account.IsNull() {
		f.Login = s.Account.Key()
	}
	return f
}

// usable refuses a credential that is named without its account.
func (s selection) usable() error {
	if s.Credential.Name != "" && s.Account.IsNull() {
		return call.Usage("--credential %s needs --account, as others may have one of that name; or give its id", s.Credential.Name)
	}
	return nil
}

// resolve puts the id of a credential that was named into a filter.
func (s selection) resolve(o *call.Opened, f *queue.Filter) error {
	name := s.Credential.Name
	if name == "" {
		return nil
	}
	a, err := o.Store.Account(o.Ctx, f.Login)
	if err != nil {
		return call.Missing(err, "account "+s.Account.String())
	}
	for i := range a.Credentials {
		if a.Credentials[i].Name == name {
			f.Credential = a.Credentials[i].ID
			return nil
		}
	}
	return fault.New("cli.queue", fault.NotFound,
		"account %s has no credential %q; of one that is gone the id is needed, which \"countersign queue show\" has", a.Address, name)
}

// changed is the part that all changes have.
type changed struct {
	ID argument.Delivery `arg:"" optional:"" help:"The id of a submission, or ID/N for its recipient number N."`
	selection
	All bool `help:"All that wait, without any other selection."`
}

// change does one change to what was selected and says how many deliveries it
// met; not says how those stand that it does not apply to.
func (s *changed) change(c *call.Call, verb, not string, do func(o *call.Opened, f queue.Filter) (int, error)) error {
	f, err := s.selected()
	if err != nil {
		return err
	}
	return c.With(func(o *call.Opened) error {
		if err := s.resolve(o, &f); err != nil {
			return err
		}
		n, err := do(o, f)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.nothing(o, f, not)
		}
		return c.Say("%s %s", table.Count(n, "delivery", "deliveries"), verb)
	})
}

// selected is the filter of what is meant.
func (s *changed) selected() (queue.Filter, error) {
	f := s.filter(s.ID)
	if (f == queue.Filter{}) != s.All {
		return f, call.Usage("say which deliveries: an ID, --account, --domain, --destination, --to, --state, --credential, --why, or --all alone")
	}
	return f, s.usable()
}

// nothing says why a change met none.
func (s *changed) nothing(o *call.Opened, f queue.Filter, not string) error {
	f.Limit = 1
	items, err := o.Store.List(o.Ctx, f)
	if err != nil {
		return err
	}
	if len(items) > 0 && s.ID.ID != "" {
		return fault.New("cli.queue", fault.Conflict, "%s waits, but %s; see \"countersign queue show %s\"", s.ID.ID, not, s.ID.ID)
	}
	named := ""
	if s.ID.ID != "" {
		named = " under " + string(s.ID.ID)
	}
	return fault.New("cli.queue", fault.NotFound, "nothing waits that this applies to%s; see \"countersign queue list\"", named)
}

type queueHold struct {
	changed
	Reason string `help:"Why, for whoever finds it." default:"held by an administrator" placeholder:"TEXT"`
}

func (cmd *queueHold) Run(c *call.Call) error {
	kept := append(queue.HoldsByChange(), queue.HoldLeft, queue.HoldCertificate)
	if table.Clean(cmd.Reason) != cmd.Reason || cmd.Reason == "" || slices.Contains(kept, cmd.Reason) {
		return call.Usage("--reason needs a line of text, none of the reasons that changes of accounts have: %s", strings.Join(kept, ", "))
	}
	return cmd.change(c, "held", "is held already", func(o *call.Opened, f queue.Filter) (int, error) {
		return o.Store.Hold(c.Ctx, f, cmd.Reason, o.Event(audit.DeliveryHeld, cmd.Reason))
	})
}

type queueRetry struct{ changed }

func (cmd *queueRetry) Run(c *call.Call) error {
	return cmd.change(c, "due now", "is neither deferred nor slowed down", func(o *call.Opened, f queue.Filter) (int, error) {
		return o.Store.Retry(c.Ctx, f, o.Event(audit.DeliveryRetried, ""))
	})
}

type queueDrop struct{ changed }

func (cmd *queueDrop) Run(c *call.Call) error {
	return cmd.change(c, "dropped", "could not be dropped", func(o *call.Opened, f queue.Filter) (int, error) {
		return o.Store.Drop(c.Ctx, f, o.Event(audit.DeliveryDropped, ""))
	})
}

type queueList struct {
	selection
	Limit int `help:"The most deliveries to print." default:"1000"`
	call.AsJSON
}

func (cmd *queueList) Run(c *call.Call) error {
	if cmd.Limit < 1 {
		return call.Usage("--limit is at least 1")
	}
	if err := cmd.usable(); err != nil {
		return err
	}
	return c.With(func(o *call.Opened) error {
		f := cmd.filter(argument.Delivery{})
		if err := cmd.resolve(o, &f); err != nil {
			return err
		}
		f.Limit = cmd.Limit + 1 // one more, to see whether there are more
		items, err := o.Store.List(c.Ctx, f)
		if err != nil {
			return err
		}
		if len(items) == 0 && f.Why != "" && !slices.Contains(queue.Reasons(), f.Why) {
			fmt.Fprintf(c.Stderr, "nothing waits for the reason %q. The gate itself gives these: %s. Administrators give their own, in the words of \"queue hold --reason\"\n",
				f.Why, strings.Join(queue.Reasons(), ", "))
		}
		if len(items) == 0 && f.Login != "" { // mail of one that is removed may be there
			if _, err := o.Store.Account(c.Ctx, f.Login); err != nil {
				return call.Missing(err, "account "+cmd.Account.String())
			}
		}
		if len(items) > cmd.Limit {
			items = items[:cmd.Limit]
			fmt.Fprintf(c.Stderr, "there are more than %d; see --limit\n", cmd.Limit)
		}
		heads := []string{"SUBMISSION", "STATE", "FROM", "TO", "TRIES", "NEXT", "LAST OR WHY"}
		return table.List(c.Stdout, cmd.JSON, shown.Each(items, story.View), heads, func(v story.Delivery) []string {
			return []string{
				fmt.Sprintf("%s/%d", v.Submission, v.N), string(v.State), "<" + v.From + ">", v.To, strconv.Itoa(v.Attempts), v.Due(), v.Outlook(),
			}
		})
	})
}

type queueShow struct {
	ID argument.Delivery `arg:"" help:"The id of a submission, or ID/N for its recipient number N."`
	call.AsJSON
}

func (cmd *queueShow) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		items, err := o.Store.List(c.Ctx, selection{}.filter(cmd.ID))
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return cmd.missing(o)
		}
		all := shown.Each(items, story.View)
		if cmd.JSON {
			return table.JSON(c.Stdout, all)
		}
		return showSubmission(c, items[0].Submission, all)
	})
}

// missing says what there is instead of what was asked for.
func (cmd *queueShow) missing(o *call.Opened) error {
	const op = "cli.queue"
	id := cmd.ID.ID
	items, err := o.Store.List(o.Ctx, queue.Filter{Submission: id})
	if err != nil {
		return err
	}
	if len(items) == 0 {
		return fault.New(op, fault.NotFound, "nothing waits under %s; \"countersign trace %s\" tells what became of it", id, id)
	}
	numbers := make([]string, 0, maxNamed)
	for i := 0; i < len(items) && i < maxNamed; i++ {
		numbers = append(numbers, strconv.Itoa(items[i].Delivery.N))
	}
	if len(items) > maxNamed {
		numbers = append(numbers, "others")
	}
	return fault.New(op, fault.NotFound, "no recipient %d of %s waits: there is %s; \"countersign trace %s\" tells what became of the others",
		cmd.ID.N, id, strings.Join(numbers, ", "), id)
}

// maxNamed is how many things a sentence lists.
const maxNamed = 10

// showSubmission prints a submission and its deliveries.
func showSubmission(c *call.Call, s *queue.Submission, deliveries []story.Delivery) error {
	t := table.New(c.Stdout)
	t.Row("submission", s.ID.String())
	t.Row("session", s.Session.String())
	t.Row("account", s.Login)
	t.Row("credential", s.Credential.String())
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
			t.Row("  "+v.Waits()+" because", v.HoldReason)
		}
		if v.Last != nil {
			t.Row("  last try", table.Stamp(v.Last.At))
			t.Row("  ended in", fmt.Sprintf("%d %s %s", v.Last.Code, v.Last.Enhanced, v.Last.Text))
			t.Row("  by", v.Last.Remote)
		}
	}
	return t.Flush()
}
