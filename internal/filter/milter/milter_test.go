package milter

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/d--j/go-milter"

	"countersign/internal/filter"
	"countersign/internal/mail"
	"countersign/internal/testkit/testmilter"
)

// at returns a program at an address, with bounds that no test waits for.
func at(t testing.TB, addr net.Addr) *Program {
	t.Helper()
	p, err := New(Options{Network: addr.Network(), Address: addr.String(), Connect: 10 * time.Second, Step: 30 * time.Second, MaxBody: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const head = "From: Ann <ann@example.org>\r\nTo: b@example.com\r\nSubject: a long\r\n one\r\nX-Tight:no space\r\n\r\n"

// message is one with everything that there is to say of it.
func message(t testing.TB, body string) *filter.Message {
	return &filter.Message{
		ID: "01SUBMISSION", Hostname: "gate.example.org", Listener: "submissions",
		Client: netip.MustParseAddrPort("192.0.2.7:4711"), Hello: "laptop.example", TLS: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256",
		Login: "ann@example.org", Mechanism: "PLAIN",
		Envelope:   mail.Envelope{From: address(t, "ann@example.org"), Size: 1234, Body: mail.Body8Bit, SMTPUTF8: true},
		Recipients: []mail.Recipient{{To: address(t, "b@example.com")}, {To: address(t, "c@example.net")}},
		Head:       []byte(head),
		Body:       func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil },
	}
}

// TestWhatIsShown holds what a filter sees against the message, over TCP and a socket, whether
// it answers each command or none.
func TestWhatIsShown(t *testing.T) {
	large := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n", 5000)
	silent := milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoMailReply | milter.OptNoRcptReply | milter.OptNoDataReply |
		milter.OptNoHeaderReply | milter.OptNoEOHReply | milter.OptNoBodyReply
	for name, c := range map[string]struct {
		network  string
		protocol milter.OptProtocol
		body     string
		subject  string // as libmilter has it
	}{
		"tcp":    {"tcp", 0, "Hello\r\n", "a long\n one"},
		"unix":   {"unix", 0, large, "a long\n one"},
		"silent": {"tcp", silent, large, "a long\n one"},
		"spaces": {"tcp", milter.OptHeaderLeadingSpace, "Hello\r\n", " a long\n one"},
		"empty":  {"tcp", 0, "", "a long\n one"},
	} {
		t.Run(name, func(t *testing.T) {
			where := "127.0.0.1:0"
			if c.network == "unix" {
				where = filepath.Join(t.TempDir(), "s")
			}
			s := testmilter.Start(t, c.network, where, testmilter.Behaviour{Protocol: c.protocol})
			answer, err := at(t, s.Addr).Ask(t.Context(), message(t, c.body))
			if err != nil || answer.Verdict != filter.Pass || !answer.Changes.Empty() {
				t.Fatalf("%+v, %v", answer, err)
			}
			seen := s.Seen()
			if len(seen) != 1 {
				t.Fatalf("seen %d messages", len(seen))
			}
			got := seen[0]
			body := c.body
			if body == "" {
				body = "\r\n"
			}
			if string(got.Body) != body {
				t.Errorf("the body has %d octets, want %d", len(got.Body), len(body))
			}
			got.Body = nil
			space := strings.Repeat(" ", len(c.subject)-len("a long\n one"))
			want := testmilter.Seen{
				Host: "[192.0.2.7]", Family: "tcp4", Address: "192.0.2.7", Port: 4711, Hello: "laptop.example",
				From: "ann@example.org", FromArgs: "SIZE=1234 BODY=8BITMIME SMTPUTF8",
				Recipients: []string{"b@example.com", "c@example.net"}, RcptAddr: []string{"b@example.com", "c@example.net"},
				Fields: [][2]string{{"From", space + "Ann <ann@example.org>"}, {"To", space + "b@example.com"}, {"Subject", c.subject}, {"X-Tight", "no space"}},
				Macros: map[string]string{
					"j": "gate.example.org", "{daemon_name}": "submissions", "v": "Countersign", "{client_addr}": "192.0.2.7", "{tls_version}": "TLSv1.3",
					"{cipher}": "TLS_AES_128_GCM_SHA256", "i": "01SUBMISSION", "{auth_type}": "PLAIN", "{auth_authen}": "ann@example.org",
					"{mail_addr}": "ann@example.org", "{mail_host}": "example.org",
				},
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("seen\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// TestClients: IPv6, IPv4 in IPv6, and nobody knows who.
func TestClients(t *testing.T) {
	s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{})
	p := at(t, s.Addr)
	want := []string{"[2001:db8::1] tcp6 2001:db8::1", "[192.0.2.9] tcp4 192.0.2.9", "unknown unknown "}
	for _, client := range []netip.AddrPort{
		netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[::ffff:192.0.2.9]:1"), {},
	} {
		m := message(t, "Hello\r\n")
		m.Client, m.Envelope.From = client, mail.Address{}
		if _, err := p.Ask(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range s.Seen() {
		if text := got.Host + " " + got.Family + " " + got.Address; text != want[i] || got.From != "" {
			t.Errorf("%q from %q, want %q from nobody", text, got.From, want[i])
		}
	}
}

// TestLargeField: libmilter breaks off at a packet above 64 KiB, so what is longer is cut.
func TestLargeField(t *testing.T) {
	s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{})
	m := message(t, "Hello\r\n")
	long := strings.Repeat("\r\n "+strings.Repeat("x", 76), 2000)
	m.Head = []byte("From: ann@example.org\r\nX-Long:" + long + "\r\nSubject: behind\r\n\r\n")
	if _, err := at(t, s.Addr).Ask(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	fields := s.Seen()[0].Fields
	if len(fields) != 3 || fields[2] != [2]string{"Subject", "behind"} {
		t.Fatalf("%d fields", len(fields))
	}
	if got := fields[1][1]; len(got) != maxValue || !strings.HasPrefix(strings.ReplaceAll(long, "\r\n", "\n"), got) {
		t.Errorf("shown %d octets of a field, want the first %d", len(got), maxValue)
	}
}

// TestVerdicts: what a filter says at each stage.
func TestVerdicts(t *testing.T) {
	coded := func(code uint16, text string) *milter.Response {
		r, err := milter.RejectWithCodeAndReason(code, text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, c := range map[string]struct {
		response *milter.Response
		want     filter.Answer
	}{
		"accept":  {milter.RespAccept, filter.Answer{Verdict: filter.Pass}},
		"reject":  {milter.RespReject, filter.Answer{Verdict: filter.Refuse}},
		"later":   {milter.RespTempFail, filter.Answer{Verdict: filter.Defer}},
		"discard": {milter.RespDiscard, filter.Answer{Verdict: filter.Discard}},
		"coded": {coded(554, "5.7.1 100% spam"), filter.Answer{
			Verdict: filter.Refuse, Reply: filter.Reply{Code: 554, Enhanced: "5.7.1", Text: "100% spam"},
		}},
		"coded, later": {coded(451, "4.7.1 one\r\ntwo"), filter.Answer{
			Verdict: filter.Defer, Reply: filter.Reply{Code: 451, Enhanced: "4.7.1", Text: "one two"},
		}},
	} {
		for _, stage := range []string{"connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "end"} {
			t.Run(name+" at "+stage, func(t *testing.T) {
				b := testmilter.Behaviour{At: func(s string) *milter.Response {
					if s == stage {
						return c.response
					}
					return nil
				}}
				if stage == "end" {
					b.End = func(milter.Modifier, *testmilter.Seen) (*milter.Response, error) { return c.response, nil }
				}
				s := testmilter.Start(t, "tcp", "127.0.0.1:0", b)
				got, err := at(t, s.Addr).Ask(t.Context(), message(t, "Hello\r\n"))
				if err != nil {
					t.Fatal(err)
				}
				if got.Changes.Body = nil; !reflect.DeepEqual(*got, c.want) {
					t.Errorf("%+v, want %+v", *got, c.want)
				}
			})
		}
	}
}

// TestChanges: all that a filter can want.
func TestChanges(t *testing.T) {
	for _, spaces := range []milter.OptProtocol{0, milter.OptHeaderLeadingSpace} {
		s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{Protocol: spaces, End: func(m milter.Modifier, _ *testmilter.Seen) (*milter.Response, error) {
			return milter.RespContinue, errors.Join(
				m.Progress(), m.AddHeader("X-Spam", "no"), m.ChangeHeader(2, "Subject", "other\n folded"), m.ChangeHeader(1, "X-Old", ""),
				m.InsertHeader(3, "X-Third", "here"), m.Progress(), m.ReplaceBodyRawChunk([]byte("new ")), m.ReplaceBodyRawChunk([]byte("body\r\n")),
				m.AddRecipient("<d@example.com>", ""), m.DeleteRecipient("<b@example.com>"), m.ChangeFrom("<other@example.org>", ""), m.Quarantine("looks odd"),
			)
		}})
		got, err := at(t, s.Addr).Ask(t.Context(), message(t, "Hello\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		space := " "
		if spaces != 0 {
			space = ""
		}
		sender := "<other@example.org>"
		want := filter.Answer{Verdict: filter.Pass, Quarantined: true, Because: "looks odd", Changes: filter.Changes{
			Header: []filter.HeaderChange{
				{Act: filter.Add, Name: "X-Spam", Value: space + "no"},
				{Act: filter.Change, At: 2, Name: "Subject", Value: space + "other\n folded"},
				{Act: filter.Change, At: 1, Name: "X-Old"},
				{Act: filter.Insert, At: 3, Name: "X-Third", Value: space + "here"},
			},
			ReplacesBody: true, Body: []byte("new body\r\n"), Added: []string{"<d@example.com>"}, Removed: []string{"<b@example.com>"}, Sender: &sender,
		}}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, want\n%+v", *got, want)
		}
	}
}

// TestParametersAreNoted, as nobody takes them.
func TestParametersAreNoted(t *testing.T) {
	for name, act := range map[string]func(milter.Modifier) error{
		"recipient": func(m milter.Modifier) error { return m.AddRecipient("<d@example.com>", "NOTIFY=NEVER") },
		"sender":    func(m milter.Modifier) error { return m.ChangeFrom("<d@example.com>", "SIZE=1") },
	} {
		s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{End: func(m milter.Modifier, _ *testmilter.Seen) (*milter.Response, error) {
			return milter.RespAccept, act(m)
		}})
		if got, err := at(t, s.Addr).Ask(t.Context(), message(t, "Hello\r\n")); err != nil || !got.Changes.Parameters {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestNewBodyIsBounded: one that fits is taken whole, one octet more is not.
func TestNewBodyIsBounded(t *testing.T) {
	for _, size := range []int{1 << 20, 1<<20 + 1} {
		body := bytes.Repeat([]byte("x"), size)
		s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{End: func(m milter.Modifier, _ *testmilter.Seen) (*milter.Response, error) {
			_ = m.ReplaceBody(bytes.NewReader(body)) // it may be cut off
			return milter.RespAccept, nil
		}})
		got, err := at(t, s.Addr).Ask(t.Context(), message(t, "Hello\r\n"))
		switch {
		case size <= 1<<20 && (err != nil || !bytes.Equal(got.Changes.Body, body)):
			t.Errorf("%v", err)
		case size > 1<<20 && !errors.Is(err, errTooMuch):
			t.Errorf("%v, want it too large", err)
		}
	}
}

func TestProbe(t *testing.T) {
	s := testmilter.Start(t, "tcp", "127.0.0.1:0", testmilter.Behaviour{})
	if err := at(t, s.Addr).Probe(t.Context()); err != nil {
		t.Error(err)
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	if err := at(t, nobody.Addr()).Probe(t.Context()); !errors.Is(err, filter.ErrNotReached) {
		t.Errorf("%v, want not reached", err)
	}
	_, err = at(t, nobody.Addr()).Ask(t.Context(), message(t, ""))
	if !errors.Is(err, filter.ErrNotReached) {
		t.Errorf("%v, want not reached", err)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Network: "tcp", Address: "127.0.0.1:1", Connect: 1, Step: 1}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for i, bad := range []func(*Options){
		func(o *Options) { o.Network = "udp" }, func(o *Options) { o.Address = "" },
		func(o *Options) { o.Connect = 0 }, func(o *Options) { o.Step = 0 },
	} {
		o := good
		bad(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%d: %+v is taken", i, o)
		}
	}
}

func TestReplies(t *testing.T) {
	for raw, want := range map[string]filter.Reply{
		"550 5.7.1 no":                       {Code: 550, Enhanced: "5.7.1", Text: "no"},
		"550 no":                             {Code: 550, Text: "no"},
		"554-5.7.1 one\r\n554 5.7.1 two\r\n": {Code: 554, Enhanced: "5.7.1", Text: "one two"},
		"451-one\n451 4.7.1 two":             {Code: 451, Enhanced: "4.7.1", Text: "one two"},
		"550 5.7.1":                          {Code: 550, Enhanced: "5.7.1"},
		"550":                                {Code: 550},
		"":                                   {},
		"x":                                  {},
		"550 2.0.0 fine":                     {Code: 550, Text: "2.0.0 fine"},
		"550 5.7.1000 no":                    {Code: 550, Text: "5.7.1000 no"},
		"550 5.+7.1 no":                      {Code: 550, Text: "5.+7.1 no"},
		"450 100%% of it":                    {Code: 450, Text: "100% of it"},
	} {
		if got := parseReply(raw); got != want {
			t.Errorf("%q is %+v, want %+v", raw, got, want)
		}
	}
}
