package cli

import "countersign/internal/cli/bench"

// benchCommand is "countersign bench".
type benchCommand struct{ bench.Command }

func (cmd *benchCommand) Run(c *call) error { return cmd.Do(c.stdin, c.stdout) }
