// Package credential is "countersign credential": the commands about what accounts
// prove themselves with.
//
// What may be done stands in package account/credentials; here it gets names, flags
// and tables. The password itself is the matter of "countersign account passwd".
//
// Main types: Group, View.
package credential

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/account/subject"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
)

// Group is "countersign credential".
type Group struct {
	Add    add    `cmd:"" help:"Give an account a credential beside its password: an app password, an OAuth user, a client certificate, or a network."`
	List   list   `cmd:"" help:"List the credentials of an account, with their last use."`
	Set    set    `cmd:"" help:"Change what a credential may be used for."`
	Revoke revoke `cmd:"" help:"Take a credential from an account for good; what was sent with it and still waits is held."`
}

// of are the arguments that name a credential.
type of struct {
	Login argument.Address `arg:"" help:"The account's address."`
	Name  string           `arg:"" help:"The credential's name: a-z and 0-9, then also - _ and ."`
}

// String names it in sentences.
func (o of) String() string { return "credential " + o.Name + " of account " + o.Login.String() }

// bounds are the flags that bound what a credential may be used for.
type bounds struct {
	AllowNetwork   []argument.Network `help:"Only for clients in this network; may be repeated." placeholder:"CIDR" sep:"none"`
	Sender         []argument.Grant   `help:"Only for sending under this address, or @domain for all of one; may be repeated." placeholder:"ADDRESS" sep:"none"`
	Mechanism      []string           `help:"Only with this SASL mechanism; may be repeated." placeholder:"NAME" sep:"none"`
	MaxRecipients  *int               `help:"Recipients of one message; 0 for what the plan says." placeholder:"N"`
	MaxMessageSize *argument.Size     `help:"Size of one message, such as 25MB; 0 for what the plan says." placeholder:"SIZE"`
	MaxMessages    *int               `help:"Messages of one session; 0 for what the plan says." placeholder:"N"`
	Expires        argument.Expiry    `help:"When it ends: 90d for ninety days from now, 2027-01-31 or '2027-01-31 18:00' (in UTC), 2027-01-31T18:00:00Z, or never." placeholder:"WHEN"`
	AnyAddress     bool               `help:"Allow a network that is every address there is, such as 0.0.0.0/0."`
}

// change turns the flags that were given into a change.
func (b *bounds) change(c *call.Call) credentials.EnvelopeChange {
	change := credentials.EnvelopeChange{MaxRecipients: b.MaxRecipients, MaxMessages: b.MaxMessages, Wide: b.AnyAddress}
	if len(b.AllowNetwork) > 0 {
		list := argument.Networks(b.AllowNetwork)
		change.Networks = &list
	}
	if len(b.Sender) > 0 {
		list := argument.Grants(b.Sender)
		change.Senders = &list
	}
	if len(b.Mechanism) > 0 {
		change.Mechanisms = &b.Mechanism
	}
	if b.MaxMessageSize != nil {
		n := b.MaxMessageSize.Bytes()
		change.MaxMessageBytes = &n
	}
	if b.Expires.IsSet() {
		at := b.Expires.Of(c.Env.Now())
		change.Expires = &at
	}
	return change
}

// envelope is the envelope of a new credential.
func (b *bounds) envelope(c *call.Call) account.Envelope {
	e := account.Envelope{
		Networks: argument.Networks(b.AllowNetwork), Senders: argument.Grants(b.Sender), Mechanisms: b.Mechanism,
		Expires: b.Expires.Of(c.Env.Now()),
	}
	if b.MaxRecipients != nil {
		e.MaxRecipients = *b.MaxRecipients
	}
	if b.MaxMessageSize != nil {
		e.MaxMessageBytes = b.MaxMessageSize.Bytes()
	}
	if b.MaxMessages != nil {
		e.MaxMessages = *b.MaxMessages
	}
	return e
}

type add struct {
	of
	AppPassword bool   `help:"An app password, for one program or device; it is made and printed, once." xor:"kind" required:""`
	Oauth       string `name:"oauth" help:"A user of an identity provider: the issuer's name, a space, and what its claim calls the user, or sub: and its own lasting name." placeholder:"'ISSUER USER'" xor:"kind" required:""`
	Certificate string `help:"A client certificate: its file in PEM, or sha256:FINGERPRINT, email:ADDRESS or cn:NAME." placeholder:"SUBJECT|FILE" xor:"kind" required:""`
	Network     string `help:"A network whose clients need not log in." placeholder:"CIDR" xor:"kind" required:""`
	bounds
}

// Help is what "credential add --help" says beside the flags.
func (*add) Help() string {
	return "One of --app-password, --oauth, --certificate and --network says what the account proves itself with; the other flags " +
		"say what it may be used for, which is never more than the account may do. Without them it is good for all of that."
}

// made returns what the credential is made from.
func (cmd *add) made(c *call.Call) (n credentials.New, err error) {
	n = credentials.New{Name: cmd.Name, Envelope: cmd.envelope(c), Wide: cmd.AnyAddress}
	switch {
	case cmd.AppPassword:
		n.Kind = account.AppPassword
	case cmd.Oauth != "":
		n.Kind, n.Subject = account.OAuth, cmd.Oauth
	case cmd.Certificate != "":
		n.Kind = account.Certificate
		n.Subject, err = certificate(cmd.Certificate)
	case cmd.Network != "":
		var network argument.Network
		err = network.UnmarshalText([]byte(cmd.Network))
		if err != nil {
			err = call.Usage("--network: %w", err)
		}
		n.Kind, n.Subject = account.Network, network.String()
	default:
		err = call.Usage("the flag that says what the account proves itself with has no value")
	}
	return n, err
}

// Run does it.
func (cmd *add) Run(c *call.Call) error {
	n, err := cmd.made(c)
	if err != nil {
		return err
	}
	return c.Needing("auth", "dkim.key_file", "hostname").With(func(o *call.Opened) error {
		secret, err := o.Credentials().Add(c.Ctx, cmd.Login.Address, n)
		if err != nil {
			return err
		}
		text := cmd.String() + " added"
		if secret != "" {
			text += "\npassword: " + secret
		}
		for _, why := range useless(o.Cfg, &n) {
			fmt.Fprintln(c.Stderr, "warning: it cannot be used now: "+why)
		}
		return c.Say("%s", text)
	})
}

// certificate returns the subject that a text names: itself, or the fingerprint of the
// first certificate in the file of that name.
func certificate(text string) (string, error) {
	const op = "cli.certificate"
	for _, form := range []string{"sha256:", "email:", "cn:"} {
		if strings.HasPrefix(text, form) {
			return text, nil
		}
	}
	list, err := argument.Certificates(text)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.New(op, fault.Invalid, "--certificate: there is no such file as %q, and no subject begins so: write sha256:FINGERPRINT, email:ADDRESS, cn:NAME, or the name of a file in PEM", text)
	case err != nil:
		return "", fault.New(op, fault.Invalid, "--certificate: %v", err)
	}
	return subject.Fingerprint(list[0].Raw), nil
}

type set struct {
	of
	bounds
	AnyNetwork   bool `help:"From anywhere again."`
	AnySender    bool `help:"For all that the account may send under again."`
	AnyMechanism bool `help:"With every mechanism again."`
	KeepMail     bool `help:"Let go on what was sent with it, still waits, and would not be allowed any more; it is held else."`
}

// Help is what "credential set --help" says beside the flags.
func (*set) Help() string {
	return "--allow-network, --sender and --mechanism take the place of what was allowed before. Open sessions feel it at their next command. " +
		"Of the mail that waits, what was sent with it under another sender than those that are allowed now is held, and all of it where a network or a mechanism is allowed no more."
}

// Run does it.
func (cmd *set) Run(c *call.Call) error {
	change := cmd.change(c)
	for _, both := range []struct {
		lifted bool
		listed int
		flags  string
	}{
		{cmd.AnyNetwork, len(cmd.AllowNetwork), "--allow-network and --any-network"},
		{cmd.AnySender, len(cmd.Sender), "--sender and --any-sender"},
		{cmd.AnyMechanism, len(cmd.Mechanism), "--mechanism and --any-mechanism"},
	} {
		if both.lifted && both.listed > 0 {
			return call.Usage("%s cannot both be meant", both.flags)
		}
	}
	if cmd.AnyNetwork {
		change.Networks = new([]netip.Prefix)
	}
	if cmd.AnySender {
		change.Senders = new([]account.Grant)
	}
	if cmd.AnyMechanism {
		change.Mechanisms = new([]string)
	}
	change.KeepMail = cmd.KeepMail
	if change == (credentials.EnvelopeChange{Wide: cmd.AnyAddress, KeepMail: cmd.KeepMail}) {
		return call.Usage("nothing to change was given: see \"countersign credential set --help\"")
	}
	return c.With(func(o *call.Opened) error {
		held, err := cmd.holding(c, o, func() error { return o.Credentials().SetEnvelope(c.Ctx, cmd.Login.Address, cmd.Name, change) })
		if err != nil {
			return err
		}
		if held == call.HeldNone {
			return c.Say("%s changed", cmd)
		}
		return c.Say("%s changed; %s", cmd, held)
	})
}

// holding does an act that holds mail of the credential, and says how much. Where there is
// no such credential the act says what there is.
func (o of) holding(c *call.Call, opened *call.Opened, act func() error) (held string, err error) {
	acc, err := opened.Store.Account(c.Ctx, o.Login.Key())
	if err != nil {
		return "", call.Missing(err, "account "+o.Login.String())
	}
	for i := range acc.Credentials {
		if acc.Credentials[i].Name == o.Name {
			return opened.HoldsMail(acc.Login(), acc.Credentials[i].ID, act)
		}
	}
	return "", act()
}

type revoke struct{ of }

// Run does it.
func (cmd *revoke) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		held, err := cmd.holding(c, o, func() error { return o.Credentials().Revoke(c.Ctx, cmd.Login.Address, cmd.Name) })
		if err != nil {
			return err
		}
		return c.Say("%s revoked; %s", cmd, held)
	})
}

type list struct {
	Login argument.Address `arg:"" help:"The account's address."`
	call.AsJSON
}

// Run does it.
func (cmd *list) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		views, err := Views(o, cmd.Login.Address)
		if err != nil {
			return err
		}
		heads := []string{"NAME", "KIND", "SUBJECT", "ONLY", "CREATED", "EXPIRES", "LAST USE", "FROM", "MECHANISM", "PROGRAM"}
		return table.List(c.Stdout, cmd.JSON, views, heads, func(v View) []string {
			u := v.use()
			return []string{v.Name, string(v.Kind), v.Subject, v.Only(), table.Stamp(v.Created), v.ends(), table.Stamp(u.At), u.Client, u.how(v.Kind), u.Program}
		})
	})
}
