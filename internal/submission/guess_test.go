package submission

import (
	"encoding/base64"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xdg-go/scram"

	"countersign/internal/access/guard"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
	"countersign/internal/submission/cause"
	"countersign/internal/submission/guessing"
)

// sentry is a Guard that writes down what it is told, and does what the test wants.
type sentry struct {
	mu      sync.Mutex
	inside  int
	entered []string
	passed  []string
	failed  []guard.Failure
	devices []string
	refuse  error
	wait    time.Duration
}

func (s *sentry) Enter(_ netip.Addr, login, device string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = append(s.devices, "enter "+device)
	s.entered = append(s.entered, login)
	if s.refuse == nil || s.refuse == guard.ErrNetworkClosed {
		s.inside++
	}
	return s.refuse
}

func (s *sentry) Leave(_ netip.Addr, _, device string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = append(s.devices, "leave "+device)
	s.inside--
}

func (s *sentry) Passed(_ netip.Addr, login, device string, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices = append(s.devices, "passed "+device)
	s.passed = append(s.passed, login)
}

func (s *sentry) Failed(f guard.Failure) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = append(s.failed, f)
	return s.wait
}

func (s *sentry) Digest(login, secret string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(login + "\x00" + secret))
	return uint16(h.Sum32())
}

func (f *fixture) guarded() *sentry {
	s := &sentry{}
	f.gate.door = guessing.New(s)
	return s
}

// TestGuardIsTold: of each way in which a login ends, what counts.
func TestGuardIsTold(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	client := netip.MustParseAddr("192.0.2.7")
	wrong := func(login, password string) {
		t.Helper()
		wantReason(t, authenticate(t.Context(), f.open(), "", login, password), smtp.EAuthFailed)
	}
	f.login()
	wrong(testLogin, "wrong one")
	wrong("SHOP@example.org", "wrong two")
	wrong("nobody@example.org", "wrong one")
	wrong("admin", "wrong one")
	wrong("admin", "wrong two")
	wrong("root", "wrong one")
	want := []guard.Failure{
		{Client: client, Login: testLogin, Digest: s.Digest(testLogin, "wrong one"), Seen: true},
		{Client: client, Login: testLogin, Digest: s.Digest(testLogin, "wrong two"), Seen: true},
		{Client: client, Login: "nobody@example.org", Missing: true, Digest: s.Digest("nobody@example.org", "wrong one"), Seen: true},
	}
	if len(s.failed) != 6 || !slices.Equal(s.failed[:3], want) {
		t.Fatalf("it was told\n%+v, want\n%+v", s.failed, want)
	}
	for _, got := range s.failed[3:] {
		if !strings.HasPrefix(got.Login, guard.NoAddress) || !got.Missing || strings.Contains(got.Login, "admin") {
			t.Errorf("of what is no address: %+v", got)
		}
	}
	if s.failed[3].Login != s.failed[4].Login || s.failed[4].Login == s.failed[5].Login {
		t.Errorf("names that are no address: %+v", s.failed[3:])
	}
	if !slices.Equal(s.passed, []string{testLogin}) || s.inside != 0 {
		t.Errorf("passed %v, %d inside", s.passed, s.inside)
	}
}

// TestGuardIsToldOfDevices: by what they have called themselves last.
func TestGuardIsToldOfDevices(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	for _, password := range []string{"wrong one", testPassword} {
		session := f.open()
		for _, name := range []string{"early.example.net", "laptop"} {
			session.Observe(t.Context(), smtpserver.Observation{Kind: smtpserver.ObservedHello, Text: name})
		}
		if err := authenticate(t.Context(), session, "", testLogin, password); (err == nil) != (password == testPassword) {
			t.Fatalf("%s: %v", password, err)
		}
	}
	want := []string{"enter laptop", "leave laptop", "enter laptop", "passed laptop", "leave laptop"}
	if !slices.Equal(s.devices, want) || len(s.failed) != 1 || s.failed[0].Device != "laptop" {
		t.Errorf("it was told %q and %+v", s.devices, s.failed)
	}
}

// TestGuardIsToldOfExchanges: where the secret is not seen; what is left unanswered is a failure.
func TestGuardIsToldOfExchanges(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	x, err := f.open().Auth("SCRAM-SHA-256")
	f.must(err)
	challenge, _, err := x.Next(t.Context(), []byte("n,,n="+testLogin+",r=abcdefgh"))
	f.must(err)
	nonce, _, _ := strings.Cut(string(challenge), ",")
	if s.inside != 0 || len(s.entered) != 1 {
		t.Errorf("%d inside while the client is silent, entered %v", s.inside, s.entered)
	}
	_, _, err = x.Next(t.Context(), []byte("c=biws,"+nonce+",p="+base64.StdEncoding.EncodeToString(make([]byte, 32))))
	wantReason(t, err, smtp.EAuthFailed)
	if len(s.failed) != 1 || s.failed[0].Seen || s.failed[0].Login != testLogin || s.failed[0].Missing || s.inside != 0 {
		t.Errorf("it was told %+v, %d inside", s.failed, s.inside)
	}
	session := f.open()
	x, err = session.Auth("SCRAM-SHA-256")
	f.must(err)
	if _, _, err := x.Next(t.Context(), []byte("n,,n="+testLogin+",r=abcdefgh")); err != nil {
		t.Fatal(err)
	}
	_, err = session.Auth("PLAIN") // in place of the answer
	f.must(err)
	if len(s.failed) != 2 || !s.failed[1].Left || s.failed[1].Login != testLogin || s.inside != 0 {
		t.Errorf("after one that was cut off it was told %+v, %d inside", s.failed, s.inside)
	}
}

// TestGuardTurnsAway: nothing is verified, whether it would be right, and the record says why.
func TestGuardTurnsAway(t *testing.T) {
	f := newFixture(t)
	f.banning()
	s := f.guarded()
	s.refuse = guard.ErrLoginClosed
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256"} {
		x, err := f.open().Auth(mechanism)
		f.must(err)
		response := "\x00" + testLogin + "\x00" + testPassword
		if mechanism != "PLAIN" {
			response = "n,,n=" + testLogin + ",r=abcdefgh"
		}
		_, _, err = x.Next(t.Context(), []byte(response))
		wantReason(t, err, smtp.EAuthTooMany)
		if r := smtp.ReplyFor(err); r.Code != 454 || cause.Of(err) != "guard: login-closed" {
			t.Errorf("%s: answered %+v, recorded as %q", mechanism, r, cause.Of(err))
		}
	}
	if len(s.failed) != 0 || len(s.entered) != 2 || s.inside != 0 {
		t.Errorf("entered %v, failed %v, %d inside", s.entered, s.failed, s.inside)
	}
	s.refuse = nil
	f.login()
}

// TestClosedNetworks: every secret fails there as a wrong one does, and the record says why;
// what cannot be guessed passes.
func TestClosedNetworks(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	s.refuse = guard.ErrNetworkClosed
	for _, password := range []string{testPassword, "wrong"} {
		err := authenticate(t.Context(), f.open(), "", testLogin, password)
		wantReason(t, err, smtp.EAuthFailed)
		if r := smtp.ReplyFor(err); r.Code != 535 || cause.Of(err) != "guard: network-closed" {
			t.Errorf("%s: answered %+v, recorded as %q", password, r, cause.Of(err))
		}
	}
	session := f.open()
	wantReason(t, authenticate(t.Context(), session, "", testLogin, testPassword), smtp.EAuthFailed)
	s.refuse = nil // opened
	f.must(authenticate(t.Context(), session, "", testLogin, testPassword))
	if len(s.failed) != 3 || !s.failed[0].Closed || s.inside != 0 || len(s.passed) != 1 {
		t.Errorf("failed %v, passed %v, %d inside", s.failed, s.passed, s.inside)
	}
}

// TestAnswersWait: a failure waits, a success does not.
func TestAnswersWait(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	s.wait = 30 * time.Millisecond
	began := time.Now()
	wantReason(t, authenticate(t.Context(), f.open(), "", testLogin, "wrong"), smtp.EAuthFailed)
	if took := time.Since(began); took < s.wait {
		t.Errorf("a failure was answered after %v", took)
	}
	s.wait = time.Hour
	f.login()
}

// TestGuardIsToldOfProofs: whoever has proved the password has passed, and has left nothing
// unanswered.
func TestGuardIsToldOfProofs(t *testing.T) {
	f := newFixture(t)
	s := f.guarded()
	f.login() // which makes the key
	s.passed = nil
	client, err := scram.SHA256.NewClient(testLogin, testPassword, "")
	f.must(err)
	talk, response := client.NewConversation(), ""
	x, err := f.open().Auth("SCRAM-SHA-256")
	f.must(err)
	for done := false; !done; {
		var challenge []byte
		response, err = talk.Step(response)
		f.must(err)
		challenge, done, err = x.Next(t.Context(), []byte(response))
		f.must(err)
		response = string(challenge)
	}
	if !slices.Equal(s.passed, []string{testLogin}) || len(s.failed) != 0 || s.inside != 0 {
		t.Errorf("passed %v, failed %v, %d inside", s.passed, s.failed, s.inside)
	}
}
