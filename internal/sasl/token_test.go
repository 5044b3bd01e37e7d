package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"

	"countersign/internal/fault"
)

const (
	bearerRefused = `{"status":"invalid_token","scope":"submit","openid-configuration":"https://id.test/.well-known/openid-configuration"}`
	xoauthRefused = `{"status":"400","schemes":"Bearer","scope":"submit"}`
)

func TestTokens(t *testing.T) {
	huge := strings.Repeat("a", 1<<16)
	tests := []struct {
		name, mechanism, response, want, question string
	}{
		{"bearer", "OAUTHBEARER", "n,,\x01auth=Bearer dG9rZW4=\x01\x01", "done", "token |dG9rZW4="},
		{"bearer with user", "OAUTHBEARER", "n,a=user,\x01auth=Bearer dG9rZW4=\x01\x01", "done", "token user|dG9rZW4="},
		{"bearer that could bind", "OAUTHBEARER", "y,,\x01auth=Bearer dG9rZW4=\x01\x01", "done", "token |dG9rZW4="},
		{"bearer with a place", "OAUTHBEARER", "n,,\x01host=mx.test\x01port=587\x01auth=Bearer dG9rZW4=\x01\x01", "done", "token |dG9rZW4="},
		{"bearer with more", "OAUTHBEARER", "n,,\x01mthd=POST\x01auth=bearer  dG9rZW4=\x01qs=\x01\x01", "done", "token |dG9rZW4="},
		{"bearer of another", "OAUTHBEARER", "n,a=other,\x01auth=Bearer dG9rZW4=\x01\x01", bearerRefused, "token other|dG9rZW4="},
		{"bearer escaped", "OAUTHBEARER", "n,a=a=3Db=2Cc,\x01auth=Bearer x\x01\x01", bearerRefused, "token a=b,c|x"},
		{"bearer unknown", "OAUTHBEARER", "n,,\x01auth=Bearer x\x01\x01", bearerRefused, "token |x"},
		{"bearer asked what is wanted", "OAUTHBEARER", "n,a=user,\x01auth=\x01\x01", bearerRefused, "token user|"},
		{"bearer asked in another way", "OAUTHBEARER", "n,,\x01auth=Bearer \x01\x01", bearerRefused, "token |"},
		{"bearer asked without a blank", "OAUTHBEARER", "n,,\x01auth=Bearer\x01\x01", bearerRefused, "token |"},
		{"bearer empty", "OAUTHBEARER", "", "syntax", ""},
		{"bearer dummy", "OAUTHBEARER", "\x01", "syntax", ""},
		{"bearer bound", "OAUTHBEARER", "p=tls-exporter,,\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer without auth", "OAUTHBEARER", "n,,\x01host=mx.test\x01\x01", "syntax", ""},
		{"bearer without pairs", "OAUTHBEARER", "n,,\x01\x01", "syntax", ""},
		{"bearer without an end", "OAUTHBEARER", "n,,\x01auth=Bearer x\x01", "syntax", ""},
		{"bearer with too much end", "OAUTHBEARER", "n,,\x01auth=Bearer x\x01\x01\x01", "syntax", ""},
		{"bearer twice", "OAUTHBEARER", "n,,\x01auth=Bearer x\x01auth=Bearer dG9rZW4=\x01\x01", "syntax", ""},
		{"bearer by another scheme", "OAUTHBEARER", "n,,\x01auth=Basic dG9rZW4=\x01\x01", "syntax", ""},
		{"bearer of bad characters", "OAUTHBEARER", "n,,\x01auth=Bearer to ken\x01\x01", "syntax", ""},
		{"bearer = alone", "OAUTHBEARER", "n,,\x01auth=Bearer ==\x01\x01", "syntax", ""},
		{"bearer = within", "OAUTHBEARER", "n,,\x01auth=Bearer a=b\x01\x01", "syntax", ""},
		{"bearer with NUL", "OAUTHBEARER", "n,,\x01auth=Bearer x\x00\x01\x01", "syntax", ""},
		{"bearer not ASCII", "OAUTHBEARER", "n,,\x01x=ä\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with a bad key", "OAUTHBEARER", "n,,\x01x1=a\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with no key", "OAUTHBEARER", "n,,\x01=a\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with a lone key", "OAUTHBEARER", "n,,\x01x\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with empty user", "OAUTHBEARER", "n,a=,\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with raw comma", "OAUTHBEARER", "n,a=b,c,\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with control character", "OAUTHBEARER", "n,a=b\x01c,\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with a bad port", "OAUTHBEARER", "n,,\x01port=65536\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer with a bad host", "OAUTHBEARER", "n,,\x01host=a b\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer of a huge user", "OAUTHBEARER", "n,a=" + huge + ",\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"bearer huge", "OAUTHBEARER", "n,,\x01auth=Bearer " + huge + "\x01\x01", "syntax", ""},
		{"bearer longest", "OAUTHBEARER", "n,,\x01auth=Bearer " + huge[:maxToken] + "\x01\x01", bearerRefused, "token |" + huge[:maxToken]},
		{"bearer of many pairs", "OAUTHBEARER", "n,,\x01" + manyPairs() + "auth=Bearer x\x01\x01", "syntax", ""},

		{"xoauth2", "XOAUTH2", "user=user\x01auth=Bearer dG9rZW4=\x01\x01", "done", "token user|dG9rZW4="},
		{"xoauth2 of another", "XOAUTH2", "user=other\x01auth=Bearer dG9rZW4=\x01\x01", xoauthRefused, "token other|dG9rZW4="},
		{"xoauth2 asked", "XOAUTH2", "user=user\x01auth=Bearer \x01\x01", xoauthRefused, "token user|"},
		{"xoauth2 without user", "XOAUTH2", "auth=Bearer dG9rZW4=\x01\x01", "syntax", ""},
		{"xoauth2 with empty user", "XOAUTH2", "user=\x01auth=Bearer dG9rZW4=\x01\x01", "syntax", ""},
		{"xoauth2 without auth", "XOAUTH2", "user=user\x01x=y\x01\x01", "syntax", ""},
		{"xoauth2 without an end", "XOAUTH2", "user=user\x01auth=Bearer dG9rZW4=\x01", "syntax", ""},
		{"xoauth2 alone", "XOAUTH2", "user=user", "syntax", ""},
		{"xoauth2 by another scheme", "XOAUTH2", "user=user\x01auth=Basic x\x01\x01", "syntax", ""},
		{"xoauth2 with NUL", "XOAUTH2", "user=us\x00er\x01auth=Bearer x\x01\x01", "syntax", ""},
		{"xoauth2 huge", "XOAUTH2", "user=" + huge + "\x01auth=Bearer x\x01\x01", "syntax", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := []said{{tt.response, tt.want}}
			if strings.HasPrefix(tt.want, "{") {
				steps = append(steps, said{"\x01", "wrong"})
			}
			steps = append(steps, said{tt.response, "syntax"})
			exchange{"", tt.mechanism, steps, tt.question}.run(t, connOf(newBook()))
			later := append([]said{{"-", ""}}, steps...) // clients without an initial response
			exchange{"", tt.mechanism, later, tt.question}.run(t, connOf(newBook()))
		})
	}
}

func manyPairs() string {
	var b strings.Builder
	for i := range maxTokenPairs {
		b.WriteString("x" + strings.Repeat("y", i) + "=1\x01")
	}
	return b.String()
}

// Whatever a client says to the error document, the exchange ends in the error; and
// whoever runs it knows it before.
func TestTokenRefusalStands(t *testing.T) {
	for _, answer := range []string{"\x01", "", "*", "-", "n,,\x01auth=Bearer dG9rZW4=\x01\x01"} {
		x := start(t, "OAUTHBEARER", connOf(newBook()))
		if Failure(x) != nil {
			t.Fatal("it has failed before it began")
		}
		take(x, "n,,\x01auth=Bearer x\x01\x01")
		if err := Failure(x); !errors.Is(err, errWrong) {
			t.Errorf("pending: %v", err)
		}
		if got := take(x, answer); got != "wrong" {
			t.Errorf("after %q: %s", answer, got)
		}
	}
	x := start(t, "OAUTHBEARER", connOf(newBook()))
	if take(x, "n,,\x01auth=Bearer dG9rZW4=\x01\x01") != "done" || Failure(x) != nil {
		t.Error("a success has failed")
	}
	if Failure(foreign{}) != nil || Failure(failing{}) != errWrong {
		t.Error("an exchange of others is not asked")
	}
}

// foreign is an Exchange that is none of this package's.
type foreign struct{}

func (foreign) Next(context.Context, []byte) ([]byte, bool, error) { return nil, true, nil }

// failing is one that fails, and says so.
type failing struct{ foreign }

func (failing) Failure() error { return errWrong }

func TestTokenDocuments(t *testing.T) {
	for _, tt := range []struct {
		e              TokenError
		bearer, xoauth string
	}{
		{TokenError{}, `{"status":"invalid_token"}`, `{"status":"400","schemes":"Bearer"}`},
		{TokenError{Status: "insufficient_scope", Scope: `a "b"`}, `{"status":"insufficient_scope","scope":"a \"b\""}`, `{"status":"403","schemes":"Bearer","scope":"a \"b\""}`},
		{TokenError{Status: "invalid_request", Configuration: "https://x"}, `{"status":"invalid_request","openid-configuration":"https://x"}`, `{"status":"400","schemes":"Bearer"}`},
	} {
		for mechanism, want := range map[string]string{"OAUTHBEARER": tt.bearer, "XOAUTH2": tt.xoauth} {
			b := newBook()
			b.trouble = fault.Wrap("book", fault.Unauthenticated, &tt.e)
			x := start(t, mechanism, connOf(b))
			first := clientOf(mechanism, "x", "")(nil)
			if got := take(x, string(first)); got != want {
				t.Errorf("%s: %s, want %s", mechanism, got, want)
			}
		}
	}
}
