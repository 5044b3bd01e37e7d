package app

import (
	"context"

	"countersign/internal/account"
	"countersign/internal/app/directories"
	"countersign/internal/mail"
	"countersign/internal/obs"
)

// openDirectories opens the directories of the configuration; nil where there are none.
func (a *App) openDirectories() (*directories.Set, error) {
	if len(a.cfg.Directories) == 0 {
		return nil, nil
	}
	set, err := directories.Open(a.cfg.Directories, directories.Options{
		Store: a.store, Admin: a.Admin("gate"), Now: a.opt.Now, Logger: a.log,
		NewKeys: func(domain mail.Domain) ([]account.Key, error) {
			return KeyMaker(a.cfg, a.sealer).Make(domain, nil, a.opt.Now())
		},
	})
	if err != nil {
		return nil, err
	}
	a.registry.MustRegister(set.Collector())
	a.background("directory greeting", set.Greet)
	a.undo("directories", func(context.Context) error { return set.Close() })
	for name, state := range set.States() {
		a.health.Add("directory "+name, func(context.Context) error {
			if text := state().Warning(a.opt.Now()); text != "" { // accounts of others log in all the same
				return obs.Warning(text)
			}
			return nil
		})
	}
	return set, nil
}
