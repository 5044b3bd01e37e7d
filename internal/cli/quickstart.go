package cli

import (
	"context"
	"os/signal"
	"syscall"

	"countersign/internal/cli/call"
	"countersign/internal/quickstart"
)

// quickstartCommand is "countersign quickstart".
type quickstartCommand struct {
	Data        string `help:"Folder of everything." default:"./var/quickstart" type:"path"`
	Submission  string `help:"Address of the listener with STARTTLS." default:"127.0.0.1:2587"`
	Submissions string `help:"Address of the listener with TLS." default:"127.0.0.1:2465"`
	Metrics     string `help:"Address of metrics and health." default:"127.0.0.1:2590"`
	Web         string `help:"Address of the pages for people." default:"127.0.0.1:2580"`
	Once        bool   `help:"End after the trace; status 0 only if the message arrived and both signatures verify."`
}

// Run starts the demo and stays until Ctrl-C.
func (cmd *quickstartCommand) Run(c *call.Call) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return whole(quickstart.Run(ctx, quickstart.Options{
		Data: cmd.Data, Once: cmd.Once,
		Submission: cmd.Submission, Submissions: cmd.Submissions, Metrics: cmd.Metrics, Web: cmd.Web,
		Stdout: c.Stdout, Stderr: c.Stderr, Version: c.Env.Version, Trace: Trace,
	}))
}
