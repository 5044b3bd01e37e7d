package cli

import (
	"fmt"

	"countersign/internal/config"
)

// configGroup is "countersign config".
type configGroup struct {
	Check     configCheck     `cmd:"" help:"Check the file and report everything that is wrong."`
	Print     configPrint     `cmd:"" help:"Print the configuration in effect, secrets masked."`
	Reference configReference `cmd:"" noconfig:"" help:"Print the reference of all options."`
}

type configCheck struct{}

func (*configCheck) Run(c *call) error {
	_, warnings, err := config.Load(c.config)
	for _, w := range warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", w)
	}
	if err != nil {
		return err
	}
	return c.say("%s is valid", c.config)
}

type configPrint struct{}

func (*configPrint) Run(c *call) error {
	cfg, _, err := config.Load(c.config)
	if err != nil {
		return err
	}
	return config.Print(c.stdout, cfg)
}

type configReference struct{}

func (*configReference) Run(c *call) error { return config.WriteReference(c.stdout) }
