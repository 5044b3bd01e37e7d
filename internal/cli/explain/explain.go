// Package explain is "countersign explain": it says what the gate would answer to a message,
// and why.
//
// Package app/rehearsal finds it out by having the message go the way of every other; here
// it gets words and a table.
//
// Main types: Command.
package explain

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"countersign/internal/app/rehearsal"
	"countersign/internal/audit"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/sasl"
)

// Command is "countersign explain".
type Command struct {
	Account    argument.Address   `arg:"" help:"The login of the account that sends."`
	Credential string             `help:"What it proves itself with, by name; its password else." placeholder:"NAME"`
	Mech       string             `help:"How; else the first mechanism that the credential may be used with." placeholder:"NAME"`
	IP         netip.Addr         `name:"ip" help:"The client's address." default:"127.0.0.1" placeholder:"ADDRESS"`
	Hello      string             `help:"What it calls itself in EHLO: where somebody guesses, it decides whether that is in its way; rehearsal.invalid else, as no device does." placeholder:"NAME"`
	TLS        string             `name:"tls" help:"The version of TLS that it speaks at most: 1.2 or 1.3." enum:"1.2,1.3" default:"1.3"`
	Listener   string             `help:"The listener that it comes to; the first one else." placeholder:"NAME"`
	From       string             `help:"MAIL FROM, and From where there is no --message: the account's own address else, <> for none." placeholder:"ADDRESS"`
	To         []argument.Address `help:"The recipients; somebody elsewhere else." placeholder:"ADDRESS"`
	Message    string             `help:"The message, as a file, - for standard input; one of a line else." placeholder:"FILE"`
	call.AsJSON
}

// Help is what "explain --help" says beside the flags.
func (*Command) Help() string {
	return "A session of the message goes through everything that decides about real ones, with the configuration and the store as they are now, and as if " +
		"the client had the right secret: \"auth test\" explains that. Nothing is stored, counted or recorded here; content filters are asked. Limits of connections are asked as if the client came beside those that are there now. Whether a login comes too soon " +
		"after others have failed is worked out from what the gates have stored: what failed within the last second is not seen, and it is assumed that no device that has logged in has failed. " +
		"What a running gate has in memory alone is not known: how many connections there are that no limit counts, how many logins are being verified at this moment, and whether its disk is full. " +
		"The exit status is 1 where the message would be refused."
}

// view is what is printed.
type view struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Recipients is to how many it would go, where it is accepted.
	Recipients int `json:"recipients"`
	asked      int
	// Until is when a slowed message would be delivered, and until when the guard turns the login away.
	Until  *time.Time `json:"until,omitempty"`
	Steps  []step     `json:"steps"`
	Events []event    `json:"events"`
}

type step struct {
	Command string `json:"command"`
	Code    int    `json:"code,omitempty"`
	Answer  string `json:"answer"`
}

// event is what the record would say.
type event struct {
	Kind   audit.Kind        `json:"kind"`
	Reason string            `json:"reason,omitempty"`
	Text   string            `json:"text,omitempty"`
	Data   map[string]string `json:"data,omitempty"`
}

// Run does it.
func (cmd *Command) Run(c *call.Call) error {
	// Whatever is set may decide.
	return c.With(func(o *call.Opened) error {
		q, err := cmd.question(c, o)
		if err != nil {
			return err
		}
		story, err := rehearsal.Message(c.Ctx, o.Cfg, o.Store, q)
		if err != nil {
			return err
		}
		v := viewOf(story)
		v.asked = len(q.To)
		if err := c.Show(cmd.AsJSON, v); err != nil {
			return err
		}
		if v.Verdict == "refuse" || v.Verdict == "defer" {
			return fault.New("cli.explain", fault.Denied, "the message would be refused (%s)", v.Reason)
		}
		return nil
	})
}

// question is what is rehearsed.
func (cmd *Command) question(c *call.Call, o *call.Opened) (q rehearsal.Question, err error) {
	q = rehearsal.Question{
		Login: cmd.Account.Key(), Credential: cmd.Credential, Mechanism: strings.ToUpper(cmd.Mech), Listener: cmd.Listener,
		Client: cmd.IP, Hello: cmd.Hello, From: cmd.Account.Address,
	}
	switch cmd.From {
	case "":
	case "<>":
		q.From = mail.Address{}
	default:
		if q.From, err = mail.ParseAddress(cmd.From); err != nil {
			return q, call.Usage("--from: %v", err)
		}
	}
	for _, to := range cmd.To {
		q.To = append(q.To, to.Address)
	}
	if len(q.To) == 0 {
		q.To = []mail.Address{{Local: "somebody", Domain: "elsewhere.invalid"}}
	}
	if _, known := sasl.Lookup(q.Mechanism); !known && q.Mechanism != "" {
		return q, call.Usage("--mech %q is not a mechanism of this program", cmd.Mech)
	}
	switch cmd.TLS {
	case "1.2":
		q.TLS = tls.VersionTLS12
	case "1.3":
		q.TLS = tls.VersionTLS13
	}
	q.Message, err = cmd.message(c, q)
	return q, err
}

// mostMessage bounds what is read of a message, in octets.
const mostMessage = 256 << 20

// message reads the message with CRLF at the ends of its lines, or makes one.
func (cmd *Command) message(c *call.Call, q rehearsal.Question) (io.Reader, error) {
	if cmd.Message == "" {
		from := q.From
		if from.IsNull() {
			from = cmd.Account.Address
		}
		return rehearsal.Plain(from, q.To, c.Env.Now()), nil
	}
	from := c.Stdin
	if cmd.Message != "-" {
		f, err := os.Open(cmd.Message)
		if err != nil {
			return nil, fault.New("cli.explain", fault.NotFound, "--message: %v", err)
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, mostMessage))
	if err != nil {
		return nil, fault.New("cli.explain", fault.Unavailable, "--message: %v", err)
	}
	return bytes.NewReader(data), nil
}

func viewOf(s *rehearsal.Story) view {
	v := view{Verdict: s.Verdict, Reason: s.Reason, Recipients: s.Recipients, Events: []event{}}
	if !s.Until.IsZero() {
		v.Until = &s.Until
	}
	for _, at := range s.Steps {
		v.Steps = append(v.Steps, step(at))
	}
	for _, e := range s.Events {
		v.Events = append(v.Events, event{e.Kind, e.Reason, e.Text, e.Data})
	}
	return v
}

// words is what an event says, with its data in order.
func (e event) words() string {
	said := []string{cmp.Or(e.Text, e.Reason)}
	for _, key := range slices.Sorted(maps.Keys(e.Data)) {
		said = append(said, key+"="+e.Data[key])
	}
	return strings.TrimSpace(strings.Join(said, " "))
}

// words says in words what comes of the message.
func (v view) words() string {
	text := map[string]string{
		"accept": "accepted", "hold": "accepted and held", "slow": "accepted and delivered later",
		"defer": "refused for now", "refuse": "refused",
	}[v.Verdict]
	if v.Reason != "" {
		text += " (" + v.Reason + ")"
	}
	if v.Recipients > 0 && v.Recipients < v.asked {
		text += fmt.Sprintf(", for %d of %d recipients", v.Recipients, v.asked)
	}
	if v.Until != nil {
		text += " until " + table.Stamp(*v.Until)
	}
	return text
}

// Details prints it.
func (v view) Details(t table.Table) {
	for _, s := range v.Steps {
		t.Row(s.Command, strings.TrimSpace(fmt.Sprintf("%s %s", cmp.Or(strings.TrimPrefix(fmt.Sprint(s.Code), "0"), "-"), s.Answer)))
	}
	for _, e := range v.Events {
		t.Row("event "+string(e.Kind), e.words())
	}
	t.Row("the message is", v.words())
}
