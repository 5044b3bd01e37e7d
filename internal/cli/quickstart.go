package cli

import (
	"context"
	"os/signal"
	"syscall"

	"countersign/internal/quickstart"
)

// quickstartCmd is "quickstart".
type quickstartCmd struct {
	Data        string `help:"Folder of everything." default:"./var/quickstart" type:"path"`
	Submission  string `help:"Address of the listener with STARTTLS." default:"127.0.0.1:2587"`
	Submissions string `help:"Address of the listener with TLS." default:"127.0.0.1:2465"`
	Metrics     string `help:"Address of metrics and health." default:"127.0.0.1:2590"`
	Once        bool   `help:"End after the trace; status 0 only if the message arrived and both signatures verify."`
}

// run starts the demo until Ctrl-C.
func (c *quickstartCmd) run(o quickstart.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o.Data, o.Once = c.Data, c.Once
	o.Submission, o.Submissions, o.Metrics = c.Submission, c.Submissions, c.Metrics
	return quickstart.Run(ctx, o)
}
