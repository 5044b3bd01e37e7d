package app

import (
	"context"
	"strings"

	"countersign/internal/app/outgoing"
	"countersign/internal/app/ruling"
	"countersign/internal/app/site"
	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/obs"
)

// Reload takes a changed configuration and a changed key file, all or nothing: certificates, limits,
// routes, clients of the API, message rules, the operator's rules, files of places and DNS lists, the reserve of the store, retry times, help pages and the log level. Sessions go on. What
// needs a restart stays as it was; its keys are returned, for a warning. An
// error means that nothing has changed.
func (a *App) Reload(ctx context.Context, cfg *config.Config) (restart []string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed, _ := config.Diff(a.cfg, cfg)
	// What needs a restart is measured against what the process started with.
	_, restart = config.Diff(a.started, cfg)
	level, err := obs.ParseLevel(cfg.Log.Level)
	if err != nil {
		return nil, err
	}
	a.keepHostname(cfg)
	// Everything that can fail comes first.
	opt, err := outgoing.Options(cfg)
	if err != nil {
		return nil, err
	}
	places, err := a.entrance.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	pages, err := site.Help(cfg, a.addresses["web"])
	if err != nil {
		return nil, err
	}
	rules := Policy(cfg)
	rules.Rules, err = ruling.Set(cfg)
	if err != nil {
		return nil, err
	}
	clients, err := a.panel.Prepare(cfg)
	if err != nil {
		return nil, err
	}
	// Not undone where the rest is refused: the file is followed without a reload, too.
	if err := a.sealer.Reload(); err != nil {
		return nil, err
	}
	change, err := a.certs.Prepare(ctx, certSpecs(cfg))
	if err != nil {
		return nil, err
	}
	change.Commit()
	a.clients.Poll()
	a.server.SetLimits(SessionLimits(cfg))
	a.gate.SetPolicy(rules)
	a.help.Configure(pages)
	a.aligning.Configure(cfg)
	a.guard.SetConfig(&cfg.Guard)
	places.Commit()
	clients()
	a.space.SetReserve(reserve(cfg))
	a.deliverer.SetRoutes(opt.Routes)
	a.deliverer.SetSchedule(opt.Schedule)
	a.logLevel.Set(level)
	a.cfg = cfg
	e := a.event(audit.ServerReloaded)
	e.Data["changed"], e.Data["restart"] = strings.Join(changed, " "), strings.Join(restart, " ")
	a.recorder.Record(e)
	return restart, nil
}

// keepHostname keeps certificates that are made for the host name with the one
// that the process started with: a new one is in force only after a restart,
// and clients still connect to the old.
func (a *App) keepHostname(cfg *config.Config) {
	for i := range cfg.Certificates {
		hosts := cfg.Certificates[i].Hosts
		if len(hosts) == 1 && hosts[0] == cfg.Hostname {
			cfg.Certificates[i].Hosts = []string{a.started.Hostname}
		}
	}
}
