package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"countersign/internal/app"
	"countersign/internal/app/examine"
	appruling "countersign/internal/app/ruling"
	"countersign/internal/cli/call"
	"countersign/internal/cli/ruling"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
)

// configGroup is "countersign config".
type configGroup struct {
	Check     configCheck     `cmd:"" help:"Check the file and report everything that is wrong."`
	Print     configPrint     `cmd:"" help:"Print the configuration in effect, secrets masked."`
	Reference configReference `cmd:"" noconfig:"" help:"Print the reference of all options."`
}

type configCheck struct {
	Connect bool `help:"Also try each directory, issuer of tokens and content filter once, whether alignment.spf_term allows the addresses of this gate, and which DMARC policies the domains have that alignment.action, hold_for and refuse_for are to hold or refuse mail of, and say how they stand; and warn of rules that ask for what no limit counts."`
}

// Run does it.
func (cmd *configCheck) Run(c *call.Call) error {
	cfg, warnings, err := app.LoadConfig(c.Config)
	for _, w := range warnings {
		fmt.Fprintf(c.Stderr, "warning: %s\n", w)
	}
	if err != nil {
		return err
	}
	if err := c.Say("%s is valid", c.Config); err != nil || !cmd.Connect {
		return err
	}
	return connect(c, cfg)
}

// connect says how that stands which the configuration names outside of the gate.
func connect(c *call.Call, cfg *config.Config) error {
	all, err := examine.Connect(c.Ctx, cfg)
	if err != nil {
		return err
	}
	set, err := appruling.Set(cfg)
	if err != nil {
		return err
	}
	ruling.WarnUncounted(c, set)
	all = append(all, byDefault(c, cfg)...)
	bad := 0
	for _, o := range all {
		answer := o.Answer
		if o.Err != nil {
			answer = "FAILS: " + inOneLine(o.Err)
			bad++
		}
		if err := c.Say("%s: %s", o.What, table.Clean(answer)); err != nil {
			return err
		}
	}
	switch {
	case len(all) == 0:
		return c.Say("it names no directory, no issuer, no filter, and no spf_term beside addresses")
	case bad > 0:
		return fault.New("cli.config", fault.Unavailable, "%d of %d cannot be used as they stand", bad, len(all))
	}
	return nil
}

// byDefault says what alignment.action can do for the domains of the store. Where that cannot be opened, which
// is no mistake in the file, it is a warning.
func byDefault(c *call.Call, cfg *config.Config) (all []examine.Outside) {
	if !examine.StopsByDefault(cfg) {
		return nil
	}
	err := c.With(func(o *call.Opened) (err error) {
		all, err = examine.ByDefault(o.Ctx, cfg, o.Store)
		return err
	})
	if err != nil {
		fmt.Fprintf(c.Stderr, "warning: whether the domains that alignment.action is for let mail be held or refused is not known: %v\n", err)
	}
	return all
}

// inOneLine puts into one line what is wrong with something that is named already: without
// the names of our functions and of kinds, and each part once.
func inOneLine(err error) string {
	text := strings.Join(strings.Fields(cause(err)), " ")
	parts := strings.Split(text, ": ")
	kept := parts[:0]
	for _, part := range parts {
		named := strings.HasPrefix(part, "directory ") || strings.HasPrefix(part, "the directory ")
		if !slices.Contains(kept, part) && !(named && strings.Count(part, " ") < 3) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ": ")
}

// cause is explain without kinds where there is a cause.
func cause(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	switch {
	case e.Err == nil:
		return reworded(e)
	case e.Detail == "":
		return cause(e.Err)
	}
	return e.Detail + ": " + cause(e.Err)
}

type configPrint struct{}

func (*configPrint) Run(c *call.Call) error {
	cfg, _, err := loading.Load(c.Config)
	if err != nil {
		return err
	}
	return config.Print(c.Stdout, cfg)
}

type configReference struct{}

func (*configReference) Run(c *call.Call) error { return config.WriteReference(c.Stdout) }
