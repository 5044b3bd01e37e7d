package examine

import (
	"context"
	"fmt"
	"strings"

	"countersign/internal/account"
	"countersign/internal/app/aligning"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/rounds"
)

// mostStopped bounds the domains whose policies are asked for, and those that are named of a kind.
const mostStopped = 20

// stopped says of domains whose mail is to be held or refused whether their DMARC policies let that be.
func stopped(ctx context.Context, cfg *config.Config) (all []Outside, err error) {
	if len(cfg.Alignment.HoldFor)+len(cfg.Alignment.RefuseFor) == 0 {
		return nil, nil
	}
	judge, err := aligning.Judge(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, termAtMost)
	defer cancel()
	for _, list := range []struct {
		option string
		names  []string
	}{{"alignment.hold_for", cfg.Alignment.HoldFor}, {"alignment.refuse_for", cfg.Alignment.RefuseFor}} {
		for _, name := range list.names {
			if len(all) == mostStopped {
				return all, nil
			}
			o := Outside{What: list.option + " " + name}
			switch policy, err := judge.Policy(ctx, mail.Domain(name)); {
			case err != nil:
				o.Err = fault.New("examine.dmarc", fault.Unavailable, "DNS does not answer for its DMARC policy")
			case policy == dmarc.Nothing || policy == dmarc.None:
				o.Answer = "its DMARC policy is not quarantine or reject, and until it is, mail is accepted with a warning"
			default:
				o.Answer = "its DMARC policy is " + string(policy)
			}
			all = append(all, o)
		}
	}
	return all, nil
}

// Domains has the domains of a store, and what the regular looks at them found.
type Domains interface {
	Domains(ctx context.Context, q account.DomainQuery) ([]account.Domain, error)
	rounds.Reader
}

// StopsByDefault reports whether alignment.action is to have mail held or refused.
func StopsByDefault(cfg *config.Config) bool {
	return cfg.Alignment.Action == string(alignment.Hold) || cfg.Alignment.Action == string(alignment.Refuse)
}

// ByDefault says of the active domains that alignment.action is for, as nothing else is set for them, whether
// their DMARC policies let mail be held or refused, as far as the last looks at them tell. It is nil where
// there are none. Errors are those of the store.
func ByDefault(ctx context.Context, cfg *config.Config, store Domains) ([]Outside, error) {
	all, err := store.Domains(ctx, account.DomainQuery{})
	if err != nil {
		return nil, err
	}
	looks, err := rounds.ByDomain(ctx, store, "")
	if err != nil {
		return nil, err
	}
	other := aligning.Rules(cfg).Domains
	var stops int
	var idle, unknown []string
	for i := range all {
		d := &all[i]
		if _, listed := other[d.Name]; listed || d.Alignment != "" || d.State != account.Active {
			continue
		}
		switch l := looks[d.Name]; {
		case dmarc.Policy(l.Policy) == dmarc.Quarantine || dmarc.Policy(l.Policy) == dmarc.Reject:
			stops++
		case l.At.IsZero() || l.Policy == string(dmarc.Nothing) && l.Verdict == string(alignment.Unknown):
			unknown = append(unknown, d.Name.String())
		default:
			idle = append(idle, d.Name.String())
		}
	}
	n := stops + len(idle) + len(unknown)
	if n == 0 {
		return nil, nil
	}
	text := fmt.Sprintf("of the domains that nothing else is set for %d of %d had a DMARC policy of quarantine or reject at the last look", stops, n)
	if len(idle) > 0 {
		text += "; until they have one, mail is accepted with a warning of " + some(idle)
	}
	if len(unknown) > 0 {
		text += "; it is not known of " + some(unknown)
	}
	return []Outside{{What: "alignment.action " + cfg.Alignment.Action, Answer: text}}, nil
}

// some names the first of many.
func some(names []string) string {
	if more := len(names) - mostStopped; more > 0 {
		return strings.Join(names[:mostStopped], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}
