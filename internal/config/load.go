package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"countersign/internal/config/option"
	"countersign/internal/config/source"
)

// Problem is one thing that is wrong with a file, with file, line, key, text and
// suggestion.
type Problem = source.Problem

// Warning is a Problem that does not prevent the start.
type Warning = source.Problem

// Errors is everything that is wrong with a file.
type Errors = source.Errors

// schema returns the description of all options.
func schema() option.Schema { return option.Of(reflect.TypeFor[Config]()) }

// storeScheme begins the URL of a store in a file.
const storeScheme = "sqlite:"

// maxFile bounds the configuration file and the files it names, in octets.
const maxFile = 1 << 20

// Default returns the configuration of an empty file, before Complete. It lacks
// what a file must set.
func Default() *Config {
	c := new(Config)
	// A default that does not parse is a mistake in a tag, for which
	// TestDefaults fails; there is nothing to report to a user.
	_ = schema().SetDefaults(c)
	return c
}

// Load reads the file at path and checks all of it. Relative file names in it
// are taken from its folder. The error is an *Errors with everything that is
// wrong, and then there is no Config; warnings come in either case.
// Judges have their say too, about the same file.
func Load(path string, judges ...Judge) (*Config, []Warning, error) {
	return load(path, time.Now(), judges...)
}

// Judge finds what is wrong with a Config that this package knows too little to see.
type Judge func(*Config) []Finding

// Finding is one thing that is wrong: Path is the option with its place in lists, as
// "directory[0].url", Text and Suggestion are those of a Problem.
type Finding struct{ Path, Text, Suggestion string }

// load is Load at a given time, on which certificates may have expired.
func load(path string, now time.Time, judges ...Judge) (*Config, []Warning, error) {
	d := read(path, now)
	for _, judge := range judges {
		for _, f := range judge(d.config) {
			d.report.Fail(f.Path, f.Suggestion, "%s", f.Text)
		}
	}
	warnings, err := d.report.Result()
	if err != nil {
		return nil, warnings, err
	}
	d.config.Complete()
	return d.config, warnings, nil
}

// draft is a file as far as it was read and checked.
type draft struct {
	config *Config
	report *source.Report
	// text is the file; whole says that nothing in it was passed over.
	text  []byte
	whole bool
}

// read reads the file at path and checks it; of one that is not whole, what it has
// in tables that are. The report has what is wrong.
func read(path string, now time.Time) *draft {
	d := &draft{config: Default(), report: source.NewReport(path)}
	var err error
	d.text, err = readFile(path)
	if err != nil {
		other := ""
		if errors.Is(err, fs.ErrNotExist) {
			other = "name another with --config FILE, or set COUNTERSIGN_CONFIG"
		}
		d.report.FailAt(0, "", other, "cannot be read: "+plainError(err))
		return d
	}
	var root *source.Node
	root, d.whole = source.Parse(d.text, d.report)
	schema().Decode(root, d.config, d.report)
	resolvePaths(d.config, filepath.Dir(path))
	v := &validator{Report: d.report, c: d.config, now: now}
	if !d.whole {
		d.report.Doubt()
	}
	v.all()
	return d
}

// Complete fills in what follows from other options and is not set. Load has
// done so; it is for a Config that is made in a program.
func (c *Config) Complete() {
	if c.Store.URL == "" {
		c.Store.URL = storeScheme + filepath.Join(c.DataDir, "countersign.db")
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
	secret, err := readSecret(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("store.password_file: %s %w", s.PasswordFile, err)
	}
	return secret, nil
}

// StorePath returns the path of the database file, where the store is one.
func (c *Config) StorePath() string {
	return c.Store.Path()
}

// resolvePaths makes the file names of c relative to folder instead of to the
// place where the program was started.
func resolvePaths(c *Config, folder string) {
	resolve := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(folder, path)
	}
	for _, p := range schema().Places(c) {
		if p.Option.Path {
			p.Value.SetString(resolve(p.Value.String()))
		}
	}
	if path, found := strings.CutPrefix(c.Store.URL, storeScheme); found && path != "" {
		c.Store.URL = storeScheme + resolve(path)
	}
}

// readFile reads a regular file of at most maxFile octets.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errors.New("larger than 1 MiB")
	}
	return data, nil
}

// plainError returns err without the operation and path that the caller names
// already.
func plainError(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	var addr *net.AddrError
	if errors.As(err, &addr) {
		return addr.Err
	}
	return err.Error()
}

// readSecret returns the one line of a secret file.
func readSecret(path string) (Secret, error) {
	data, err := readFile(path)
	if err != nil {
		return "", errors.New("cannot be read: " + plainError(err))
	}
	line := bytes.TrimRight(data, "\r\n")
	switch {
	case len(line) == 0:
		return "", errors.New("is empty")
	case bytes.ContainsAny(line, "\r\n\x00"):
		return "", errors.New("has more than one line")
	}
	return Secret(line), nil
}
