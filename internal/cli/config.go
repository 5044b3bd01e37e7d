package cli

import (
	"fmt"

	"countersign/internal/cli/call"
	"countersign/internal/config"
)

// configGroup is "countersign config".
type configGroup struct {
	Check     configCheck     `cmd:"" help:"Check the file and report everything that is wrong."`
	Print     configPrint     `cmd:"" help:"Print the configuration in effect, secrets masked."`
	Reference configReference `cmd:"" noconfig:"" help:"Print the reference of all options."`
}

type configCheck struct{}

func (*configCheck) Run(c *call.Call) error {
	_, warnings, err := config.Load(c.Config)
	for _, w := range warnings {
		fmt.Fprintf(c.Stderr, "warning: %s\n", w)
	}
	if err != nil {
		return err
	}
	return c.Say("%s is valid", c.Config)
}

type configPrint struct{}

func (*configPrint) Run(c *call.Call) error {
	cfg, _, err := config.Load(c.Config)
	if err != nil {
		return err
	}
	return config.Print(c.Stdout, cfg)
}

type configReference struct{}

func (*configReference) Run(c *call.Call) error { return config.WriteReference(c.Stdout) }
