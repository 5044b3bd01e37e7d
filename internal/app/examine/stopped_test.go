package examine

import (
	"context"
	"fmt"
	"testing"

	"countersign/internal/account"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
)

// hosted are the domains of a store, of which none was looked at.
type hosted struct {
	rounds.Reader
	domains   []account.Domain
	err, away error
}

func (h hosted) Domains(context.Context, account.DomainQuery) ([]account.Domain, error) {
	return h.domains, h.err
}

func (h hosted) AllLooks(context.Context, string) ([]rounds.Look, error) { return nil, h.away }

// TestByDefault: of many domains the first are named; what the store cannot tell is an error.
func TestByDefault(t *testing.T) {
	cfg := &config.Config{Alignment: config.Alignment{Action: "hold"}}
	var h hosted
	if all, err := ByDefault(t.Context(), cfg, h); err != nil || len(all) != 0 {
		t.Errorf("of no domains: %+v, %v", all, err)
	}
	named := ""
	for n := range mostStopped + 3 {
		d := account.Domain{Name: mail.Domain(fmt.Sprintf("d%02d.example", n)), State: account.Active}
		if h.domains = append(h.domains, d); n < mostStopped {
			named += ", " + d.Name.String()
		}
	}
	want := "of the domains that nothing else is set for 0 of 23 had a DMARC policy of quarantine or reject at the last look; it is not known of " + named[len(", "):] + " and 3 more"
	all, err := ByDefault(t.Context(), cfg, h)
	if err != nil || len(all) != 1 || all[0].What != "alignment.action hold" || all[0].Answer != want || all[0].Err != nil {
		t.Errorf("%+v, %v; want %q", all, err, want)
	}
	away := fault.New("test", fault.Unavailable, "the store is away")
	for _, broken := range []hosted{{err: away}, {domains: h.domains, away: away}} {
		if all, err := ByDefault(t.Context(), cfg, broken); !fault.Is(err, fault.Unavailable) || all != nil {
			t.Errorf("%+v, %v", all, err)
		}
	}
}
