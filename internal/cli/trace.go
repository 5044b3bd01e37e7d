package cli

import (
	"context"
	"io"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/story"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
)

// traceCommand is "countersign trace".
type traceCommand struct {
	ID      argument.Delivery `arg:"" optional:"" help:"The id of a session or a submission, or ID/N for recipient number N of a submission."`
	Account string            `help:"Without an id: list the submissions of an account." placeholder:"LOGIN"`
	To      argument.Address  `help:"Without an id: list the submissions to a recipient." placeholder:"ADDRESS"`
	past
	limited
	asJSON
}

func (cmd *traceCommand) Run(c *call) error {
	byID := cmd.ID.ID != ""
	switch listing := cmd.Account != "" || !cmd.To.IsNull(); {
	case byID == listing:
		return usage("give the id of a session or a submission, or --account or --to to find it")
	case byID && (cmd.Since.IsSet() || cmd.Until.IsSet()):
		return usage("--since and --until go with --account and --to: an id stands for itself")
	case listing:
		return cmd.list(c)
	}
	return c.with(func(o *opened) error {
		s, err := story.Read(c.ctx, o.store, cmd.ID.ID)
		if err == nil && cmd.ID.N > 0 {
			err = s.Only(cmd.ID.N)
		}
		if err != nil {
			return err
		}
		if cmd.JSON {
			return s.JSON(c.stdout)
		}
		return s.Print(c.stdout)
	})
}

// list lists the submissions that may be meant, where no id is known.
func (cmd *traceCommand) list(c *call) error {
	if err := cmd.check(); err != nil {
		return err
	}
	w := story.Wanted{Login: login(cmd.Account), To: cmd.To.Address, Limit: cmd.Limit}
	bounded := false
	w.Since, w.Until, bounded = cmd.times(c.env.Now(), cmd.Account == "")
	return c.with(func(o *opened) error {
		found, more, err := story.Find(c.ctx, o.store, w)
		if err != nil {
			return err
		}
		cmd.note(c, more, bounded && len(found) == 0)
		if len(found) == 0 && !cmd.JSON {
			return cmd.none(o, w.Login)
		}
		heads := []string{"ACCEPTED", "FROM", "TO", "OUTCOME", "ID"}
		return table.List(c.stdout, cmd.JSON, found, heads, func(f story.Found) []string {
			return []string{table.Stamp(f.Accepted), "<" + f.From + ">", f.To(), f.Outcome(), f.Submission.String()}
		})
	})
}

// none says that nothing was found, and whether there is such an account at all:
// a misspelt one sends nothing either.
func (cmd *traceCommand) none(o *opened, login string) error {
	if login == "" {
		return o.say("no submission found")
	}
	_, err := o.store.Account(o.ctx, login)
	switch {
	case fault.Is(err, fault.NotFound):
		return o.say("no submission found, and there is no account %s; see \"countersign account list\"", login)
	case err != nil:
		return err
	}
	return o.say("no submission found of account %s", login)
}

// Trace prints to w the story of a session or a submission. Where store also
// lists a queue, the deliveries that still wait are told too. Errors:
// fault.Invalid for what is no id, fault.NotFound where nothing is recorded.
func Trace(ctx context.Context, w io.Writer, store audit.Store, id string) error {
	var arg argument.ID
	if err := arg.UnmarshalText([]byte(id)); err != nil {
		return fault.Wrap("cli.trace", fault.Invalid, err)
	}
	s, err := story.Read(ctx, store, arg.ID)
	if err != nil {
		return err
	}
	return s.Print(w)
}
