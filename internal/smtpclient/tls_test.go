package smtpclient

import (
	"crypto/tls"
	"strings"
	"testing"

	"countersign/internal/testkit"
)

func TestTLS(t *testing.T) {
	authority, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	good := authority.Server("mx.example.org", "192.0.2.1")
	refuse := func(s testkit.Step) testkit.Action {
		if s.At == "STARTTLS" {
			return testkit.Action{Say: "454 4.7.0 no certificate today"}
		}
		return testkit.Action{}
	}
	inject := func(s testkit.Step) testkit.Action {
		if s.At == "STARTTLS" {
			return testkit.Action{Say: "220 go on\r\n250 injected\r\n", Raw: true}
		}
		return testkit.Action{}
	}
	garbage := func(s testkit.Step) testkit.Action {
		if s.At == "STARTTLS" {
			return testkit.Action{Say: "220 go on", Drop: true}
		}
		return testkit.Action{}
	}
	tests := []struct {
		name    string
		mx      *testkit.MX
		mode    TLSMode
		host    string
		trusted *testkit.Authority
		want    string // "tls", "plain", "refused" or "error"
	}{
		{"offered", &testkit.MX{TLS: good}, TLSOpportunistic, "mx.example.org", nil, "tls"},
		{"offered, another name", &testkit.MX{TLS: good}, TLSOpportunistic, "mx.example.com", nil, "tls"},
		{"not offered", &testkit.MX{}, TLSOpportunistic, "mx.example.org", nil, "plain"},
		{"offered, not wanted", &testkit.MX{TLS: good}, TLSNone, "mx.example.org", nil, "plain"},
		{"refused", &testkit.MX{TLS: good, Script: refuse}, TLSOpportunistic, "mx.example.org", nil, "refused"},
		{"broken", &testkit.MX{TLS: good, Script: garbage}, TLSOpportunistic, "mx.example.org", nil, "error"},
		{"plain text injected", &testkit.MX{TLS: good, Script: inject}, TLSOpportunistic, "mx.example.org", nil, "error"},
		{"required", &testkit.MX{TLS: good}, TLSRequired, "mx.example.org", authority, "tls"},
		{"required, by address", &testkit.MX{TLS: good}, TLSRequired, "192.0.2.1", authority, "tls"},
		{"required, another name", &testkit.MX{TLS: good}, TLSRequired, "mx.example.com", authority, "error"},
		{"required, not trusted", &testkit.MX{TLS: good}, TLSRequired, "mx.example.org", other, "error"},
		{"required, not offered", &testkit.MX{}, TLSRequired, "mx.example.org", authority, "error"},
		{"required, refused", &testkit.MX{TLS: good, Script: refuse}, TLSRequired, "mx.example.org", authority, "error"},
		{"implicit", &testkit.MX{TLS: good, Implicit: true}, TLSRequired, "mx.example.org", authority, "tls"},
		{"implicit, another name", &testkit.MX{TLS: good, Implicit: true}, TLSRequired, "mx.example.com", authority, "error"},
		{"implicit, not verified", &testkit.MX{TLS: good, Implicit: true}, TLSNone, "mx.example.com", nil, "tls"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{TLS: tt.mode, Host: tt.host, ImplicitTLS: tt.mx.Implicit, TLSConfig: &tls.Config{}}
			if tt.trusted != nil {
				o.TLSConfig.RootCAs = tt.trusted.Pool()
			}
			c, err := connect(t, tt.mx, o)
			if tt.want == "error" {
				if e := asError(t, err); e.Problem != NoTLS || e.Stage != StageTLS {
					t.Errorf("error = %v, want no-tls", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := summary(c.Send(t.Context(), letter(t, "x\r\n", "b@example.org")))
			onTLS := tt.mx.Received()[0].TLS
			if got != "250" || onTLS != (tt.want == "tls") || onTLS != (c.TLS() != nil) || c.TLSRefused() != (tt.want == "refused") {
				t.Errorf("%s, on TLS %v, refused %v; want %s", got, onTLS, c.TLSRefused(), tt.want)
			}
		})
	}
}

func TestAuth(t *testing.T) {
	authority := testkit.NewAuthority(t)
	tests := []struct {
		name     string
		password string
		plainTLS bool // no TLS at all
		offer    string
		code     int
		problem  Problem
	}{
		{name: "plain", password: "secret"},
		{name: "login", password: "secret", offer: "AUTH LOGIN"},
		{name: "wrong", password: "wrong", code: 535, problem: Refused},
		{name: "nothing we know", password: "secret", offer: "AUTH CRAM-MD5", code: 504, problem: Refused},
		{name: "never without TLS", password: "secret", plainTLS: true, problem: NoTLS},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &testkit.MX{Login: "gate", Password: "secret", TLS: authority.Server("relay.example")}
			mode := TLSRequired
			if tt.plainTLS {
				m.TLS, m.Extensions, mode = nil, []string{"AUTH PLAIN LOGIN"}, TLSOpportunistic
			}
			if tt.offer != "" {
				m.Script = func(s testkit.Step) testkit.Action {
					if s.At == "EHLO" && s.Connection == 1 {
						return testkit.Action{Say: "250-x\r\n250-STARTTLS\r\n250 " + tt.offer}
					}
					return testkit.Action{}
				}
			}
			c, err := connect(t, m, Options{
				Host: "relay.example", TLS: mode, TLSConfig: &tls.Config{RootCAs: authority.Pool()},
				Username: "gate", Password: tt.password,
			})
			for _, line := range m.Commands() {
				if tt.plainTLS && strings.HasPrefix(line, "AUTH") {
					t.Errorf("sent %q in plain text", line)
				}
			}
			if tt.problem != "" {
				if e := asError(t, err); e.Stage != StageAuth || e.Problem != tt.problem || e.Reply.Code != tt.code {
					t.Errorf("error = %v, want %s %d", err, tt.problem, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(c.Send(t.Context(), letter(t, "x\r\n", "b@example.org"))); got != "250" || m.Received()[0].Login != "gate" {
				t.Errorf("%s, logged in as %q", got, m.Received()[0].Login)
			}
		})
	}
}
