package app

import (
	"context"
	"strings"

	"countersign/internal/app/ruling"
	"countersign/internal/limit"
	"countersign/internal/obs"
	"countersign/internal/policy/rules"
)

// watchGate adds the health checks of the gate.
func (a *App) watchGate() {
	a.health.Add("signing", a.signingHealth)
	a.health.Add("rules", a.rulesHealth)
}

// rulesHealth is the health check of the operator's rules: a warning where one asks for what no
// limit counts. It looks in memory alone.
func (a *App) rulesHealth(context.Context) error {
	now := a.opt.Now()
	found := ruling.Uncounted(a.gate.Rules(), func(u rules.Used) bool {
		return a.limited.Pages().Find(func(r *limit.Rule) bool { return r.CountsFor(u.Kind, u.Window, now) }) != nil
	})
	if len(found) == 0 {
		return nil
	}
	return obs.Warning(strings.Join(found, "; "))
}
