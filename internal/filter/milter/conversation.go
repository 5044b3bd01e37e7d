package milter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/d--j/go-milter"

	"countersign/internal/filter"
	"countersign/internal/mail"
)

// conversation is that about one message.
type conversation struct {
	session *milter.ClientSession
	wire    *wire
	macros  macros
	m       *filter.Message
}

// run shows the message, as far as the program wants to see it, and returns what it says.
func (c *conversation) run() (*filter.Answer, error) {
	for _, step := range []func() (*milter.Action, error){
		c.connect, c.hello, c.mail, c.recipients, c.session.DataStart, c.header, c.session.HeaderEnd,
	} {
		action, err := step()
		if err != nil {
			return nil, err
		}
		if action.Type != milter.ActionContinue {
			return c.answer(action, nil)
		}
	}
	body, err := c.m.Body()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", filter.ErrUnread, err)
	}
	defer body.Close()
	content := bufio.NewReader(ours{body})
	var shown io.Reader = content
	if _, err := content.Peek(1); errors.Is(err, io.EOF) {
		shown = strings.NewReader("\r\n") // the library has no end of a message without a body
	}
	changes, action, err := c.session.BodyReadFrom(shown)
	if err != nil {
		return nil, err
	}
	return c.answer(action, changes)
}

// ours is a body whose errors are known as the gate's own.
type ours struct{ body io.Reader }

// Read implements io.Reader.
func (o ours) Read(p []byte) (int, error) {
	n, err := o.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", filter.ErrUnread, err)
	}
	return n, err
}

// connect says where the message comes from. Nobody has looked for the client's name.
func (c *conversation) connect() (*milter.Action, error) {
	addr := c.m.Client.Addr().Unmap()
	family := milter.FamilyInet
	switch {
	case !addr.IsValid():
		return c.session.Conn("unknown", milter.FamilyUnknown, 0, "")
	case addr.Is6():
		family = milter.FamilyInet6
	}
	return c.session.Conn("["+addr.WithZone("").String()+"]", family, c.m.Client.Port(), addr.WithZone("").String())
}

func (c *conversation) hello() (*milter.Action, error) { return c.session.Helo(text(c.m.Hello)) }

// mail says who sends it, with the parameters of MAIL, each a text of its own.
func (c *conversation) mail() (*milter.Action, error) {
	env := &c.m.Envelope
	var parameters []string
	if env.Size > 0 {
		parameters = append(parameters, "SIZE="+strconv.FormatInt(env.Size, 10))
	}
	if env.Body == mail.Body8Bit {
		parameters = append(parameters, "BODY="+string(env.Body))
	}
	if env.SMTPUTF8 {
		parameters = append(parameters, "SMTPUTF8")
	}
	return c.session.Mail(text(addressText(env.From)), strings.Join(parameters, "\x00"))
}

// recipients names them, one by one. What is said against one is said against the message.
func (c *conversation) recipients() (*milter.Action, error) {
	for _, r := range c.m.Recipients {
		c.macros.recipient(r.To)
		action, err := c.session.Rcpt(text(addressText(r.To)), "")
		if err != nil || action.Type != milter.ActionContinue || c.session.Skip() {
			return action, err
		}
	}
	return &milter.Action{Type: milter.ActionContinue}, nil
}

// maxValue is what is shown of one field: libmilter takes no packet above 65,535 octets.
const maxValue = 64<<10 - 2<<10

// header shows the fields, one by one.
func (c *conversation) header() (*milter.Action, error) {
	leading := c.session.ProtocolOption(milter.OptHeaderLeadingSpace)
	for rest := c.m.Head; ; {
		var name, value string
		name, value, rest = cutField(rest)
		if name == "" {
			return &milter.Action{Type: milter.ActionContinue}, nil
		}
		if !leading {
			value = strings.TrimPrefix(value, " ")
		}
		action, err := c.session.HeaderField(name, value[:min(len(value), maxValue)], nil)
		if err != nil || action.Type != milter.ActionContinue || c.session.Skip() {
			return action, err
		}
	}
}

// cutField takes the first field off a header block; name is "" at its end. The value has LF
// where it is folded, as libmilter has it.
func cutField(head []byte) (name, value string, rest []byte) {
	end := 0
	for {
		i := bytes.Index(head[end:], []byte("\r\n"))
		if i < 0 {
			end = len(head)
			break
		}
		end += i + 2
		if end == len(head) || head[end] != ' ' && head[end] != '\t' {
			break
		}
	}
	field := bytes.TrimSuffix(head[:end], []byte("\r\n"))
	before, after, found := bytes.Cut(field, []byte(":"))
	if !found {
		return "", "", nil
	}
	return string(before), strings.ReplaceAll(string(after), "\r\n", "\n"), head[end:]
}

func portText(port uint16) string { return strconv.Itoa(int(port)) }
