package app

import (
	"context"
	"strings"
	"time"

	"countersign/internal/audit"
	"countersign/internal/config"
	"countersign/internal/obs"
)

// Reload takes a changed configuration, all or nothing: certificates, limits,
// routes, message rules, retry times and the log level. Sessions go on. What
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
	// Everything that can fail comes first.
	opt, err := deliveryOptions(cfg)
	if err != nil {
		return nil, err
	}
	change, err := a.certs.Prepare(ctx, certSpecs(cfg))
	if err != nil {
		return nil, err
	}
	change.Commit()
	a.server.SetLimits(limits(cfg))
	a.gate.SetPolicy(policy(cfg))
	a.deliverer.SetRoutes(opt.Routes)
	a.deliverer.SetSchedule(opt.Schedule)
	a.logLevel.Set(level)
	a.cfg = cfg
	a.recorder.Record(audit.Event{
		At: time.Now(), Kind: audit.ServerReloaded,
		Data: map[string]string{"changed": strings.Join(changed, " "), "restart": strings.Join(restart, " ")},
	})
	return restart, nil
}
