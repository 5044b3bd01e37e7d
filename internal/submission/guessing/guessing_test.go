package guessing

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/access/guard"
	"countersign/internal/fault"
	"countersign/internal/login/why"
	"countersign/internal/sasl"
)

// listener is a Guard that writes down failures, and counts who is in.
type listener struct {
	nobody
	failed       []guard.Failure
	came, inside int
}

func (l *listener) Enter(netip.Addr, string, string) error {
	l.came++
	l.inside++
	return nil
}

func (l *listener) Leave(netip.Addr, string, string) { l.inside-- }

// TestOneExchangeIsOneAttempt: however often it asks, and however it ends.
func TestOneExchangeIsOneAttempt(t *testing.T) {
	for name, end := range map[string]End{
		"passed": {Login: "ann@one.example", Secret: true},
		"failed": {Login: "ann@one.example", Secret: true, Err: &fault.Error{Kind: fault.Unauthenticated, Err: why.ErrWrong}},
		"away":   {Login: "ann@one.example", Secret: true, Err: &fault.Error{Kind: fault.Unavailable}},
	} {
		g := &listener{}
		d, a := New(g), &Attempt{Client: netip.MustParseAddr("192.0.2.1")}
		for range 2 {
			if err := d.Begin(a, "ann@one.example", "ann@one.example", "x"); err != nil {
				t.Fatal(err)
			}
		}
		if g.came != 1 {
			t.Errorf("%s: %d came", name, g.came)
		}
		d.Judge(a, end)
		if g.inside != 0 {
			t.Errorf("%s: %d are inside", name, g.inside)
		}
		if d.Leave(a); g.inside != 0 {
			t.Errorf("%s: it left twice", name)
		}
	}
}

func (l *listener) Failed(f guard.Failure) time.Duration {
	l.failed = append(l.failed, f)
	return 0
}

// TestWhatIsNoGuess: trouble of ours, and what came with the right secret, does not count.
func TestWhatIsNoGuess(t *testing.T) {
	failure := func(err error) error { return &fault.Error{Kind: fault.Unauthenticated, Err: err} }
	guesses := []error{why.ErrUnknown, why.ErrHomeless, why.ErrTaken, why.ErrNone, why.ErrWrong, why.ErrPrepared, why.ErrSuspended, why.ErrExpired, why.ErrNetwork, why.ErrMechanism, why.ErrDenied}
	for _, cause := range why.All() {
		if got := isGuess(failure(cause)); got != slices.Contains(guesses, cause) {
			t.Errorf("%v: %v", cause, got)
		}
		if isGuess(&fault.Error{Kind: fault.Unavailable, Err: cause}) {
			t.Errorf("%v while a directory is away counts", cause)
		}
	}
	for _, err := range []error{sasl.ErrSyntax, sasl.ErrBinding, sasl.ErrReplay, errors.New("x"), nil} {
		if isGuess(err) {
			t.Errorf("%v counts", err)
		}
	}
	g := &listener{}
	New(g).Judge(&Attempt{}, End{Err: failure(why.ErrUnknown)})                                                                               // a token or a certificate
	New(g).Judge(&Attempt{Client: netip.MustParseAddr("192.0.2.1")}, End{Login: "ann@one.example", Secret: true, Err: failure(why.ErrWrong)}) // a directory's exchange
	New(g).Judge(&Attempt{Client: netip.MustParseAddr("192.0.2.1")}, End{Given: "ann", Secret: true, Err: failure(why.ErrWrong)})
	if want := []guard.Failure{{Client: netip.MustParseAddr("192.0.2.1"), Login: "ann@one.example"}, {Client: netip.MustParseAddr("192.0.2.1"), Login: "?0000"}}; !slices.Equal(g.failed, want) {
		t.Errorf("it was told %+v", g.failed)
	}
}

// TestAnswersWait: a failure waits, a success does not, however many do.
func TestAnswersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(nil)
		took := func(ctx context.Context, wait time.Duration) time.Duration {
			began := time.Now()
			g.Delay(ctx, wait)
			return time.Since(began)
		}
		if d := took(t.Context(), 5*time.Second); d != 5*time.Second {
			t.Errorf("an answer waited for %v", d)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d := took(short, 5*time.Second); d != time.Second {
			t.Errorf("with the server stopping it waited for %v", d)
		}
		for range 3000 {
			go g.Delay(t.Context(), time.Minute)
		}
		synctest.Wait()
		if d := took(t.Context(), time.Minute); d != time.Minute {
			t.Errorf("beside many others it waited for %v", d)
		}
	})
}

// TestGuardCauses are words of the record.
func TestGuardCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, err := range guard.All() {
		cause := Cause(&fault.Error{Kind: fault.Busy, Err: err})
		if !strings.HasPrefix(cause, "guard: ") || seen[cause] {
			t.Errorf("%v is recorded as %q", err, cause)
		}
		seen[cause] = true
	}
}

// TestSilenceIsNotVerified: who has been asked something is in nobody's way, and who leaves it
// unanswered has failed.
func TestSilenceIsNotVerified(t *testing.T) {
	g := &listener{}
	d, a := New(g), &Attempt{Client: netip.MustParseAddr("192.0.2.1")}
	begin := func() {
		if err := d.Begin(a, "ann@one.example", "ann@one.example", ""); err != nil {
			t.Fatal(err)
		}
		if d.Pause(a); g.inside != 0 {
			t.Errorf("%d are inside while the client is silent", g.inside)
		}
	}
	begin()
	if err := d.Resume(a); err != nil || g.inside != 1 || g.came != 2 {
		t.Errorf("%v, %d inside, %d came", err, g.inside, g.came)
	}
	d.Judge(a, End{Login: "ann@one.example", Secret: true})
	if len(g.failed) != 0 || g.inside != 0 {
		t.Errorf("it was told %+v, %d inside", g.failed, g.inside)
	}
	begin()
	d.Leave(a)
	d.Leave(a)
	if want := []guard.Failure{{Client: a.Client, Login: "ann@one.example", Left: true}}; !slices.Equal(g.failed, want) || g.inside != 0 {
		t.Errorf("it was told %+v, %d inside", g.failed, g.inside)
	}
}
