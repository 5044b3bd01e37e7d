package cli

import (
	"countersign/internal/cli/call"
	"countersign/internal/cli/serve"
)

// serveCommand is "countersign serve".
type serveCommand struct{}

// Help is what "serve --help" says beside the flags.
func (*serveCommand) Help() string {
	return "Listens where the configuration says, takes mail, delivers it, and stays until it is stopped. " +
		"The log goes to standard error. SIGHUP reads the configuration again; SIGTERM and SIGINT let what is " +
		"under way finish within session.shutdown_grace, a second one ends it at once. " +
		"\"countersign config check\" says beforehand what is wrong with the file."
}

func (*serveCommand) Run(c *call.Call) error {
	return whole(serve.UntilSignal(c.Config, c.Env.Version, c.Stderr))
}
