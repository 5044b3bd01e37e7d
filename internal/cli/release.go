package cli

import (
	"fmt"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/queue"
)

type queueRelease struct {
	changed
	Force bool `help:"Also what is of an account that is suspended, itself or by its domain, customer or plan, or that was removed."`
}

// Help is what "queue release --help" says beside the flags.
func (*queueRelease) Help() string {
	return "What is of an account that is suspended, or that was removed, stays held; --force releases it, too. What is released was looked at: " +
		"credentials that are revoked or changed before do not hold it again, a later change or suspension does."
}

func (cmd *queueRelease) Run(c *call.Call) error {
	f, err := cmd.selected()
	if err != nil {
		return err
	}
	return c.With(func(o *call.Opened) error {
		if err := cmd.resolve(o, &f); err != nil {
			return err
		}
		if !cmd.Force {
			f.Standing = queue.Stands
		}
		n, err := o.Store.Release(c.Ctx, f, o.Event(audit.DeliveryReleased, ""))
		if err != nil {
			return err
		}
		stopped := ""
		if !cmd.Force {
			if stopped, err = stoppedOf(o, f); err != nil {
				return err
			}
		}
		f.Standing = ""
		switch {
		case n == 0 && stopped != "":
			return fault.New("cli.queue", fault.Denied, "%s", stopped)
		case n == 0:
			return cmd.nothing(o, f, "is not held")
		case stopped != "":
			fmt.Fprintln(c.Stderr, stopped)
		}
		return c.Say("%s released", table.Count(n, "delivery", "deliveries"))
	})
}

// maxStopped is how many deliveries that were not released are counted.
const maxStopped = 1000

// stoppedOf says what of a selection stays held as its sender may not send, and why; ""
// where there is none.
func stoppedOf(o *call.Opened, f queue.Filter) (string, error) {
	if f.State != "" && f.State != queue.Held {
		return "", nil
	}
	f.Standing, f.State, f.Limit = queue.Stopped, queue.Held, maxStopped+1
	items, err := o.Store.List(o.Ctx, f)
	if err != nil || len(items) == 0 {
		return "", err
	}
	var causes []string
	seen := map[string]bool{}
	for i := range items {
		s := items[i].Submission
		if seen[s.Login] || len(causes) > maxNamed {
			continue
		}
		seen[s.Login] = true
		for _, cause := range stops(o, s) {
			if !slices.Contains(causes, cause) {
				causes = append(causes, cause)
			}
		}
	}
	if len(causes) > maxNamed {
		causes = append(causes[:maxNamed], "others as well")
	}
	count := table.Count(min(len(items), maxStopped), "delivery", "deliveries")
	if len(items) > maxStopped {
		count = "more than " + count
	}
	return count + " not released: " + strings.Join(causes, ", ") + "; what is resumed lets its mail go by itself, --force releases it all the same", nil
}

// stops says what keeps the sender of a submission from sending.
func stops(o *call.Opened, s *queue.Submission) []string {
	sender, err := o.Store.Sender(o.Ctx, s.Login)
	if err != nil || sender.Account.ID != s.Account {
		return []string{"account " + s.Login + " was removed"}
	}
	if list := sender.Suspended(); len(list) > 0 {
		for i := range list {
			list[i] += " is suspended"
		}
		return list
	}
	return []string{"another domain that account " + s.Login + " sent under is suspended, or no longer its customer's"}
}
