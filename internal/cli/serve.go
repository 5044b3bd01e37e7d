package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"countersign/internal/app"
	"countersign/internal/config"
)

// serveCommand is "countersign serve".
type serveCommand struct{}

func (*serveCommand) Run(c *call) error {
	return whole(serveUntilSignal(c.config, c.env.Version, c.stderr))
}

// errInterrupted ends a server that was told twice to stop.
var errInterrupted = errors.New("ended at once by a second signal")

// serving is one run of the server.
type serving struct {
	// path is the configuration file, read again at SIGHUP.
	path    string
	version string
	stderr  io.Writer
	signals chan os.Signal
}

// serveUntilSignal runs the server: SIGHUP reloads, SIGTERM or SIGINT stops with grace, a
// second one at once.
func serveUntilSignal(path, version string, stderr io.Writer) error {
	s := &serving{path: path, version: version, stderr: stderr, signals: make(chan os.Signal, 4)}
	signal.Notify(s.signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(s.signals)
	return s.run(context.Background())
}

func (s *serving) run(ctx context.Context) error {
	cfg, warnings, err := config.Load(s.path)
	if err != nil {
		return err
	}
	s.warn(warnings)
	a, err := app.New(cfg, app.Options{Version: s.version, Stderr: s.stderr})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	for sig := range s.signals {
		if sig != syscall.SIGHUP {
			break
		}
		if next := s.reload(ctx, a); next != nil {
			cfg = next
		}
	}
	return s.stop(a, cfg.Session.ShutdownGrace.Std())
}

// warn prints what Load found odd.
func (s *serving) warn(warnings []config.Warning) {
	for _, w := range warnings {
		fmt.Fprintln(s.stderr, "warning:", w)
	}
}

// reload takes the changed file, or says why it does not and leaves all as it
// was; it returns the configuration in force from now on, nil for the old one.
func (s *serving) reload(ctx context.Context, a *app.App) *config.Config {
	cfg, warnings, err := config.Load(s.path)
	if err == nil {
		s.warn(warnings)
		var restart []string
		restart, err = a.Reload(ctx, cfg)
		for _, key := range restart {
			fmt.Fprintf(s.stderr, "warning: %s: the change of %s needs a restart\n", s.path, key)
		}
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "the configuration is not taken, everything stays as it was:\n%v\n", err)
		return nil
	}
	fmt.Fprintf(s.stderr, "configuration taken from %s\n", s.path)
	return cfg
}

// stop ends the server within the grace time; another signal ends the waiting.
func (s *serving) stop(a *app.App, grace time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), grace, context.DeadlineExceeded)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- a.Stop(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case sig := <-s.signals:
			if sig == syscall.SIGHUP {
				continue
			}
			cancel()
			return errors.Join(errInterrupted, <-done)
		}
	}
}
