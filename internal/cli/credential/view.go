package credential

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/account/credentials"
	"countersign/internal/cli/call"
	"countersign/internal/cli/table"
	"countersign/internal/config"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// View is a credential as it is printed: without its secret.
type View struct {
	ID      mail.ID                `json:"id"`
	Kind    account.CredentialKind `json:"kind"`
	Name    string                 `json:"name"`
	Subject string                 `json:"subject,omitempty"`
	// Keys are the mechanisms beside those that show the password for which it can be
	// used.
	Keys            []string   `json:"keys,omitempty"`
	Networks        []string   `json:"networks,omitempty"`
	Senders         []string   `json:"senders,omitempty"`
	Mechanisms      []string   `json:"mechanisms,omitempty"`
	MaxRecipients   int        `json:"max_recipients,omitempty"`
	MaxMessageBytes int64      `json:"max_message_bytes,omitempty"`
	MaxMessages     int        `json:"max_messages,omitempty"`
	Expires         *time.Time `json:"expires,omitempty"`
	Expired         bool       `json:"expired"`
	Created         time.Time  `json:"created"`
	Changed         time.Time  `json:"changed"`
	LastUse         *Use       `json:"last_use,omitempty"`
}

// Use is a last use as it is printed.
type Use struct {
	At        time.Time `json:"at"`
	Client    string    `json:"client,omitempty"`
	Session   mail.ID   `json:"session,omitempty"`
	Mechanism string    `json:"mechanism,omitempty"`
	Program   string    `json:"program,omitempty"`
}

// Views returns the credentials of an account as they are printed, by name. Errors:
// fault.NotFound for an account that there is not, and those of the store.
func Views(o *call.Opened, address mail.Address) ([]View, error) {
	listed, err := o.Credentials().List(o.Ctx, address)
	if err != nil {
		return nil, err
	}
	now := o.Env.Now()
	return shown.Each(listed, func(l credentials.Listed) View { return view(&l, now) }), nil
}

func view(l *credentials.Listed, now time.Time) View {
	e := &l.Envelope
	v := View{
		ID: l.ID, Kind: l.Kind, Name: l.Name, Subject: l.Subject, Keys: l.Keys,
		Networks: shown.Each(e.Networks, netip.Prefix.String), Senders: shown.Each(e.Senders, account.Grant.String), Mechanisms: e.Mechanisms,
		MaxRecipients: e.MaxRecipients, MaxMessageBytes: e.MaxMessageBytes, MaxMessages: e.MaxMessages,
		Expired: e.Over(now), Created: l.Created, Changed: l.Changed,
	}
	if !e.Expires.IsZero() {
		v.Expires = &e.Expires
	}
	if u := l.Used; u != nil {
		v.LastUse = &Use{At: u.At, Session: u.Session, Mechanism: u.Mechanism, Program: u.Program}
		if u.Client.IsValid() {
			v.LastUse.Client = u.Client.Unmap().String()
		}
	}
	return v
}

// Only says in one line what the credential is bound to, "" for nothing.
func (v *View) Only() string {
	var parts []string
	add := func(what string, list []string) {
		if len(list) > 0 {
			parts = append(parts, what+" "+strings.Join(list, ","))
		}
	}
	add("from", v.Networks)
	add("as", v.Senders)
	add("by", v.Mechanisms)
	if v.MaxRecipients > 0 {
		parts = append(parts, fmt.Sprintf("%d recipients", v.MaxRecipients))
	}
	if v.MaxMessageBytes > 0 {
		parts = append(parts, config.Size(v.MaxMessageBytes).String())
	}
	if v.MaxMessages > 0 {
		parts = append(parts, fmt.Sprintf("%d messages", v.MaxMessages))
	}
	return strings.Join(parts, "; ")
}

// ends says when the credential ends, "" for never.
func (v *View) ends() string {
	switch {
	case v.Expires == nil:
		return ""
	case v.Expired:
		return "expired " + table.Stamp(*v.Expires)
	}
	return table.Stamp(*v.Expires)
}

// use is the last use, a zero one where there was none.
func (v *View) use() Use {
	if v.LastUse == nil {
		return Use{}
	}
	return *v.LastUse
}

// how says by what the credential was used, "" where it was not.
func (u Use) how(kind account.CredentialKind) string {
	if u.Mechanism == "" && !u.At.IsZero() && kind == account.Network {
		return "network"
	}
	return u.Mechanism
}

// Line says in one line what the credential is and when it was used last.
func (v *View) Line() string {
	parts := []string{string(v.Kind)}
	if v.Subject != "" {
		parts[0] += " " + v.Subject
	}
	if only := v.Only(); only != "" {
		parts = append(parts, "only "+only)
	}
	if ends := v.ends(); v.Expired {
		parts = append(parts, ends)
	} else if ends != "" {
		parts = append(parts, "expires "+ends)
	}
	u := v.use()
	if u.At.IsZero() {
		return strings.Join(append(parts, "never used"), "; ")
	}
	used := "used " + table.Stamp(u.At)
	for _, p := range []struct{ word, text string }{{"from", u.Client}, {"by", u.how(v.Kind)}, {"with", u.Program}} {
		if p.text != "" {
			used += " " + p.word + " " + p.text
		}
	}
	return strings.Join(append(parts, used), "; ")
}
