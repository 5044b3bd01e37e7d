package ruling

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"

	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/config"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/replay"
	"countersign/internal/policy/rules"
)

type test struct {
	call.AsJSON
	Rule  string        `help:"Ask this rule alone, as if it were not in shadow." placeholder:"NAME"`
	Since argument.Time `default:"24h" help:"Messages of the record from then on: 24h for so long ago, 2026-11-20 (in UTC), or 2026-11-20T10:00:00Z." placeholder:"WHEN"`
	Limit int           `default:"10000" help:"At most so many messages, the newest." placeholder:"N"`
	All   bool          `help:"Also list the messages that would pass."`

	Message    string             `help:"Instead of the record, a message in this file, sent as the flags below say; what they leave out is not known." placeholder:"FILE"`
	Login      argument.Address   `help:"Of a file: who sends it." placeholder:"LOGIN"`
	From       argument.Address   `help:"Of a file: MAIL FROM; the login where it is not given." placeholder:"ADDRESS"`
	To         []argument.Address `help:"Of a file: a recipient; may be given several times." placeholder:"ADDRESS"`
	Client     netip.Addr         `help:"Of a file: the client's address." placeholder:"ADDRESS"`
	Listener   string             `help:"Of a file: the listener." placeholder:"NAME"`
	Hello      string             `help:"Of a file: what the client calls itself." placeholder:"NAME"`
	TLS        string             `help:"Of a file: 1.2 or 1.3." placeholder:"VERSION"`
	Credential string             `help:"Of a file: the name of the credential." placeholder:"NAME"`
	Mechanism  string             `help:"Of a file: the SASL mechanism." placeholder:"NAME"`
}

// Help is what "rule test --help" says beside the flags.
func (*test) Help() string {
	return "The record has the messages that were accepted; those that were refused, by rules among others, are not in it. Of each it is said what is not known of it any more: " +
		"header fields after the last delivery, for one. Accounts are taken as they are now. Nothing is changed."
}

// Run does it.
func (cmd *test) Run(c *call.Call) error {
	if err := cmd.fits(); err != nil {
		return err
	}
	_, set, err := load(c)
	if err != nil {
		return err
	}
	if cmd.Rule != "" {
		set = set.Only(cmd.Rule)
		if !slices.ContainsFunc(rules.Stages(), func(at rules.Stage) bool { return len(set.Rules(at)) > 0 }) {
			return fault.New("cli.rule", fault.NotFound, "there is no rule %q in %s", cmd.Rule, c.Config)
		}
	}
	return c.With(func(o *call.Opened) error {
		if cmd.Message != "" {
			return cmd.file(o, set)
		}
		return cmd.record(o, set)
	})
}

// fits refuses flags that do not go together.
func (cmd *test) fits() error {
	ofFile := cmd.Login.Domain != "" || cmd.From.Domain != "" || len(cmd.To) > 0 || cmd.Client.IsValid() ||
		cmd.Listener+cmd.Hello+cmd.TLS+cmd.Credential+cmd.Mechanism != ""
	switch {
	case cmd.Message == "" && ofFile:
		return call.Usage("the flags about one message go with --message FILE")
	case cmd.Message != "" && cmd.Login.Domain == "":
		return call.Usage("--message FILE needs --login LOGIN")
	case cmd.TLS != "" && cmd.TLS != "1.2" && cmd.TLS != "1.3":
		return call.Usage("--tls is 1.2 or 1.3")
	case cmd.Limit < 1:
		return call.Usage("--limit is at least 1")
	}
	return nil
}

// file asks about the message of a file.
func (cmd *test) file(o *call.Opened, set *rules.Set) error {
	text, err := os.ReadFile(cmd.Message)
	if err != nil {
		return fault.New("cli.rule", fault.NotFound, "%v", err)
	}
	login := cmd.Login.Key()
	sender, err := o.Store.Sender(o.Ctx, login)
	if err != nil {
		return call.Missing(err, "account "+login)
	}
	m := replay.New(o.Env.Now())
	m.SetConnection(rules.Connection{Client: cmd.Client, Listener: cmd.Listener, TLS: cmd.TLS, Hello: cmd.Hello})
	m.SetSender(sender, cmd.Credential, cmd.Mechanism)
	m.SetSessionMessages(0)
	from := sender.Account.Address
	if cmd.From.Domain != "" {
		from = cmd.From.Address
	}
	text = crlf(text)
	m.SetEnvelope(mail.Envelope{From: from, Body: mail.Body7Bit})
	if len(cmd.To) > 0 {
		to := make([]mail.Recipient, len(cmd.To))
		for i, a := range cmd.To {
			to[i].To = a.Address
		}
		m.SetRecipients(to)
	}
	m.SetSize(int64(len(text)))
	header, _, err := message.ReadHeader(bytes.NewReader(text), message.Limits{MaxBytes: int(cfgHeader(o.Cfg)), MaxLine: len(text) + 1})
	if err != nil {
		return err
	}
	m.SetHeader(header)
	t := newTested(set)
	t.add(replay.Judge(set, m), m, true)
	return t.print(o.Call, cmd.JSON, "")
}

// cfgHeader is how large a header may be.
func cfgHeader(c *config.Config) int64 {
	if n := c.Message.MaxHeaderSize.Bytes(); n > 0 {
		return n
	}
	return 128 << 10
}

// crlf gives the lines of a file the ends that SMTP has.
func crlf(text []byte) []byte {
	plain := strings.ReplaceAll(string(text), "\r\n", "\n")
	return []byte(strings.ReplaceAll(plain, "\n", "\r\n"))
}

// record asks about messages of the record.
func (cmd *test) record(o *call.Opened, set *rules.Set) error {
	since := cmd.Since.Of(o.Env.Now())
	accepted, err := o.Store.Search(o.Ctx, audit.Query{Kind: audit.Accepted, Since: since, Limit: cmd.Limit + 1, Newest: true})
	if err != nil {
		return err
	}
	more := ""
	if len(accepted) > cmd.Limit {
		accepted = accepted[1:]
		more = "there are more than the newest " + number(cmd.Limit) + "; see --limit"
	}
	reader := &replay.Reader{Store: o.Store}
	t := newTested(set)
	for i := range accepted {
		m, err := reader.Message(o.Ctx, &accepted[i])
		if err != nil {
			return err
		}
		t.add(replay.Judge(set, m), m, cmd.All)
	}
	return t.print(o.Call, cmd.JSON, more)
}
