package grants

import (
	"slices"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/message"
	"countersign/internal/policy/sender"
)

type show struct {
	Login      argument.Address `arg:"" help:"The account's address."`
	Sender     argument.Address `arg:"" help:"The address that it would send under."`
	Credential string           `help:"As it is with this credential; else with one that is not bounded." placeholder:"NAME"`
	call.AsJSON
}

// judged is what is printed of an address.
type judged struct {
	Account string             `json:"account"`
	Sender  string             `json:"sender"`
	Mode    account.SenderMode `json:"mode"`
	Places  []place            `json:"places"`
	Grant   *View              `json:"grant,omitempty"`
}

// place is what holds in one place of a message.
type place struct {
	Place string `json:"place"`
	// Theirs says that it may stand there, Reason by which rule, or why not.
	Theirs  bool          `json:"theirs"`
	Reason  sender.Reason `json:"reason"`
	Meaning string        `json:"meaning"`
	// Becomes is what becomes of it where it is not theirs.
	Becomes string `json:"becomes,omitempty"`
}

// Run does it.
func (cmd *show) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		s, err := o.Store.Sender(c.Ctx, cmd.Login.Key())
		if err != nil {
			return call.Missing(err, "account "+cmd.Login.String())
		}
		envelope, err := cmd.envelope(&s.Account)
		if err != nil {
			return err
		}
		v := judged{Account: s.Account.Address.String(), Sender: cmd.Sender.String(), Mode: s.Mode()}
		if _, g := sender.Of(s, cmd.Sender.Address, c.Env.Now()); g != nil {
			view := NewView(s.Account.Address, g, c.Env.Now())
			v.Grant = &view
		}
		for _, name := range []string{sender.MailFrom, "From", "From with Sender", "Sender", "Resent-From"} {
			p, err := cmd.place(o, s, envelope, name)
			if err != nil {
				return err
			}
			v.Places = append(v.Places, p)
		}
		return c.Show(cmd.AsJSON, v)
	})
}

// envelope is that of the credential that is named, an open one for none.
func (cmd *show) envelope(a *account.Account) (*account.Envelope, error) {
	if cmd.Credential == "" {
		return &account.Envelope{}, nil
	}
	i := slices.IndexFunc(a.Credentials, func(k account.Credential) bool { return k.Name == cmd.Credential })
	if i < 0 {
		return nil, fault.New("cli.grant", fault.NotFound, "account %s has no credential %s", a.Address, cmd.Credential)
	}
	return &a.Credentials[i].Envelope, nil
}

// place judges a message that names the address in one place, and the account itself in all
// others.
func (cmd *show) place(o *call.Opened, s *account.Sender, envelope *account.Envelope, name string) (place, error) {
	own := s.Account.Address
	q := sender.Question{Account: s, Envelope: envelope, MailFrom: own, Now: o.Env.Now(), Hosted: map[mail.Domain]account.Domain{}}
	at := 1
	switch name {
	case sender.MailFrom:
		q.MailFrom, at = cmd.Sender.Address, 0
	case "From with Sender":
		q.Header = []message.Identity{{Field: "From", Address: cmd.Sender.Address}, {Field: "Sender", At: 1, Address: own}}
	case "From":
		q.Header = []message.Identity{{Field: "From", Address: cmd.Sender.Address}}
	default:
		q.Header, at = []message.Identity{{Field: "From", Address: own}, {Field: name, At: 1, Address: cmd.Sender.Address}}, 2
	}
	d, err := o.Store.Domain(o.Ctx, cmd.Sender.Domain)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return place{}, err
	}
	if err == nil {
		q.Hosted[d.Name] = d
	}
	verdict := sender.Judge(q)
	f := &verdict.Findings[at]
	p := place{Place: name, Theirs: f.Reason.Theirs(), Reason: f.Reason, Meaning: f.Reason.String()}
	switch {
	case p.Theirs:
	case verdict.Action == sender.Rewritten:
		p.Becomes = "replaced by " + verdict.Own.String()
		if f.Reason == sender.OnBehalfSender {
			p.Becomes = "Sender is to name " + verdict.Own.String()
		}
	case verdict.Action == sender.Shadowed:
		p.Becomes = "let pass, and recorded"
	default:
		p.Becomes = "refused"
	}
	return p, nil
}

// Details implements what call.Show prints.
func (v judged) Details(t table.Table) {
	t.Row("account", v.Account)
	t.Row("sender", v.Sender)
	t.Row("mode of senders", string(v.Mode))
	for _, p := range v.Places {
		if p.Theirs {
			t.Row(p.Place, "yes ("+string(p.Reason)+"): "+p.Meaning)
			continue
		}
		t.Row(p.Place, "NO ("+string(p.Reason)+"): "+p.Meaning+"; "+p.Becomes)
	}
	if v.Grant != nil {
		t.Row("grant", v.Grant.Line())
	}
}
