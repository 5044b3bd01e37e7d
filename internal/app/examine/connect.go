package examine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"countersign/internal/app"
	"countersign/internal/app/aligning"
	"countersign/internal/app/directories"
	"countersign/internal/app/filters"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/oauth"
	"countersign/internal/policy/alignment"
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

// Connect tries once each directory, each issuer of tokens and each content filter that the configuration
// names, as far as that shows without an account or a message, the term of SPF that customers are told to have,
// and the DMARC policies of domains whose mail is to be held or refused, and says how they stand. Errors are what keeps a
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
	if tokens != nil {
		defer tokens.Close()
		all = append(all, issuers(ctx, tokens)...)
	}
	filtered, err := filters.Open(cfg.Filters, filters.Options{})
	if err != nil {
		return nil, err
	}
	for _, f := range filtered.Check(ctx) {
		all = append(all, Outside{What: "filter " + f.Name + " (" + f.Address + ")", Answer: "answers", Err: f.Err})
	}
	term, err := spfTerm(ctx, cfg)
	if err != nil {
		return nil, err
	}
	stopped, err := stopped(ctx, cfg)
	return slices.Concat(all, term, stopped), err
}

// issuers says how those stand that tokens come from.
func issuers(ctx context.Context, tokens *oauth.Verifier) (all []Outside) {
	for _, c := range tokens.Check(ctx) {
		o := Outside{What: "issuer " + c.Issuer, Answer: fmt.Sprintf("usable keys: %d", c.Keys), Err: c.Err}
		if c.Asked {
			o.Answer += "; answers about tokens"
		}
		all = append(all, o)
	}
	return all
}

// termAtMost bounds the look at the term of SPF, and that at DMARC policies.
const termAtMost = 20 * time.Second

// spfTerm says whether alignment.spf_term allows the addresses that mail comes from.
func spfTerm(ctx context.Context, cfg *config.Config) ([]Outside, error) {
	if cfg.Alignment.SPFTerm == "" {
		return nil, nil
	}
	judge, err := aligning.Judge(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, termAtMost)
	defer cancel()
	leg, ok := judge.CheckTerm(ctx)
	if !ok {
		return nil, nil
	}
	o := Outside{What: "alignment.spf_term", Answer: cfg.Alignment.SPFTerm + " allows all addresses that mail comes from"}
	if leg.State != alignment.Pass {
		why := strings.ReplaceAll(strings.Join(leg.Reasons, "; "), o.What+" ", "")
		o.Err = fault.New("examine.spf", fault.Invalid, "%s", why)
	}
	return []Outside{o}, nil
}
