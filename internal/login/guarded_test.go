package login

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/directory"
	"countersign/internal/fault"
	"countersign/internal/login/outside"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// moat is the castle behind a guard that lets 8 questions through.
type moat struct {
	*castle
	guard *directory.Guard
}

func (p *moat) Width() int { return 8 }

func (p *moat) Ask(ctx context.Context, q directory.Question) (*directory.Answer, error) {
	return p.guard.Ask(ctx, q)
}

func (p *moat) Begin(ctx context.Context, q directory.Question) (outside.Passed, error) {
	x, err := p.castle.Begin(ctx, q)
	return &crossing{x, p.guard}, err
}

// crossing is one exchange of it.
type crossing struct {
	outside.Passed
	guard *directory.Guard
}

func (x *crossing) Next(ctx context.Context, response []byte) (challenge []byte, done bool, err error) {
	failed := x.guard.Step(ctx, func(ctx context.Context) error {
		challenge, done, err = x.Passed.Next(ctx, response)
		return err
	})
	return challenge, done, failed
}

// slow refuses every question after 2 s, as a Dovecot does.
type slow struct{ place }

func (*slow) Ask(context.Context, directory.Question) (*directory.Answer, error) {
	time.Sleep(2 * time.Second)
	return nil, fault.New("test", fault.Unauthenticated, "no")
}

// behind is a moat before out.example.
type behind struct {
	many
	one *moat
}

func (s behind) For(domain mail.Domain) []directory.Source {
	if domain != "out.example" {
		return nil
	}
	return []directory.Source{s.one}
}

// guarded is a world besieged, behind such a guard.
func guarded(t *testing.T) (*world, *castle) {
	t.Helper()
	w, p := besieged(t)
	g, err := directory.NewGuard(&slow{place{name: "castle"}}, directory.GuardOptions{
		Timeout: 10 * time.Second, Concurrent: 8, Steps: outside.MaxExchanges, Failures: 5, Pause: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.beside(behind{w.v.opt.Directories.(keep).many, &moat{p, g}})
	return w, p
}

// Exchanges that the directory holds back, of many clients, take nothing from those who log in
// by PLAIN, nor from other exchanges; whose names they are about makes no difference.
func TestHeldExchangesTakeNothingFromOthers(t *testing.T) {
	for _, login := range inDomain() {
		synctest.Test(t, func(t *testing.T) {
			w, _ := guarded(t)
			var open []*Client
			for i := range 90 {
				c, x := w.client(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String())
				open = append(open, c)
				go x.Next(t.Context(), []byte("n,,n="+login+",r="+cnonce))
			}
			synctest.Wait()
			_, err := w.v.Password(t.Context(), Attempt{Client: netip.MustParseAddr("198.51.100.9"), Session: "S2", Mechanism: "PLAIN"}, "", "other@out.example", wrongPassword)
			if fault.ReasonOf(err) != "auth-failed" {
				t.Errorf("%s: another's PLAIN gets %v", login, err)
			}
			for _, name := range inDomain() {
				c, x := w.client("198.51.100.9")
				if _, _, err := x.Next(t.Context(), []byte("n,,n="+name+",r="+cnonce)); err != nil {
					t.Errorf("%s: the exchange of %s gets %v", login, name, err)
				}
				c.End()
			}
			synctest.Wait()
			for _, c := range open {
				c.End()
			}
		})
	}
}

// Who fails by SCRAM guesses as who fails by PLAIN does.
func TestFailedExchangesCount(t *testing.T) {
	for _, login := range append(inDomain(), loginA) {
		synctest.Test(t, func(t *testing.T) {
			w, _ := besieged(t)
			a := &Attempt{Client: netip.MustParseAddr("192.0.2.7")}
			if w.v.clients.Guess(login, a.Client) {
				t.Fatalf("%s: it is guessed at before", login)
			}
			w.dialogue(login, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
			if !w.v.clients.Guess(login, a.Client) {
				t.Errorf("%s: the failure does not count", login)
			}
		})
	}
}

// A password that no directory is asked for costs, for every name, the question that any
// failure costs; and what a mechanism takes is what is stored and asked for.
func TestPasswordsThatNobodyIsAskedFor(t *testing.T) {
	if lengths := []int{sasl.MaxPassword, directory.MaxPassword, hash.MaxPassword, account.MaxPasswordBytes}; len(slices.Compact(lengths)) != 1 {
		t.Errorf("passwords have %d octets at most, in the order of sasl, directory, hash and account", lengths)
	}
	for what, password := range map[string]string{
		"usual": wrongPassword, "513 octets": strings.Repeat("a", 513), "1,024 octets": strings.Repeat("a", 1024),
		"longer when it is prepared": strings.Repeat("\u0958", 160), "no UTF-8": "abcdefgh\xff", "a control": "a\x01b", "a NUL": "a\x00b",
	} {
		for _, login := range inDomain() {
			synctest.Test(t, func(t *testing.T) {
				w, _ := guarded(t)
				began := time.Now()
				_, err := w.v.Password(t.Context(), Attempt{Client: netip.MustParseAddr("198.51.100.9"), Session: "S2", Mechanism: "PLAIN"}, "", login, password)
				if took := time.Since(began); fault.ReasonOf(err) != "auth-failed" || took != 2*time.Second {
					t.Errorf("%s, %s: %v after %v", what, login, err, took)
				}
			})
		}
	}
}
