package examine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"countersign/internal/app"
	"countersign/internal/app/directories"
	"countersign/internal/config"
)

// Outside is something outside of the gate that a configuration names, and was tried.
type Outside struct {
	// What it is: "directory panel (http)".
	What string
	// Answer says in words what it has answered.
	Answer string
	// Err is what is wrong with it; nil where nothing is.
	Err error
}

// Connect tries once each directory and each issuer of tokens that the configuration names,
// as far as that shows without an account, and says how they stand. Errors are what keeps a
// server from starting.
func Connect(ctx context.Context, cfg *config.Config) (all []Outside, err error) {
	set, err := directories.Open(cfg.Directories, directories.Options{Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	tokens, err := app.NewTokens(cfg, time.Now)
	if err != nil {
		return nil, err
	}
	for _, d := range set.Check(ctx) {
		all = append(all, Outside{What: "directory " + d.Name + " (" + d.Kind + ")", Answer: "answers", Err: d.Err})
	}
	if tokens == nil {
		return all, nil
	}
	defer tokens.Close()
	for _, c := range tokens.Check(ctx) {
		o := Outside{What: "issuer " + c.Issuer, Answer: fmt.Sprintf("usable keys: %d", c.Keys), Err: c.Err}
		if c.Asked {
			o.Answer += "; answers about tokens"
		}
		all = append(all, o)
	}
	return all, nil
}
