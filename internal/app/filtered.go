package app

import (
	"countersign/internal/app/filters"
	"countersign/internal/submission/filtering"
)

// openFilters makes the content filters of each listener; nil where there are none.
func (a *App) openFilters() (map[string]filtering.Chain, error) {
	set, err := filters.Open(a.cfg.Filters, filters.Options{Now: a.opt.Now, Registry: a.registry})
	if err != nil {
		return nil, err
	}
	for name, check := range set.Checks() {
		a.health.Add("filter "+name, check)
	}
	return set.Chains(a.cfg.Listeners), nil
}
