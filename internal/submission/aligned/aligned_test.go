package aligned

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/mail"
	"countersign/internal/policy/alignment"
	"countersign/internal/policy/dmarc"
	"countersign/internal/policy/sender"
)

// slow takes a second for each look, and finds that mail of one domain will fail.
type slow struct{ fails mail.Domain }

func (s slow) Look(_ context.Context, q alignment.Question) alignment.Assessment {
	time.Sleep(time.Second) // fake time
	a := alignment.Assessment{Question: q, Verdict: alignment.Pass, Policy: dmarc.Reject}
	if q.From == s.fails {
		a.Verdict = alignment.WillFail
	}
	return a
}

// TestAuthorsAreLookedAtAtOnce: of several domains each is looked at, which takes no longer than one, and the worst
// counts wherever it stands.
func TestAuthorsAreLookedAtAtOnce(t *testing.T) {
	of := &account.Sender{}
	for _, authors := range [][]mail.Domain{
		{"bad.example"}, {"good.example"}, {"bad.example", "a.example", "b.example"}, {"a.example", "b.example", "bad.example"}, {"a.example", "b.example"}, nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			r, looked, err := Find(t.Context(), slow{"bad.example"}, Message{
				Rules: alignment.Rules{Default: alignment.Refuse}, Of: of, Senders: &sender.Verdict{}, Authors: authors,
			})
			want := alignment.Off
			for _, a := range authors {
				if a == "bad.example" {
					want = alignment.Refuse
				}
			}
			if err != nil || looked != (authors != nil) || r.Action != want {
				t.Errorf("%q: %+v, looked %v, %v", authors, r, looked, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%q: it took %v", authors, took)
			}
		})
	}
}
