package cli

import (
	"context"
	"io"

	"countersign/internal/audit"
	"countersign/internal/cli/story"
	"countersign/internal/fault"
)

// traceCommand is "countersign trace".
type traceCommand struct {
	ID idArg `arg:"" help:"The id of a session or a submission."`
	asJSON
}

func (cmd *traceCommand) Run(c *call) error {
	return c.with(func(o *opened) error {
		s, err := story.Read(c.ctx, o.store, cmd.ID.ID)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return s.JSON(c.stdout)
		}
		return s.Print(c.stdout)
	})
}

// Trace prints to w the story of a session or a submission. Where store also
// lists a queue, the deliveries that still wait are told too. Errors:
// fault.Invalid for what is no id, fault.NotFound where nothing is recorded.
func Trace(ctx context.Context, w io.Writer, store audit.Store, id string) error {
	var arg idArg
	if err := arg.UnmarshalText([]byte(id)); err != nil {
		return fault.Wrap("cli.trace", fault.Invalid, err)
	}
	s, err := story.Read(ctx, store, arg.ID)
	if err != nil {
		return err
	}
	return s.Print(w)
}
