package app

import (
	"context"
	"fmt"

	"countersign/internal/account"
	"countersign/internal/app/directories"
	"countersign/internal/directory"
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
			return RenewKeys(a.sealer, domain, nil, a.opt.Now(), nil)
		},
	})
	if err != nil {
		return nil, err
	}
	a.registry.MustRegister(set.Collector())
	a.background("directory greeting", set.Greet)
	a.undo("directories", func(context.Context) error { return set.Close() })
	for name, state := range set.States() {
		a.health.Add("directory "+name, func(context.Context) error { return directoryHealth(state()) })
	}
	return set, nil
}

// directoryHealth is a warning while a directory is left alone: accounts of others log
// in all the same.
func directoryHealth(s directory.State) error {
	if s.Phase == directory.Well {
		return nil
	}
	return obs.Warning(fmt.Sprintf("%s: %v", s.Phase, s.Last))
}
