// Package serve runs the server from one configuration file until a signal ends
// it, and takes the changed file at SIGHUP.
//
// What the server consists of is for package app; here are the signals, the
// grace time, the log lines of a reload, and how much garbage may lie in memory.
//
// Main function: UntilSignal.
package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"countersign/internal/app"
	"countersign/internal/app/rehearsal"
	"countersign/internal/config"
	"countersign/internal/config/loading"
)

// errInterrupted ends a server that was told twice to stop.
var errInterrupted = errors.New("ended at once by a second signal")

// serving is one run of the server.
type serving struct {
	// path is the configuration file, read again at SIGHUP.
	path    string
	version string
	stderr  io.Writer
	signals chan os.Signal
	log     *slog.Logger
}

// UntilSignal runs the server of the configuration file at path: SIGHUP reloads,
// SIGTERM or SIGINT stops with grace, a second one at once. Its log goes to
// stderr. The error says why it could not start, or did not end in peace.
func UntilSignal(path, version string, stderr io.Writer) error {
	s := &serving{path: path, version: version, stderr: stderr, signals: make(chan os.Signal, 4)}
	signal.Notify(s.signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(s.signals)
	return s.run(context.Background())
}

func (s *serving) run(ctx context.Context) error {
	cfg, warnings, err := app.LoadConfig(s.path)
	if err != nil {
		return err
	}
	a, err := app.New(cfg, app.Options{Version: s.version, Stderr: s.stderr, Explain: rehearsal.Explain})
	if err != nil {
		return err
	}
	s.log = a.Logger()
	s.warn(warnings)
	if err := a.Start(ctx); err != nil {
		return err
	}
	serves, ends := context.WithCancel(ctx)
	defer ends()
	go boundGarbage(serves)
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

// warn logs what Load found odd, a line each.
func (s *serving) warn(warnings []loading.Warning) {
	for _, w := range warnings {
		s.log.Warn("configuration", "problem", w.String())
	}
}

// reload takes the changed file, or says why it does not and leaves all as it
// was; it returns the configuration in force from now on, nil for the old one.
func (s *serving) reload(ctx context.Context, a *app.App) *config.Config {
	cfg, warnings, err := app.LoadConfig(s.path)
	if err != nil {
		return s.keep(err)
	}
	restart, err := a.Reload(ctx, cfg)
	if err != nil {
		return s.keep(err)
	}
	s.warn(warnings)
	for _, key := range restart {
		s.log.Warn("this change needs a restart", "file", s.path, "option", key)
	}
	if len(restart) > 0 {
		s.log.Info("configuration taken, except what needs a restart", "file", s.path, "except", strings.Join(restart, " "))
	} else {
		s.log.Info("configuration taken", "file", s.path)
	}
	return cfg
}

// keep logs why a changed configuration is not taken, a line for each reason.
func (s *serving) keep(err error) *config.Config {
	s.log.Error("the changed configuration is not taken, everything stays as it was", "file", s.path)
	var wrong *loading.Errors
	if !errors.As(err, &wrong) {
		s.log.Error("configuration", "problem", err.Error())
		return nil
	}
	for _, p := range wrong.List {
		s.log.Error("configuration", "problem", p.String())
	}
	return nil
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
