package cli

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"time"

	"github.com/alecthomas/kong"

	"countersign/internal/account"
	"countersign/internal/app"
	"countersign/internal/audit"
	"countersign/internal/cli/nodes"
	"countersign/internal/cli/storage"
	"countersign/internal/config"
	"countersign/internal/node"
	"countersign/internal/queue"
)

// Exit statuses.
const (
	statusDone   = 0
	statusFailed = 1
	statusUsage  = 2
)

// Store is what the commands need of an engine.
type Store interface {
	account.Store
	audit.Store
	queue.AdminStore
	node.Store
	app.SealedStore
}

// Env is what the commands are given. All fields but Now are needed; SystemEnv
// has them.
type Env struct {
	// Version is the program's.
	Version string
	// OpenStore opens the store of a configuration, beside a server that may
	// be running.
	OpenStore func(ctx context.Context, cfg *config.Config) (Store, io.Closer, error)
	// NewHasher makes the pool that hashes passwords.
	NewHasher func(cfg *config.Config) (*account.Hasher, error)
	// NewKeys makes the sealed DKIM keys of a domain, beside those that it has.
	// newFile says that a key file is made where it is missing, although what
	// was sealed with it is lost then.
	NewKeys func(ctx context.Context, cfg *config.Config, store Store, domain account.Domain, newFile bool) ([]account.Key, error)
	// Actor is who runs the command, as the record shall name them.
	Actor string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// root is the command line. A command group is a field here.
type root struct {
	Config  string           `help:"The configuration file; /etc/countersign/countersign.toml where neither this nor COUNTERSIGN_CONFIG is given." default:"/etc/countersign/countersign.toml" env:"COUNTERSIGN_CONFIG" placeholder:"FILE"`
	Version kong.VersionFlag `help:"Print the version."`

	Quickstart quickstartCommand `cmd:"" noconfig:"" help:"A complete gate on loopback with a demo account and a demo recipient."`
	Serve      serveCommand      `cmd:"" help:"The server."`
	ConfigCmd  configGroup       `cmd:"" name:"config" help:"The configuration file: check, print, reference."`
	Customer   customerGroup     `cmd:"" help:"Customers: who is billed, and owns domains."`
	Plan       planGroup         `cmd:"" help:"Plans: named sets of limits that customers have."`
	Domain     domainGroup       `cmd:"" help:"Sender domains with their DKIM keys."`
	Account    accountGroup      `cmd:"" help:"Accounts: logins that may send."`
	Queue      queueGroup        `cmd:"" help:"Deliveries that wait."`
	Node       nodes.Group       `cmd:"" help:"The gates that share one PostgreSQL database."`
	Store      storage.Group     `cmd:"" help:"The store as a whole: backup, restore, check, copy."`
	Trace      traceCommand      `cmd:"" help:"Everything known about one session or submission, or which submissions an account sent or a recipient was sent."`
	Audit      auditGroup        `cmd:"" help:"The record: what happened, when, and who did it."`
	Bench      benchCommand      `cmd:"" noconfig:"" help:"Load generator and measuring sink, for the operator's own hardware."`
}

// newRoot returns the command line with what its acts do.
func newRoot() *root {
	type admin = account.Admin
	r := new(root)
	r.Customer.Suspend, r.Customer.Resume, r.Customer.Remove = acts[customerName]((*admin).SuspendCustomer, (*admin).ResumeCustomer, (*admin).RemoveCustomer)
	r.Plan.Suspend, r.Plan.Resume, r.Plan.Remove = acts[planName]((*admin).SuspendPlan, (*admin).ResumePlan, (*admin).RemovePlan)
	r.Domain.Suspend, r.Domain.Resume, r.Domain.Remove = acts[domainName]((*admin).SuspendDomain, (*admin).ResumeDomain, (*admin).RemoveDomain)
	r.Account.Suspend, r.Account.Resume, r.Account.Remove = acts[accountName]((*admin).SuspendAccount, (*admin).ResumeAccount, (*admin).RemoveAccount)
	return r
}

// Run does one command line, without the program's name, and returns the exit
// status: 0 done, 1 refused or failed, 2 wrong usage.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer, env Env) int {
	if env.Now == nil {
		env.Now = time.Now
	}
	line := newRoot()
	ended := false
	parser, err := kong.New(line,
		kong.Name("countersign"),
		kong.Description("Countersign, the outgoing mail gate of hosting providers."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Help(help),
		kong.KindMapper(reflect.Int, kong.MapperFunc(number)),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": "countersign " + env.Version},
		kong.Exit(func(int) { ended = true }),
	)
	if err != nil {
		fmt.Fprintf(stderr, "countersign: %v\n", err)
		return statusFailed
	}
	parsed, err := parser.Parse(args)
	switch {
	case ended: // --help or --version has been printed
		return statusDone
	case err != nil:
		fmt.Fprintf(stderr, "countersign: %s\nSee \"countersign --help\", or add --help after a command.\n", misread(err))
		return statusUsage
	case line.Config == "" && !noConfig(parsed):
		return report(stderr, usage("the name of the configuration file is empty: give --config FILE, or set COUNTERSIGN_CONFIG to it"))
	}
	c := &call{
		ctx: context.Background(), env: env, config: line.Config,
		stdin: stdin, stdout: stdout, stderr: stderr,
	}
	return report(stderr, parsed.Run(c, c.site(), c.storage()))
}
