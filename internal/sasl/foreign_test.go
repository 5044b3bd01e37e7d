package sasl

import (
	"context"
	"net/smtp"
	"testing"

	gosasl "github.com/emersion/go-sasl"
	xdg "github.com/xdg-go/scram"
)

// scramOf is a client by the hand of others, bound where the mechanism binds.
func scramOf(t *testing.T, mechanism, login, password, authzid string, binding xdg.ChannelBinding) client {
	t.Helper()
	generate := xdg.SHA256
	if mechanism == "SCRAM-SHA-1" || mechanism == "SCRAM-SHA-1-PLUS" {
		generate = xdg.SHA1
	}
	c, err := generate.NewClient(login, password, authzid)
	if err != nil {
		t.Fatal(err)
	}
	talk := c.NewConversation()
	if binding.IsSupported() {
		talk = c.NewConversationWithChannelBinding(binding)
	}
	return func(challenge []byte) []byte {
		response, err := talk.Step(string(challenge))
		if err != nil {
			t.Logf("the client says %v", err)
			return []byte("*")
		}
		return []byte(response)
	}
}

func TestForeignScram(t *testing.T) {
	data := func(kind string) xdg.ChannelBinding {
		return xdg.ChannelBinding{Type: xdg.ChannelBindingType(kind), Data: []byte("data of " + kind)}
	}
	tests := []struct {
		name, mechanism, login, password, authzid string
		binding                                   xdg.ChannelBinding
		want                                      bool
	}{
		{"sha-1", "SCRAM-SHA-1", "user", "pencil", "", xdg.ChannelBinding{}, true},
		{"sha-256", "SCRAM-SHA-256", "user", "last pass", "user", xdg.ChannelBinding{}, true},
		{"names", "SCRAM-SHA-256", "a=b,c", "pencil", "a=b,c", xdg.ChannelBinding{}, true},
		{"not ASCII", "SCRAM-SHA-256", "ju\u0308rgen", "pässwörd", "", xdg.ChannelBinding{}, true},
		{"wrong password", "SCRAM-SHA-256", "user", "pencils", "", xdg.ChannelBinding{}, false},
		{"as another", "SCRAM-SHA-256", "user", "pencil", "other", xdg.ChannelBinding{}, false},
		{"sha-1 bound", "SCRAM-SHA-1-PLUS", "user", "pencil", "", data("tls-server-end-point"), true},
		{"sha-256 bound", "SCRAM-SHA-256-PLUS", "user", "pencil", "user", data("tls-exporter"), true},
		{"foreign binding", "SCRAM-SHA-256-PLUS", "user", "pencil", "", xdg.ChannelBinding{Type: xdg.ChannelBindingTLSExporter, Data: []byte("of another channel")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook()
			c := scramOf(t, tt.mechanism, tt.login, tt.password, tt.authzid, tt.binding)
			_, done, err := talk(start(t, tt.mechanism, connOf(b)), c, nil)
			if done != tt.want {
				t.Errorf("%v, %q", err, b.asked)
			}
		})
	}
}

// The other way round: keys that others have made are ours too.
func TestForeignScramKeys(t *testing.T) {
	c, err := xdg.SHA1.NewClientUnprepped("user", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := c.GetStoredCredentialsWithError(xdg.KeyFactors{Salt: "salt", Iters: 10000})
	if err != nil {
		t.Fatal(err)
	}
	ours := ScramKey(ScramSHA1, "pencil", []byte("salt"), 10000)
	if string(ours.Stored) != string(theirs.StoredKey) || string(ours.Server) != string(theirs.ServerKey) {
		t.Errorf("%x is not %x", ours, theirs)
	}
}

// goSASL turns a client of go-sasl into one of ours.
func goSASL(t *testing.T, c gosasl.Client) client {
	return func(challenge []byte) []byte {
		if challenge == nil {
			_, initial, err := c.Start()
			if err != nil {
				t.Fatal(err)
			}
			return initial
		}
		response, err := c.Next(challenge)
		if err != nil {
			t.Logf("the client says %v", err)
			return []byte("\x01")
		}
		return response
	}
}

func TestForeignClients(t *testing.T) {
	bearer := func(token string) gosasl.Client {
		return gosasl.NewOAuthBearerClient(&gosasl.OAuthBearerOptions{Username: "user", Token: token, Host: testHost, Port: 587})
	}
	tests := []struct {
		mechanism string
		client    gosasl.Client
		want      bool
	}{
		{"PLAIN", gosasl.NewPlainClient("", "user", "pencil"), true},
		{"PLAIN", gosasl.NewPlainClient("", "user", "pen"), false},
		{"LOGIN", gosasl.NewLoginClient("user", "pencil"), true},
		{"LOGIN", gosasl.NewLoginClient("user", "pen"), false},
		{"EXTERNAL", gosasl.NewExternalClient(""), true},
		{"EXTERNAL", gosasl.NewExternalClient("other"), false},
		{"OAUTHBEARER", bearer("dG9rZW4="), true},
		{"OAUTHBEARER", bearer("other"), false},
	}
	for _, tt := range tests {
		_, done, err := talk(start(t, tt.mechanism, connOf(newBook())), goSASL(t, tt.client), nil)
		if done != tt.want {
			t.Errorf("%s: %v, want %v", tt.mechanism, err, tt.want)
		}
	}
}

// CRAM-MD5 as the standard library's client speaks it.
func TestForeignCram(t *testing.T) {
	for secret, want := range map[string]bool{"pencil": true, "pencils": false} {
		auth := smtp.CRAMMD5Auth("user", secret)
		x := start(t, "CRAM-MD5", connOf(newBook()))
		challenge, _, err := x.Next(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := auth.Next(challenge, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := x.Next(context.Background(), response); done != want {
			t.Errorf("%s: %v", secret, err)
		}
	}
}
