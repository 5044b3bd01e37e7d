package talk

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Encode is the form of a response (RFC 4954 section 4); an empty initial one is "=".
func Encode(response []byte) string { return base64.StdEncoding.EncodeToString(response) }

// Plain is the whole command of PLAIN (RFC 4616 section 2).
func Plain(login, password string) string {
	return "AUTH PLAIN " + Encode([]byte("\x00"+login+"\x00"+password))
}

// Dialogue is what a client says in an exchange.
type Dialogue struct {
	Mechanism string
	// Initial is the initial response; nil for none.
	Initial []byte
	// Answers take one challenge each.
	Answers []func(challenge []byte) []byte
}

// Command begins the exchange.
func (d *Dialogue) Command() string {
	switch {
	case d.Initial == nil:
		return "AUTH " + d.Mechanism
	case len(d.Initial) == 0:
		return "AUTH " + d.Mechanism + " ="
	}
	return "AUTH " + d.Mechanism + " " + Encode(d.Initial)
}

// Challenge takes the data of a 334.
func (c *Client) Challenge(reply string) []byte {
	c.T.Helper()
	data, err := challenge(reply)
	if err != nil {
		c.T.Fatal(err)
	}
	return data
}

func challenge(reply string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(reply, "334 "))
	if err != nil {
		return nil, fmt.Errorf("the challenge is %q", reply)
	}
	return data, nil
}

// Auth carries out an exchange and returns its last reply, which is no challenge unless
// the client has nothing more to say.
func (c *Client) Auth(d *Dialogue) string {
	c.T.Helper()
	reply, _ := c.Lines(d, 1+len(d.Answers))
	return reply
}

// Lines carries out the first n lines of an exchange, and returns the reply to the last,
// and the lines.
func (c *Client) Lines(d *Dialogue, n int) (reply string, said []string) {
	c.T.Helper()
	reply, said, err := c.Exchange(d, n, c.Ask)
	if err != nil {
		c.T.Fatal(err)
	}
	return reply, said
}

// Exchange is Lines for any goroutine; ask sends a line and returns the reply.
func (c *Client) Exchange(d *Dialogue, n int, ask func(line string) (string, error)) (reply string, said []string, err error) {
	line := d.Command()
	for i := 0; ; i++ {
		said = append(said, line)
		if reply, err = ask(line); err != nil {
			return reply, said, fmt.Errorf("%s: no reply to line %d: %w", d.Mechanism, len(said), err)
		}
		if len(said) == n || i == len(d.Answers) || !strings.HasPrefix(reply, "334 ") {
			return reply, said, nil
		}
		data, err := challenge(reply)
		if err != nil {
			return reply, said, err
		}
		line = Encode(d.Answers[i](data))
	}
}

// Repeat sends lines as they are, as long as they are asked for.
func (c *Client) Repeat(lines []string) (reply string) {
	c.T.Helper()
	for _, line := range lines {
		c.Send(line + "\r\n")
		if reply = c.Reply(); !strings.HasPrefix(reply, "334 ") {
			break
		}
	}
	return reply
}

// IsRefused wants a login to have failed as every other does.
func (c *Client) IsRefused(what, reply string) {
	c.T.Helper()
	if reply != "535 5.7.8 Login failed: check user name and password." {
		c.T.Errorf("%s: %q", what, reply)
	}
}
