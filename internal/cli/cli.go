package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"countersign/internal/audit"
	"countersign/internal/cli/accounts"
	"countersign/internal/cli/api"
	"countersign/internal/cli/authtest"
	"countersign/internal/cli/bans"
	"countersign/internal/cli/call"
	"countersign/internal/cli/credential"
	"countersign/internal/cli/doctor"
	"countersign/internal/cli/explain"
	"countersign/internal/cli/grants"
	"countersign/internal/cli/guessing"
	"countersign/internal/cli/keys"
	"countersign/internal/cli/limits"
	"countersign/internal/cli/lists"
	"countersign/internal/cli/nodes"
	"countersign/internal/cli/ruling"
	"countersign/internal/cli/stolen"
	"countersign/internal/cli/storage"
	"countersign/internal/node"
)

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
	// statusInterrupted is what a shell says of a program that SIGINT ended.
	statusInterrupted = 130
)

// root is the command line. A command group is a field here.
type root struct {
	Config  string           `help:"The configuration file; /etc/countersign/countersign.toml where neither this nor COUNTERSIGN_CONFIG is given." default:"/etc/countersign/countersign.toml" env:"COUNTERSIGN_CONFIG" placeholder:"FILE"`
	Version kong.VersionFlag `help:"Print the version."`

	Quickstart quickstartCommand `cmd:"" noconfig:"" help:"A complete gate on loopback with a demo account and a demo recipient."`
	Serve      serveCommand      `cmd:"" help:"The server."`
	ConfigCmd  configGroup       `cmd:"" name:"config" help:"The configuration file: check, print, reference."`
	accounts.Groups
	Credential credential.Group `cmd:"" help:"What accounts prove themselves with: app passwords, OAuth users, certificates, networks."`
	Grant      grants.Group     `cmd:"" help:"What accounts may send under beside their own addresses: add, list, show, remove."`
	Auth       authtest.Group   `cmd:"" help:"Logins: why one passes or is refused."`
	Access     lists.Group      `cmd:"" help:"From where clients may come in: list, allow, deny, remove, show."`
	Ban        bans.Group       `cmd:"" help:"Networks whose clients are refused, or logins from there: add, list, lift, show."`
	Explain    explain.Command  `cmd:"" help:"Say what the gate would answer to a message, step by step, and why."`
	Doctor     doctor.Command   `cmd:"" help:"Look a domain up as receivers do, and say what is wrong and what to publish: DKIM, SPF, DMARC."`
	Guard      guessing.Group   `cmd:"" help:"What was counted of failed logins, by which those who guess are stopped: list, show, forget."`
	Limit      limits.Group     `cmd:"" help:"How much may be sent: set, allow, lift, list, show, simulate."`
	Rule       ruling.Group     `cmd:"" help:"Rules of your own, which the configuration has: list, check, names, test."`
	Queue      queueGroup       `cmd:"" help:"Deliveries that wait."`
	Node       nodes.Group      `cmd:"" help:"The gates that share one PostgreSQL database."`
	Key        keys.Group       `cmd:"" help:"The key file, and what in the store is sealed with which of its keys: status, add, rotate, drop."`
	Store      storage.Group    `cmd:"" help:"The store as a whole: backup, restore, check, copy."`
	Trace      traceCommand     `cmd:"" help:"Everything known about one session or submission, or which submissions an account sent or a recipient was sent."`
	Audit      auditGroup       `cmd:"" help:"The record: what happened, when, and who did it."`
	API        api.Group        `cmd:"" name:"api" help:"The REST API: a token for one of its clients."`
	Breached   stolen.Group     `cmd:"" help:"The list of passwords that were stolen elsewhere and may not be chosen."`
	Bench      benchCommand     `cmd:"" noconfig:"" help:"Load generator and measuring sink, for the operator's own hardware."`
}

// Run does one command line, without the program's name, and returns the exit
// status: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted at a prompt.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer, env call.Env) int {
	if env.Now == nil {
		env.Now = time.Now
	}
	whole := &root{Groups: accounts.New()}
	line := read(args, only(whole, args), stdout, stderr, env.Version)
	if line.err != nil && !line.ended { // what is wrong is told by the whole
		line = read(args, &grammar{whole, &whole.Config}, stdout, stderr, env.Version)
	}
	switch {
	case line.parser == nil:
		fmt.Fprintf(stderr, "countersign: %v\n", line.err)
		return statusFailed
	case line.ended: // --help or --version has been printed
		return statusDone
	case namesNothing(line.err):
		_, _ = line.parser.Parse([]string{"--help"}) // which prints, and ends
		return statusUsage
	case line.err != nil:
		fmt.Fprintf(stderr, "countersign: %s\nSee \"countersign --help\", or add --help after a command.\n", misread(line.err))
		return statusUsage
	case *line.config == "" && !noConfig(line.parsed):
		return report(stderr, call.Usage("the name of the configuration file is empty: give --config FILE, or set COUNTERSIGN_CONFIG to it"))
	}
	c := &call.Call{
		Ctx: context.Background(), Env: env, Config: *line.config,
		Stdin: stdin, Stdout: stdout, Stderr: stderr,
	}
	return report(stderr, line.parsed.Run(c, site(c), storageSite(c), keySite(c)))
}

// site is what the commands about nodes work with.
func site(c *call.Call) *nodes.Site {
	return &nodes.Site{Stdout: c.Stdout, With: func(work func(context.Context, node.Store, func(audit.Kind, string) audit.Event) error) error {
		return c.With(func(o *call.Opened) error { return work(c.Ctx, o.Store, o.Event) })
	}}
}

// keySite is what the commands about the key file work with.
func keySite(c *call.Call) *keys.Site {
	return &keys.Site{Stdout: c.Stdout, Stderr: c.Stderr, Now: c.Env.Now, With: func(work keys.Work) error {
		return c.Needing("dkim.key_file").With(func(o *call.Opened) error { return work(o.Cfg, o.Store, o.Event) })
	}}
}

// storageSite is what the commands about the whole store work with.
func storageSite(c *call.Call) *storage.Site {
	return &storage.Site{
		Stdout: c.Stdout, Stderr: c.Stderr, Version: c.Env.Version, Actor: c.Env.Actor, Now: c.Env.Now,
		Config: c.Needing("dkim.key_file").Load,
	}
}
