package oidc

import (
	"encoding/json"
	"strings"
	"testing"

	"countersign/test/harness/talk"
)

// outcome is how a login ended: with that reply, after the error document if there was one.
type outcome struct {
	reply    string
	document map[string]string
}

// mechanisms are those that show a token.
var mechanisms = []string{"OAUTHBEARER", "XOAUTH2"}

// auth logs in with a token.
func auth(c *talk.Client, mechanism, user, token string) (o outcome) {
	c.T.Helper()
	d := c.By(mechanism, talk.Key{Login: user, Token: token})
	reply, _, err := c.Exchange(d, 2, func(line string) (string, error) {
		reply, err := c.Ask(line)
		if err == nil && strings.HasPrefix(reply, "334 ") {
			o.document = document(c, reply)
		}
		return reply, err
	})
	if err != nil {
		c.T.Fatal(err)
	}
	o.reply = reply
	return o
}

// document reads what a challenge says is wrong.
func document(c *talk.Client, reply string) (told map[string]string) {
	c.T.Helper()
	if err := json.Unmarshal(c.Challenge(reply), &told); err != nil {
		c.T.Fatalf("%q is no document: %v", reply, err)
	}
	return told
}

// is reports whether the last reply begins so.
func (o outcome) is(want string) bool { return strings.HasPrefix(o.reply, want) }

// offers wants both mechanisms to be offered.
func offers(t *testing.T, c *talk.Client) {
	t.Helper()
	if reply := c.Say(talk.Hello, "250 "); !strings.Contains(reply, " OAUTHBEARER XOAUTH2 ") {
		t.Errorf("it offers %q", reply)
	}
}
