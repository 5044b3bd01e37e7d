// Package call is one command line that is being done: what a command is given, the
// store that it opens beside a running server, and how it prints what it found.
//
// It reads no arguments and knows no command; those are fields of package cli and
// of the packages beside this one.
//
// Main types: Call, Opened, Env; Usage makes the errors of wrong arguments, List and
// Show print.
package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"countersign/internal/account"
	"countersign/internal/account/admin"
	"countersign/internal/account/credentials"
	"countersign/internal/account/importing"
	"countersign/internal/audit"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// Call is one command line that is being done.
type Call struct {
	Ctx            context.Context
	Env            Env
	Config         string // path of the configuration file
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// needs are the options that matter beside the place of the store.
	needs []string
	// creates says that the store is made where there is none.
	creates bool
}

// Opened is what a command works on.
type Opened struct {
	*Call
	// Cfg has what the command needs, see Needing; the rest may be defaults.
	Cfg   *config.Config
	Store Store
}

// Needing returns c for a command that needs these options or tables too; what
// is wrong with others does not stop it.
func (c *Call) Needing(options ...string) *Call {
	more := *c
	more.needs = options
	return &more
}

// Creating returns c for a command that may be the first of all: it adds what
// there can be before the server has run.
func (c *Call) Creating() *Call {
	more := *c
	more.creates = true
	return &more
}

// exists refuses to work on a store that is not there: it would be an empty
// one, made in the wrong place and in the wrong name.
func (c *Call) exists(cfg *config.Config) error {
	if cfg.Store.InPostgres() {
		return nil // the server itself says when there is no such database
	}
	_, err := os.Stat(cfg.StorePath())
	if c.creates || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fault.New("cli.open", fault.NotFound, "there is no database at %s; check data_dir in %s; where this is the first command of all, \"countersign customer add NAME\" makes one, and so does \"countersign serve\"", cfg.StorePath(), c.Config)
}

// Load reads what the command needs of the configuration.
func (c *Call) Load() (*config.Config, error) {
	cfg, elsewhere, err := loading.LoadPart(c.Config, c.needs...)
	if elsewhere > 0 {
		fmt.Fprintf(c.Stderr, "warning: %s has %s that %s not concern this command; \"countersign config check --config %s\" names all\n",
			c.Config, table.Count(elsewhere, "mistake", "mistakes"), map[bool]string{true: "does", false: "do"}[elsewhere == 1], c.Config)
	}
	return cfg, err
}

// With opens the store by the configuration, beside a server that may be
// running, does work on it and closes it. Mistakes in the configuration that
// do not concern the work are no more than a line on standard error: the
// server may still run on an earlier file, and has to be administered.
func (c *Call) With(work func(*Opened) error) error {
	cfg, err := c.Load()
	if err != nil {
		return err
	}
	if err := c.exists(cfg); err != nil {
		return err
	}
	store, closer, err := c.Env.OpenStore(c.Ctx, cfg)
	if err != nil {
		return err
	}
	err = pointed(work(&Opened{Call: c, Cfg: cfg, Store: store}))
	return errors.Join(err, closer.Close())
}

// Administer opens the store and does work in the name of who runs the
// command, then says that it is done.
func (c *Call) Administer(done string, work func(*admin.Admin) error) error {
	return c.With(func(o *Opened) error {
		if err := work(o.Admin()); err != nil {
			return err
		}
		return c.Say("%s", done)
	})
}

// Admin returns the administration of accounts.
func (o *Opened) Admin() *admin.Admin {
	secrets, rule := o.Env.NewSecrets(o.Cfg, o.Store)
	return admin.New(admin.Options{
		Store: o.Store, Secrets: secrets, Rule: rule, IDs: &mail.IDSource{Now: o.Env.Now},
		Now: o.Env.Now, Actor: o.Env.Actor,
	})
}

// Secrets returns what turns passwords into what is stored of them.
func (o *Opened) Secrets() importing.Secrets {
	secrets, _ := o.Env.NewSecrets(o.Cfg, o.Store)
	return secrets
}

// Credentials returns the administration of credentials.
func (o *Opened) Credentials() *credentials.Admin {
	var mechanisms []string
	for _, m := range sasl.Mechanisms() {
		mechanisms = append(mechanisms, m.Name)
	}
	return credentials.NewAdmin(credentials.Options{
		Store: o.Store, Secrets: o.Secrets(), IDs: &mail.IDSource{Now: o.Env.Now}, Mechanisms: mechanisms, Proves: proves,
		Now: o.Env.Now, Actor: o.Env.Actor,
	})
}

// proves reports whether a mechanism proves credentials of a kind.
func proves(kind account.CredentialKind, mechanism string) bool {
	m, _ := sasl.Lookup(mechanism)
	switch kind {
	case account.OAuth:
		return m.Token
	case account.Certificate:
		return m.Certificate
	}
	return kind.Secret() && !m.Token && !m.Certificate
}

// Event makes the event of an administrative act on the queue; the store
// completes it.
func (o *Opened) Event(kind audit.Kind, text string) audit.Event {
	return audit.Event{At: o.Env.Now().UTC(), Kind: kind, Actor: o.Env.Actor, Text: text}
}

// Say prints one line.
func (c *Call) Say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.Stdout, format+"\n", args...)
	return err
}
