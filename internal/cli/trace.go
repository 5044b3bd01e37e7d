package cli

import (
	"context"
	"io"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
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
	call.AsJSON
}

func (cmd *traceCommand) Run(c *call.Call) error {
	byID := cmd.ID.ID != ""
	switch listing := cmd.Account != "" || !cmd.To.IsNull(); {
	case byID == listing:
		return call.Usage("give the id of a session or a submission, or --account or --to to find it")
	case byID && (cmd.Since.IsSet() || cmd.Until.IsSet()):
		return call.Usage("--since and --until go with --account and --to: an id stands for itself")
	case listing:
		return cmd.list(c)
	}
	return c.With(func(o *call.Opened) error {
		s, err := story.Read(c.Ctx, o.Store, cmd.ID.ID)
		if err == nil && cmd.ID.N > 0 {
			err = s.Only(cmd.ID.N)
		}
		if err != nil {
			return err
		}
		if cmd.JSON {
			return s.JSON(c.Stdout)
		}
		return s.Print(c.Stdout)
	})
}

// list lists the submissions that may be meant, where no id is known.
func (cmd *traceCommand) list(c *call.Call) error {
	if err := cmd.check(); err != nil {
		return err
	}
	w := story.Wanted{Login: loginOf(cmd.Account), To: cmd.To.Address, Limit: cmd.Limit}
	bounded := false
	w.Since, w.Until, bounded = cmd.times(c.Env.Now(), cmd.Account == "")
	return c.With(func(o *call.Opened) error {
		found, more, err := story.Find(c.Ctx, o.Store, w)
		if err != nil {
			return err
		}
		cmd.note(c, more, bounded && len(found) == 0)
		if len(found) == 0 && !cmd.JSON {
			return cmd.none(o, w.Login)
		}
		heads := []string{"ACCEPTED", "FROM", "TO", "OUTCOME", "ID"}
		return table.List(c.Stdout, cmd.JSON, found, heads, func(f story.Found) []string {
			return []string{table.Stamp(f.Accepted), "<" + f.From + ">", f.To(), f.Outcome(), f.Submission.String()}
		})
	})
}

// none says that nothing was found, and whether there is such an account at all:
// a misspelt one sends nothing either.
func (cmd *traceCommand) none(o *call.Opened, login string) error {
	if login == "" {
		return o.Say("no submission found")
	}
	_, err := o.Store.Account(o.Ctx, login)
	switch {
	case fault.Is(err, fault.NotFound):
		return o.Say("no submission found, and there is no account %s; see \"countersign account list\"", login)
	case err != nil:
		return err
	}
	return o.Say("no submission found of account %s", login)
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
