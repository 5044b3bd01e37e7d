package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"countersign/internal/account"
	"countersign/internal/audit"
	"countersign/internal/cli/nodes"
	"countersign/internal/cli/storage"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/node"
)

// call is one command line that is being done.
type call struct {
	ctx            context.Context
	env            Env
	config         string // path of the configuration file
	stdin          io.Reader
	stdout, stderr io.Writer
	// needs are the options that matter beside the place of the store.
	needs []string
	// creates says that the store is made where there is none.
	creates bool
}

// opened is what a command works on.
type opened struct {
	*call
	// cfg has what the command needs, see needing; the rest may be defaults.
	cfg   *config.Config
	store Store
}

// needing returns c for a command that needs these options or tables too; what
// is wrong with others does not stop it.
func (c *call) needing(options ...string) *call {
	more := *c
	more.needs = options
	return &more
}

// creating returns c for a command that may be the first of all: it adds what
// there can be before the server has run.
func (c *call) creating() *call {
	more := *c
	more.creates = true
	return &more
}

// exists refuses to work on a store that is not there: it would be an empty
// one, made in the wrong place and in the wrong name.
func (c *call) exists(cfg *config.Config) error {
	if cfg.Store.InPostgres() {
		return nil // the server itself says when there is no such database
	}
	_, err := os.Stat(cfg.StorePath())
	if c.creates || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.New("cli.open", fault.NotFound, "there is no database at %s; check data_dir in %s, or start the server first", cfg.StorePath(), c.config)
}

// load reads what the command needs of the configuration.
func (c *call) load() (*config.Config, error) {
	cfg, elsewhere, err := config.LoadPart(c.config, c.needs...)
	if elsewhere > 0 {
		fmt.Fprintf(c.stderr, "warning: %s has %s that %s not concern this command; \"countersign config check --config %s\" names all\n",
			c.config, plural(elsewhere, "mistake", "mistakes"), map[bool]string{true: "does", false: "do"}[elsewhere == 1], c.config)
	}
	return cfg, err
}

// with opens the store by the configuration, beside a server that may be
// running, does work on it and closes it. Mistakes in the configuration that
// do not concern the work are no more than a line on standard error: the
// server may still run on an earlier file, and has to be administered.
func (c *call) with(work func(*opened) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := c.exists(cfg); err != nil {
		return err
	}
	store, closer, err := c.env.OpenStore(c.ctx, cfg)
	if err != nil {
		return err
	}
	err = pointed(work(&opened{call: c, cfg: cfg, store: store}))
	return errors.Join(err, closer.Close())
}

// administer opens the store and does work in the name of who runs the
// command, then says that it is done.
func (c *call) administer(done string, work func(*account.Admin) error) error {
	return c.with(func(o *opened) error {
		admin, err := o.admin()
		if err != nil {
			return err
		}
		if err := work(admin); err != nil {
			return err
		}
		return c.say("%s", done)
	})
}

// admin returns the administration of accounts.
func (o *opened) admin() (*account.Admin, error) {
	hasher, err := o.env.NewHasher(o.cfg)
	if err != nil {
		return nil, err
	}
	return account.NewAdmin(account.AdminOptions{
		Store: o.store, Hasher: hasher, IDs: &mail.IDSource{Now: o.env.Now},
		Now: o.env.Now, Actor: o.env.Actor,
	}), nil
}

// event makes the event of an administrative act on the queue; the store
// completes it.
func (o *opened) event(kind audit.Kind, text string) audit.Event {
	return audit.Event{At: o.env.Now().UTC(), Kind: kind, Actor: o.env.Actor, Text: text}
}

// site is what the commands about nodes work with.
func (c *call) site() *nodes.Site {
	return &nodes.Site{Stdout: c.stdout, With: func(work func(context.Context, node.Store, func(audit.Kind, string) audit.Event) error) error {
		return c.with(func(o *opened) error { return work(c.ctx, o.store, o.event) })
	}}
}

// storage is what the commands about the whole store work with.
func (c *call) storage() *storage.Site {
	return &storage.Site{
		Stdout: c.stdout, Stderr: c.stderr, Version: c.env.Version, Actor: c.env.Actor, Now: c.env.Now,
		Config: c.needing("dkim.key_file").load,
	}
}

// say prints one line.
func (c *call) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.stdout, format+"\n", args...)
	return err
}

// OSActor names the operating-system user that runs the program, as the record
// shall have it: "cli:root", or whom sudo was called by. Only root's SUDO_USER
// is believed, as anybody can set it for themselves.
func OSActor() string {
	name := ""
	if os.Geteuid() == 0 {
		name = os.Getenv("SUDO_USER")
	}
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}
	if name == "" {
		name = "uid " + strconv.Itoa(os.Getuid())
	}
	return "cli:" + table.Clean(name)
}
