package accounts

import (
	"context"
	"slices"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// loginView is a login of an account as it is printed.
type loginView struct {
	At time.Time `json:"at"`
	// Mechanism is "" where the client's network was enough.
	Mechanism string  `json:"mechanism,omitempty"`
	Client    string  `json:"client,omitempty"`
	Session   mail.ID `json:"session"`
	// Credential is the name that it had then; "" where the claim of a token of Issuer was
	// enough.
	Credential string `json:"credential,omitempty"`
	Issuer     string `json:"issuer,omitempty"`
	// Program is what the client called itself.
	Program string `json:"program,omitempty"`
}

const (
	// maxLogins is how many logins are shown.
	maxLogins = 10
	// loginsPatience bounds the look at the record: where an account has sent a million
	// messages since its last logins, each event of these is read.
	loginsPatience = 2 * time.Second
	// loginsWindow is how many events, of all accounts, lie within one search, so that what
	// was found is not lost where time is over.
	loginsWindow = 1 << 17
)

// lastLogins returns the latest logins of an account in the record, the newest first, which it
// looks for by so many events at a time; cut says that time was over before all of it was looked
// at.
func lastLogins(ctx context.Context, record audit.Store, login string, window int64) (logins []loginView, cut bool, err error) {
	newest, err := record.Search(ctx, audit.Query{Newest: true, Limit: 1})
	if err != nil || len(newest) == 0 {
		return nil, false, err
	}
	bounded, cancel := context.WithTimeout(ctx, loginsPatience)
	defer cancel()
	for before := newest[0].Seq + 1; before > 1 && len(logins) < maxLogins; {
		after := max(before-1-window, 0)
		found, err := record.Search(bounded, audit.Query{
			Login: login, Kind: audit.AuthPassed, Newest: true, Limit: maxLogins - len(logins), AfterSeq: after, BeforeSeq: before,
		})
		switch {
		case bounded.Err() != nil && ctx.Err() == nil:
			return logins, true, nil
		case err != nil:
			return nil, false, err
		}
		for _, e := range slices.Backward(found) {
			logins = append(logins, viewLogin(&e))
		}
		before = after + 1
	}
	return logins, false, nil
}

// viewLogin returns what is printed of an event of kind audit.AuthPassed.
func viewLogin(e *audit.Event) loginView {
	return loginView{
		At: e.At, Client: e.Client, Session: e.Session,
		Mechanism: e.Data["mechanism"], Credential: e.Data["credential"], Issuer: e.Data["issuer"], Program: e.Data["program"],
	}
}

// line says what a login was by, and from where.
func (l loginView) line() string {
	text := "by its network"
	if l.Mechanism != "" {
		text = "by " + l.Mechanism
	}
	if l.Client != "" {
		text += " from " + l.Client
	}
	if l.Program != "" {
		text += " with " + l.Program
	}
	switch {
	case l.Credential != "" && l.Issuer != "":
		text += ", credential " + l.Credential + " of issuer " + l.Issuer
	case l.Credential != "":
		text += ", credential " + l.Credential
	case l.Issuer != "":
		text += ", a claim of issuer " + l.Issuer
	}
	return text + "; session " + string(l.Session)
}
