package smtpserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"countersign/internal/fault"
	"countersign/internal/sasl"
)

// doorman is a Verifier of one account, "user" with "pencil" and the token "good".
type doorman struct{}

func (doorman) refuse() error { return fault.Refuse("doorman", fault.Unauthenticated, "auth-failed") }

func (d doorman) VerifyPassword(context.Context, string, string, string) error { return d.refuse() }

func (d doorman) VerifyCertificate(context.Context, string) error { return d.refuse() }

func (d doorman) VerifyToken(_ context.Context, _, token string) error {
	if token != "good" {
		return &sasl.TokenError{Scope: "submit", Err: d.refuse()}
	}
	return nil
}

func (doorman) Keys(_ context.Context, mechanism, login string) (*sasl.Keys, error) {
	k := &sasl.Keys{Mechanism: mechanism, Login: login, Salt: []byte("salt"), Iterations: sasl.MinIterations}
	switch mechanism {
	case "CRAM-MD5":
		k.List = []sasl.Key{sasl.CramKey("pencil")}
	case "DIGEST-MD5":
		k.List = []sasl.Key{sasl.DigestKey(login, "mx.test", "pencil")}
	default:
		k.List = []sasl.Key{sasl.ScramKey(mechanism, "pencil", k.Salt, k.Iterations)}
	}
	return k, nil
}

func (d doorman) Proved(_ context.Context, _ string, k *sasl.Keys, which int) error {
	if which < 0 || k.Login != "user" {
		return d.refuse()
	}
	return nil
}

// guarded is a double whose sessions speak the mechanisms of package sasl.
func guarded() *double {
	return &double{exchange: func(mechanism string, binding func(string) ([]byte, bool)) sasl.Exchange {
		m, _ := sasl.Lookup(mechanism)
		return m.New(&sasl.Conn{Verifier: doorman{}, Host: "mx.test", Binding: binding, Plus: true})
	}}
}

// secure connects by a TLS version and says EHLO over it; it returns the client's view of the connection.
func (r *rig) secure(version uint16) (*client, *tls.ConnectionState) {
	r.t.Helper()
	c := r.dial()
	if r.config.Kind == Submission {
		c.play("< 220\n> EHLO c.test\n< 250\n> STARTTLS\n< 220")
	}
	conn := tls.Client(c.raw, &tls.Config{InsecureSkipVerify: true, ServerName: "mx.test", MinVersion: version, MaxVersion: version})
	if err := conn.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	c.conn, c.in = conn, bufio.NewReader(conn)
	if r.config.Kind == Submissions {
		c.play("< 220")
	}
	c.play("> EHLO c.test\n< 250\n<* AUTH EXTERNAL SCRAM-SHA-256-PLUS")
	state := conn.ConnectionState()
	return c, &state
}

// login runs an exchange of SCRAM-SHA-256-PLUS and returns the last reply.
func (c *client) login(binding scram.ChannelBinding) string {
	c.t.Helper()
	user, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		c.t.Fatal(err)
	}
	talk := user.NewConversationWithChannelBinding(binding)
	response, err := talk.Step("")
	if err != nil {
		c.t.Fatal(err)
	}
	line := "AUTH scram-sha-256-plus " + base64.StdEncoding.EncodeToString([]byte(response))
	for {
		c.send(line + "\r\n")
		reply := c.reply()
		text, more := strings.CutPrefix(strings.TrimSpace(reply), "334 ")
		if !more {
			return reply
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			c.t.Fatal(err)
		}
		if response, err = talk.Step(string(challenge)); err != nil {
			c.t.Fatal(err)
		}
		line = base64.StdEncoding.EncodeToString([]byte(response))
	}
}

// A client of others' making binds to the connection by each type, on both kinds of listeners; to
// another connection it cannot.
func TestBoundLogin(t *testing.T) {
	for _, kind := range []ListenerKind{Submission, Submissions} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			r := newRig(t, guarded(), kind, nil)
			_, other := r.secure(version)
			for _, bind := range []func(*tls.ConnectionState) (scram.ChannelBinding, error){
				scram.NewTLSServerEndpointBinding,
				func(state *tls.ConnectionState) (scram.ChannelBinding, error) {
					if version == tls.VersionTLS12 {
						return scram.NewTLSUniqueBinding(state.TLSUnique), nil
					}
					return scram.NewTLSExporterBinding(state)
				},
			} {
				c, state := r.secure(version)
				right, err := bind(state)
				if err != nil {
					t.Fatal(err)
				}
				if reply := c.login(right); !strings.HasPrefix(reply, "235 2.7.0") {
					t.Errorf("%s, %s: %s", tls.VersionName(version), right.Type, reply)
				}
				if right.Type == scram.ChannelBindingTLSServerEndpoint {
					continue // the other connection has the same server
				}
				c, _ = r.secure(version)
				foreign, err := bind(other)
				if err != nil {
					t.Fatal(err)
				}
				if reply := c.login(foreign); !strings.HasPrefix(reply, "535 5.7.8") {
					t.Errorf("%s, %s of another connection: %s", tls.VersionName(version), foreign.Type, reply)
				}
			}
		}
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// What mechanisms refuse becomes the reply of RFC 4954, and is recorded as a failed login.
func TestMechanismRefusals(t *testing.T) {
	tests := []struct {
		name, script string
		cause        error
	}{
		{"downgrade", "> AUTH SCRAM-SHA-256 " + b64("y,,n=user,r=abc") + "\n< 535 5.7.8", sasl.ErrDowngrade},
		{"unbound -PLUS", "> AUTH SCRAM-SHA-1-PLUS " + b64("n,,n=user,r=abc") + "\n< 535 5.7.8", sasl.ErrBinding},
		{"malformed", "> AUTH SCRAM-SHA-1 " + b64("n,,m=x,n=user,r=abc") + "\n< 501 5.5.2", sasl.ErrSyntax},
		{"initial response", "> AUTH CRAM-MD5 " + b64("user 00") + "\n< 501 5.7.0", nil},
		{"empty initial response", "> AUTH DIGEST-MD5 =\n< 501 5.7.0", nil},
		{"empty initial response of EXTERNAL", "> AUTH EXTERNAL =\n< 535 5.7.8", nil},
		{"empty response of EXTERNAL", "> AUTH EXTERNAL\n< 334\n> \n< 535 5.7.8", nil},
		{"token", "> AUTH OAUTHBEARER " + b64("n,,\x01auth=Bearer bad\x01\x01") + "\n< 334 " + b64(`{"status":"invalid_token","scope":"submit"}`) + "\n> AQ==\n< 535 5.7.8", nil},
		{"token, then cancel", "> AUTH OAUTHBEARER " + b64("n,,\x01auth=Bearer bad\x01\x01") + "\n< 334\n> *\n< 535 5.7.8", nil},
		{"token, then nonsense", "> AUTH XOAUTH2\n< 334\n> " + b64("user=user\x01auth=Bearer bad\x01\x01") + "\n< 334\n> ???\n< 535 5.7.8", nil},
		{"huge identity", "> AUTH EXTERNAL " + strings.Repeat("AAAA", 3000) + "\n< 501 5.5.2", sasl.ErrSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := guarded()
			c, _ := newRig(t, d, Submission, nil).secure(tls.VersionTLS13)
			c.play(tt.script + "\n> MAIL FROM:<user@c.test>\n< 530 5.7.0\n> QUIT\n< 221")
			o, found := find(d.session(t, 1).observations(t), ObservedAuthFailed)
			if !found || o.Err == nil || tt.cause != nil && !errors.Is(o.Err, tt.cause) {
				t.Errorf("recorded %v, %+v", found, o)
			}
		})
	}
}

// A token that is refused is a failed login, also where the client does not wait to hear so.
func TestRefusedTokenIsRecorded(t *testing.T) {
	for _, last := range []string{"", strings.Repeat("A", lineResponse+1) + "\r\n", "half a li"} {
		d := guarded()
		c, _ := newRig(t, d, Submissions, nil).secure(tls.VersionTLS13)
		c.play("> AUTH OAUTHBEARER " + b64("n,,\x01auth=Bearer bad\x01\x01") + "\n< 334")
		c.send(last)
		c.conn.Close()
		failed := 0
		for _, o := range d.session(t, 1).observations(t) {
			if o.Kind == ObservedAuthFailed {
				failed++
				if o.Code != 535 || !fault.Is(o.Err, fault.Unauthenticated) {
					t.Errorf("recorded %+v", o)
				}
			}
		}
		if failed != 1 {
			t.Errorf("after %.20q: %d failures recorded", last, failed)
		}
	}
}

// Whoever has proved the password, and cancels before the exchange is over, is not logged in.
func TestCancelAfterTheServersProof(t *testing.T) {
	user, err := scram.SHA256.NewClient("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	for last, want := range map[string]string{"*": "501 5.7.0", "AQ==": "501 5.5.2", "": "235 2.7.0"} {
		c, _ := newRig(t, guarded(), Submission, nil).secure(tls.VersionTLS13)
		talk := user.NewConversation()
		line := "AUTH SCRAM-SHA-256"
		for challenge := ""; !talk.Done(); {
			c.send(line + "\r\n")
			text, more := strings.CutPrefix(strings.TrimRight(c.reply(), "\r\n"), "334 ")
			raw, err := base64.StdEncoding.DecodeString(text)
			if err != nil || !more {
				t.Fatal(text, err)
			}
			challenge = string(raw)
			response, err := talk.Step(challenge)
			if err != nil {
				t.Fatal(err)
			}
			line = b64(response)
		}
		after := "530 5.7.0"
		if last == "" {
			after = "250"
		}
		c.play("> " + last + "\n< " + want + "\n> MAIL FROM:<user@c.test>\n< " + after)
	}
}
