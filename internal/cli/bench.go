package cli

import (
	"countersign/internal/cli/bench"
	"countersign/internal/cli/call"
)

// benchCommand is "countersign bench".
type benchCommand struct{ bench.Command }

func (cmd *benchCommand) Run(c *call.Call) error { return cmd.Do(c.Stdin, c.Stdout) }
