package accounts

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/account/importing"
	"countersign/internal/account/roster"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

type accountImport struct {
	File          string          `arg:"" help:"The list."`
	Format        string          `help:"passwd for Dovecot's passwd-file, csv for a table whose first line names the columns." enum:"passwd,csv" required:"" placeholder:"passwd|csv"`
	Scheme        string          `help:"The scheme of hashes that name none: SHA512-CRYPT, SSHA256.hex and the like." placeholder:"NAME"`
	Plain         bool            `help:"Also take what is as good as the password: PLAIN, CLEARTEXT, and MD5 without salt."`
	DefaultDomain argument.Domain `help:"The domain of names without one." placeholder:"NAME"`
	Customer      string          `help:"The customer that all the domains must belong to." placeholder:"NAME"`
	CreateDomains bool            `help:"Make the domains that there are not, and the customer."`
	Plan          string          `help:"The plan that the customer must have, or gets when it is made." placeholder:"NAME"`
	OnConflict    string          `help:"What becomes of an account that is there already with another password: skip, replace-password or fail." enum:"skip,replace-password,fail" default:"skip" placeholder:"WHAT"`
	DryRun        bool            `help:"Change nothing; say what would happen."`
	JSON          bool            `name:"json" help:"Print a JSON object in each line, the last one the summary."`
}

// Help is what "account import --help" says beside the flags.
func (*accountImport) Help() string {
	return "Password hashes are kept as they are, and made anew at the first login with each. There is one line of report for each " +
		"account; the exit status is 1 where any failed. An import that was interrupted goes on where it is run again: what is there " +
		"already is left as it is."
}

// Run does it. An interrupt ends it between two accounts.
func (cmd *accountImport) Run(c *call.Call) error {
	switch {
	case cmd.CreateDomains && cmd.Customer == "":
		return call.Usage("--create-domains needs --customer, whose they shall be")
	case cmd.Plan != "" && cmd.Customer == "":
		return call.Usage("--plan needs --customer, whose it is")
	}
	f, err := os.Open(cmd.File)
	if err != nil {
		return fault.New("cli.import", fault.NotFound, "the list cannot be opened: %v", err)
	}
	defer f.Close()
	list, err := cmd.list(f)
	if err != nil {
		return fault.New("cli.import", fault.Invalid, "%s: %s", cmd.File, fault.DetailOf(err, fault.Invalid))
	}
	ctx, stop := signal.NotifyContext(c.Ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.Creating().Needing("auth", "dkim.key_file", "hostname").With(func(o *call.Opened) error {
		summary, err := importing.Run(ctx, list, cmd.options(o), func(r importing.Result) error { return cmd.print(c, r) })
		if err != nil && summary.Lines() == 0 {
			return err
		}
		if told := cmd.sum(o, &summary); told != nil {
			return told
		}
		if err == nil && summary.Failed > 0 {
			return fault.New("cli.import", fault.Invalid, "%s failed; mend them and run the same command again", table.Count(summary.Failed, "line", "lines"))
		}
		return err
	})
}

// list begins to read the list.
func (cmd *accountImport) list(f *os.File) (importing.Source, error) {
	opt := roster.Options{Domain: cmd.DefaultDomain.Domain, Hashes: hash.Reader{Scheme: cmd.Scheme, Plain: cmd.Plain}}
	if cmd.Format == "csv" {
		return roster.NewCSV(f, opt)
	}
	return roster.NewPasswdFile(f, opt), nil
}

func (cmd *accountImport) options(o *call.Opened) importing.Options {
	return importing.Options{
		Store: o.Store, Admin: o.Admin(), Secrets: o.Secrets(), IDs: &mail.IDSource{Now: o.Env.Now},
		Now: o.Env.Now, Actor: o.Env.Actor,
		Keys: func(ctx context.Context, name mail.Domain) ([]account.Key, error) {
			return o.Env.NewKeys(ctx, o.Cfg, o.Store, account.Domain{Name: name}, false)
		},
		Customer: cmd.Customer, CreateDomains: cmd.CreateDomains, Plan: cmd.Plan,
		Conflict: importing.Conflict(cmd.OnConflict), DryRun: cmd.DryRun,
	}
}

// print prints what became of a line.
func (cmd *accountImport) print(c *call.Call, r importing.Result) error {
	if cmd.JSON {
		return table.JSONLine(c.Stdout, r)
	}
	object := r.Object
	if object != "" {
		object += " "
	}
	text := fmt.Sprintf("line %d: %s%s", r.Line, object, cmd.word(r.Outcome))
	if r.Text != "" {
		text += ": " + r.Text
	}
	for _, remark := range r.Remarks {
		text += "; " + remark
	}
	return c.Say("%s", table.Clean(text))
}

// word says what became of a line, or would.
func (cmd *accountImport) word(o importing.Outcome) string {
	would := ""
	if cmd.DryRun {
		would = "would be "
	}
	switch o {
	case importing.Added:
		return would + "added"
	case importing.Replaced:
		return would + "given the list's password"
	case importing.Failed:
		if cmd.DryRun {
			return "WOULD FAIL"
		}
		return "FAILED"
	}
	return would + string(o)
}

// sum prints the summary.
func (cmd *accountImport) sum(o *call.Opened, s *importing.Summary) error {
	if cmd.JSON {
		return table.JSONLine(o.Stdout, map[string]any{"summary": s})
	}
	done := ""
	if s.DryRun {
		done = "dry run, nothing was changed: "
	}
	err := o.Say("%s%d added, %d given the list's password, %d unchanged, %d skipped, %d failed; %s and %s made", done,
		s.Added, s.Replaced, s.Unchanged, s.Skipped, s.Failed,
		table.Count(s.Customers, "customer", "customers"), table.Count(s.Domains, "domain", "domains"))
	if err != nil || len(s.ScramIterations) == 0 {
		return err
	}
	return o.Say("SCRAM keys came with iterations %d: have all but auth.scram_iterations in auth.scram_iterations_former, so that these accounts do not stand out", s.ScramIterations)
}
