package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"countersign/internal/config/option"
	"countersign/internal/config/value"
)

// Schema returns the description of all options.
func Schema() option.Schema { return option.Of(reflect.TypeFor[Config]()) }

// StoreScheme begins the URL of a store in a file.
const StoreScheme = "sqlite:"

// Default returns the configuration of an empty file, before Complete. It lacks
// what a file must set.
func Default() *Config {
	c := new(Config)
	// A default that does not parse is a mistake in a tag, for which
	// TestDefaults fails; there is nothing to report to a user.
	_ = Schema().SetDefaults(c)
	return c
}

// Complete fills in what follows from other options and is not set. Package loading
// has done so; it is for a Config that is made in a program.
func (c *Config) Complete() {
	if c.Store.URL == "" {
		c.Store.URL = StoreScheme + filepath.Join(c.DataDir, "countersign.db")
	}
	if c.Store.InPostgres() {
		c.Node.ID = cmp.Or(c.Node.ID, machine())
		c.Store.Connections = cmp.Or(c.Store.Connections, 8)
		c.Store.Patience = cmp.Or(c.Store.Patience, Duration(5*time.Second))
	}
	if c.DKIM.KeyFile == "" {
		c.DKIM.KeyFile = filepath.Join(c.DataDir, "seal.key")
	}
	if c.Delivery.Hello == "" {
		c.Delivery.Hello = c.Hostname
	}
	for i := range c.Certificates {
		cert := &c.Certificates[i]
		if len(cert.Hosts) == 0 && cert.Source != "files" {
			cert.Hosts = []string{c.Hostname}
		}
	}
	for i := range c.Routes {
		route := &c.Routes[i]
		switch {
		case route.TLS != "":
		case route.Username != "" || route.NextHop.Scheme == "smtps":
			route.TLS = "required"
		default:
			route.TLS = "opportunistic"
		}
	}
}

// InPostgres reports whether the store is a PostgreSQL database, and not a file.
func (s Store) InPostgres() bool {
	return strings.HasPrefix(s.URL, "postgres://") || strings.HasPrefix(s.URL, "postgresql://")
}

// Password reads the password for the store, "" where no file is named.
func (s Store) Password() (Secret, error) {
	if s.PasswordFile == "" {
		return "", nil
	}
	secret, err := value.ReadSecret(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("store.password_file: %s %w", s.PasswordFile, err)
	}
	return secret, nil
}

// StorePath returns the path of the database file, where the store is one.
func (c *Config) StorePath() string {
	return c.Store.Path()
}

// Path returns the path of the database file, where the store is one.
func (s Store) Path() string { return strings.TrimPrefix(s.URL, StoreScheme) }

// KnowsKeys reports whether accounts of a directory can prove their password without showing
// it: a Dovecot runs SCRAM itself, and of all others nothing is stored that it could be proved
// by. Keys that were made here at a login would stay good when the password is changed there.
func (d *Directory) KnowsKeys() bool { return d.Kind == "dovecot" }

// KnowsTokens reports whether a directory may verify bearer tokens: a Dovecot does, where it says
// so itself.
func (d *Directory) KnowsTokens() bool { return d.Kind == "dovecot" && d.Tokens }

// CertificatesByName reports whether a client certificate opens the account of a directory whose
// login it names.
func (d *Directory) CertificatesByName() bool { return d.Certificates == "name" }

// ScramIsVain reports whether SCRAM is offered to nobody: some directory that does not know
// keys may have an account of any domain, and none does. Mail programs take SCRAM where it is
// offered, and do not try another way when it fails.
func (c *Config) ScramIsVain() bool {
	all := false
	for i := range c.Directories {
		if c.Directories[i].KnowsKeys() {
			return false
		}
		all = all || len(c.Directories[i].Domains) == 0
	}
	return all
}

// MayGive lists the plans that its answers may give: those of plans and of group_plans; none
// for all where it has no domains, and for none where it has.
func (d *Directory) MayGive() []string {
	list := slices.Clone(d.Plans)
	if len(d.Plans) == 0 && len(d.Domains) == 0 {
		return nil
	}
	for _, text := range d.GroupPlans {
		plan, _, _ := strings.Cut(text, "=")
		list = append(list, plan)
	}
	return list
}
