package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// TestAsk: what is asked and what comes of it.
func TestAsk(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=A@Example.org\tplan=ba\x01tsic\tcustomer=Acme\taliases=b@example.org, c@example.org\tpass=x\tplan=other\n"))
	d := s.asking(nil)
	got, err := asks(t, d)
	wants(t, err, fault.Corrupt, "plan") // a control character in a name
	if got != nil {
		t.Errorf("%+v", got)
	}
	const want = "AUTH\t1\tPLAIN\tservice=smtp\tsecured=tls\tnologin\tno-penalty\trip=192.0.2.1\tsession=01J9\x01tx\tresp=AGFAZXhhbXBsZS5vcmcAczNjcmV0"
	if line := s.seen("AUTH\t"); line != want {
		t.Errorf("it is asked %q\nwant %q", line, want)
	}
	if s.seen("VERSION\t") != "VERSION\t1\t2" || d.Name() != "panel" {
		t.Error("wrong version, or name")
	}

	s = start(t, hello, says("OK\t%s\tuser=A@Example.org\tplan=basic\tcustomer=Acme\taliases=b@example.org, c@example.org\tpass=x\tplan=other\n"))
	got, err = asks(t, s.asking(nil))
	answer := &directory.Answer{
		Login: "a@example.org", Verified: true, Here: true, Plan: "basic", Customer: "Acme", Aliases: []string{"b@example.org", "c@example.org"},
	}
	if err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = asks(t, s.asking(func(o *Options) { o.Plan, o.Customer, o.Aliases = "", "", "" }))
	if err != nil || !reflect.DeepEqual(got, &directory.Answer{Login: "a@example.org", Verified: true, Here: true}) {
		t.Errorf("without fields: %+v, %v", got, err)
	}
}

// TestUserWithoutDomain gets the one of the configuration, and nobody's account else.
func TestUserWithoutDomain(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=shop\n"))
	got, err := asks(t, s.asking(func(o *Options) { o.Domain = "Example.org" }))
	if err != nil || got.Login != "shop@example.org" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = asks(t, s.asking(nil))
	wants(t, err, fault.Corrupt, "no address")
}

// TestNo: every way to say no, and what each is for the record.
func TestNo(t *testing.T) {
	for reply, c := range map[string]struct {
		kind fault.Kind
		why  error
		part string
	}{
		"FAIL\t%s\n":                                   {kind: fault.Unauthenticated},
		"FAIL\t%s\tuser=a@example.org\n":               {kind: fault.Unauthenticated},
		"FAIL\t%s\tuser=a\ttemp\n":                     {fault.Unavailable, directory.ErrThisLogin, ""},
		"FAIL\t%s\tcode=temp_fail\n":                   {fault.Unavailable, directory.ErrThisLogin, ""},
		"FAIL\t%s\tauthz\n":                            {fault.Unauthenticated, ErrAuthorization, ""},
		"FAIL\t%s\tcode=authz_fail\n":                  {fault.Unauthenticated, ErrAuthorization, ""},
		"FAIL\t%s\tuser_disabled\n":                    {fault.Unauthenticated, ErrDisabled, ""},
		"FAIL\t%s\tcode=user_disabled\treason=moved\n": {fault.Unauthenticated, ErrDisabled, "moved"},
		"FAIL\t%s\tpass_expired\n":                     {fault.Unauthenticated, ErrExpired, ""},
		"FAIL\t%s\tcode=pass_expired\n":                {fault.Unauthenticated, ErrExpired, ""},
		"OK\t%s\tuser=a@example.org\tnologin\n":        {fault.Unauthenticated, ErrDisabled, ""},
		"OK\t%s\tuser=a@example.org\tauth_user=m\n":    {fault.Unauthenticated, ErrAuthorization, ""},
		"OK\t%s\tuser=a@example.org\tmaster=m\n":       {fault.Unauthenticated, ErrAuthorization, ""},
		"OK\t%s\tuser=a@example.org\tproxy\thost=h\n":  {fault.Unauthenticated, ErrElsewhere, ""},
		"OK\t%s\tuser=anonymous\tanonymous\n":          {fault.Unauthenticated, ErrElsewhere, ""},
		"OK\t%s\n":                                     {kind: fault.Corrupt},
		"CONT\t%s\tAAAA\n":                             {kind: fault.Corrupt},
	} {
		s := start(t, hello, says(reply))
		d := s.asking(func(o *Options) { o.Domain = "example.org" })
		got, err := asks(t, d)
		wants(t, err, c.kind, c.part)
		if got != nil || c.why != nil && !errors.Is(err, c.why) {
			t.Errorf("%q: %+v, %v", reply, got, err)
		}
		d.mu.Lock()
		if d.open != 0 {
			t.Errorf("%q: %d exchanges are under way", reply, d.open)
		}
		d.mu.Unlock()
	}
}

// TestBrokenReplies end the connection, and the next question has another one.
func TestBrokenReplies(t *testing.T) {
	for _, reply := range []string{
		"OK\n", "OK\tx\tuser=a@example.org\n", "OK\t4294967297\tuser=a@example.org\n", "CONT\t%s\t!!!\n", "OK\t%s\tuser=a@example.org\tresp=!\n",
		"FAIL\t%s" + strings.Repeat("\tx", maxFields) + "\n", strings.Repeat("x", maxReply) + "\n", strings.Repeat("x", 3*maxReply),
	} {
		broken := 2 // as the first step is tried once more
		s := start(t, hello, func(line string) string {
			if broken == 0 || !strings.HasPrefix(line, "AUTH") {
				return says("OK\t%s\tuser=a@example.org\n")(line)
			}
			broken--
			return strings.ReplaceAll(reply, "%s", idOf(line))
		})
		d := s.asking(nil)
		_, err := asks(t, d)
		wants(t, err, fault.Unavailable, "has broken")
		if got, err := asks(t, d); err != nil || got.Login != "a@example.org" || s.connections() != 3 {
			t.Errorf("%.50q: afterwards %+v, %v, %d connections", reply, got, err, s.connections())
		}
	}
}

// TestHandshakes that are none.
func TestHandshakes(t *testing.T) {
	for text, part := range map[string]string{
		"220 mail ESMTP\n":                                  "no Dovecot",
		"VERSION\t2\t0\nDONE\n":                             "version",
		"VERSION\t1\nDONE\n":                                "no Dovecot",
		"VERSION\t1\t2\n" + strings.Repeat("X\n", 300):      "no end",
		"VERSION\t1\t2\n" + strings.Repeat("X", maxReply+1): "too long",
	} {
		s := start(t, text, says(""))
		_, err := asks(t, s.asking(nil))
		wants(t, err, fault.Unavailable, part)
	}
	// One that breaks off, as where the socket is for masters: they are not told DONE.
	s := start(t, "VERSION\t1\t2\nSPID\t1\n", says(""))
	d := s.asking(nil)
	failed := make(chan error, 1)
	go func() { _, err := asks(t, d); failed <- err }()
	s.seen("CPID")
	s.hangUp()
	wants(t, <-failed, fault.Unavailable, "not auth-master")
}

// TestPatientServer: since 2.4 Dovecot waits for our side of the handshake.
func TestPatientServer(t *testing.T) {
	s := (&double{hello: hello, patient: true, answers: says("OK\t%s\tuser=a@example.org\n")}).start(t)
	if a, err := asks(t, s.asking(nil)); err != nil || a.Login != "a@example.org" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestMechanisms: those that are passed on.
func TestMechanisms(t *testing.T) {
	s := start(t, "VERSION\t1\t3\nMECH\tPLAIN\tplaintext\nMECH\tXOAUTH2\nMECH\tANONYMOUS\tanonymous\nMECH\tAPOP\tprivate\nMECH\tEXTERNAL\n"+
		"MECH\tSCRAM-SHA-256-PLUS\tmutual-auth\tchannel-binding\nMECH\tSCRAM-SHA-256\tmutual-auth\nMECH\tbad\nMECH\tTWENTY-ONE-CHARACTERS\nMECH\nDONE\n", says(""))
	d := s.asking(nil)
	if d.Offered() != nil {
		t.Errorf("before: %v", d.Offered())
	}
	got, err := d.Mechanisms(t.Context())
	want := []Mechanism{{"PLAIN", true}, {"XOAUTH2", true}, {"SCRAM-SHA-256", false}} // EXTERNAL is no client's
	if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(d.Offered(), want) {
		t.Errorf("%v, %v; offered %v", got, err, d.Offered())
	}
	for _, name := range []string{"ANONYMOUS", "EXTERNAL", "plain", "PLAIN\tx", ""} {
		_, err := d.Begin(t.Context(), name, Info{})
		wants(t, err, fault.Invalid, "does not offer")
	}
	many := start(t, "VERSION\t1\t2\n"+strings.Repeat("MECH\tX\n", maxMechanisms+9)+"DONE\n", says(""))
	if got, err := many.asking(nil).Mechanisms(t.Context()); err != nil || len(got) != maxMechanisms {
		t.Errorf("%d mechanisms, %v", len(got), err)
	}
}

// TestManyOnOneConnection: each gets the answer to its own question, in whatever
// order they come.
func TestManyOnOneConnection(t *testing.T) {
	const n = 20
	var all sync.WaitGroup
	all.Add(n)
	s := start(t, hello, func(line string) string {
		if !strings.HasPrefix(line, "AUTH") {
			return ""
		}
		all.Done()
		all.Wait() // until all are asked
		id := idOf(line)
		_, session, _ := strings.Cut(line, "session=")
		session, _, _ = strings.Cut(session, "\t")
		return "OK\t" + id + "\tuser=" + session + "@example.org\n"
	})
	d := s.asking(func(o *Options) { o.Exchanges = n })
	var asked sync.WaitGroup
	for i := range n {
		asked.Go(func() {
			q := question
			q.Session = fmt.Sprintf("u%d", i)
			if a, err := d.Ask(t.Context(), q); err != nil || a.Login != q.Session+"@example.org" {
				t.Errorf("%s: %+v, %v", q.Session, a, err)
			}
		})
	}
	asked.Wait()
	if s.connections() != 1 {
		t.Errorf("%d connections", s.connections())
	}
}

// TestTimeout: a question without answer ends in time and is cancelled there; a
// connection on which nothing comes is used no more, and one given up by the
// caller is.
func TestTimeout(t *testing.T) {
	s := start(t, hello, says(""))
	d := s.asking(nil)
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { _, err := d.Ask(ctx, question); failed <- err }()
	s.seen("AUTH\t1\t")
	giveUp()
	wants(t, <-failed, fault.Canceled, "")
	s.seen("CANCEL\t1")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Ask(ctx, question)
	wants(t, err, fault.Unavailable, "in time")
	if s.connections() != 1 {
		t.Errorf("%d connections", s.connections())
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Ask(ctx, question)
	wants(t, err, fault.Unavailable, "in time")
	if s.connections() != 2 {
		t.Errorf("%d connections", s.connections())
	}
}

// TestLateReply to a question that was given up is nobody's answer.
func TestLateReply(t *testing.T) {
	late := make(chan struct{})
	s := start(t, hello, func(line string) string {
		switch {
		case strings.HasPrefix(line, "AUTH\t1\t"):
			<-late
			return "OK\t1\tuser=a@example.org\nFAIL\t2\n"
		default:
			return ""
		}
	})
	d := s.asking(nil)
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { _, err := d.Ask(ctx, question); failed <- err }()
	s.seen("AUTH\t1\t")
	giveUp()
	wants(t, <-failed, fault.Canceled, "")
	go func() { _, err := asks(t, d); failed <- err }()
	s.seen("AUTH\t2\t")
	close(late)
	wants(t, <-failed, fault.Unauthenticated, "")
}

// TestReconnect: a connection that has broken while nothing was asked costs nobody a
// login, and one that breaks at each question does.
func TestReconnect(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=a@example.org\n"))
	d := s.asking(nil)
	for range 3 {
		if _, err := asks(t, d); err != nil {
			t.Error(err)
		}
		s.hangUp()
	}
	if s.connections() != 3 {
		t.Errorf("%d connections", s.connections())
	}
	seen := map[string]bool{}
	for _, pid := range s.pids {
		if seen[pid] || pid == "0" {
			t.Errorf("the ids of connections are %v", s.pids)
		}
		seen[pid] = true
	}
	s = start(t, hello, nil)
	s.answers = func(string) string { s.hangUp(); return "" }
	_, err := asks(t, s.asking(nil))
	wants(t, err, fault.Unavailable, "has broken")
	s.listener.Close()
	_, err = asks(t, s.asking(nil))
	wants(t, err, fault.Unavailable, "panel")
}

// TestClosed: nothing is asked afterwards.
func TestClosed(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=a@example.org\n"))
	d := s.asking(nil)
	if _, err := asks(t, d); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	_, err := asks(t, d)
	wants(t, err, fault.Unavailable, "closed")
}

// TestQuestionsThatAreNone are not sent.
func TestQuestionsThatAreNone(t *testing.T) {
	s := start(t, hello, says("OK\t%s\tuser=a@example.org\n"))
	d := s.asking(nil)
	_, err := d.Ask(t.Context(), directory.Question{Login: "a@example.org"})
	wants(t, err, fault.Invalid, "looks nobody up")
	for _, q := range []directory.Question{{Login: "a\x00b", Password: "x"}, {Login: "a", Password: "x\x00y"}} {
		_, err = d.Ask(t.Context(), q)
		wants(t, err, fault.Unauthenticated, "")
	}
	if s.connections() != 0 {
		t.Errorf("%d connections", s.connections())
	}
	plainless := start(t, "VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n", says(""))
	_, err = asks(t, plainless.asking(nil))
	wants(t, err, fault.Invalid, "PLAIN")
}

func TestOptions(t *testing.T) {
	good := Options{Name: "panel", Address: "/run/dovecot/auth-client", Exchanges: 1}
	for name, change := range map[string]func(*Options){
		"a socket": func(*Options) {}, "loopback": func(o *Options) { o.Address = "127.0.0.1:12345" }, "loopback 6": func(o *Options) { o.Address = "[::1]:1" },
		"a container": func(o *Options) { o.Address, o.TrustNetwork = "dovecot:10001", true },
	} {
		opt := good
		change(&opt)
		if d, err := New(opt); err != nil || d.Close() != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for part, change := range map[string]func(*Options){
		"host:port":   func(o *Options) { o.Address = "auth-client" },
		"form":        func(o *Options) { o.Address = ":1" },
		"unencrypted": func(o *Options) { o.Address = "localhost:1" },
		"loopback":    func(o *Options) { o.Address = "192.0.2.1:1" },
		"domain":      func(o *Options) { o.Domain = "a b" },
		"exchange":    func(o *Options) { o.Exchanges = 0 },
		"secret":      func(o *Options) { o.Aliases = "token" },
	} {
		opt := good
		change(&opt)
		_, err := New(opt)
		wants(t, err, fault.Invalid, part)
	}
}

// TestPlace: both ends of the client's connection, and Dovecot's own penalty.
func TestPlace(t *testing.T) {
	s := start(t, hello, says("FAIL\t%s\n"))
	x, err := s.asking(func(o *Options) { o.Penalty = true }).Begin(t.Context(), "X-STEPS", Info{
		Client: netip.MustParseAddrPort("[2001:db8::1]:4000"), Local: netip.MustParseAddrPort("[::ffff:192.0.2.9]:465"), Session: strings.Repeat("s", maxSession+1),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Cancel()
	_, _, err = x.Next(t.Context(), nil)
	wants(t, err, fault.Unauthenticated, "")
	const want = "AUTH\t1\tX-STEPS\tservice=smtp\tsecured=tls\tnologin\tlip=192.0.2.9\tlport=465\trip=2001:db8::1\trport=4000\tresp="
	if line := s.seen("AUTH"); line != strings.TrimSuffix(want, "\tresp=") {
		t.Errorf("it is asked %q", line)
	}
}
