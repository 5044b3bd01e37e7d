package accounts

import (
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/cli/argument"
	"countersign/internal/cli/call"
	"countersign/internal/cli/credential"
	"countersign/internal/cli/grants"
	"countersign/internal/cli/table"
	"countersign/internal/mail"
	"countersign/internal/shown"
)

// accountView is an account as it is printed: without any secret.
type accountView struct {
	ID      mail.ID `json:"id"`
	Address string  `json:"address"`
	standing
	// Directory is where its password is known, "" for here.
	Directory string `json:"directory"`
	// Plan is its own, "" for the customer's; PlanLearned says that the directory has
	// named it. DecidingPlan is set by show alone: the one that counts, "" for none.
	Plan         string   `json:"plan"`
	PlanLearned  bool     `json:"plan_learned"`
	DecidingPlan *string  `json:"deciding_plan,omitempty"`
	NullSender   bool     `json:"null_sender"`
	Aliases      []string `json:"aliases"`
	// LearnedAliases are those of Aliases that the directory has named.
	LearnedAliases []string `json:"learned_aliases,omitempty"`
	Grants         []string `json:"grants"`
	// Granted says more of Grants.
	Granted []grants.View `json:"granted,omitempty"`
	// SenderMode is its own, "" for that of the plan; DecidingMode is set by show alone: the
	// one that counts.
	SenderMode   account.SenderMode `json:"sender_mode,omitempty"`
	DecidingMode account.SenderMode `json:"deciding_sender_mode,omitempty"`
	// Legacy is its own; LegacyBy is set by show alone, and names what allows it:
	// "account" or "plan".
	Legacy          bool       `json:"legacy"`
	LegacyBy        string     `json:"legacy_by,omitempty"`
	HasPassword     bool       `json:"has_password"`
	PasswordChanged *time.Time `json:"password_changed,omitempty"`
	Created         time.Time  `json:"created"`
	// Credentials and MechanismsUsed are set by show alone, as is what follows.
	Credentials    []credential.View `json:"credentials,omitempty"`
	MechanismsUsed []string          `json:"mechanisms_used,omitempty"`
	// LastLogins are the latest in the record, the newest first; LoginsCut says that there
	// was no time to look at all of it.
	LastLogins []loginView `json:"last_logins,omitempty"`
	LoginsCut  bool        `json:"last_logins_cut,omitempty"`
}

// viewAccounts makes views as of now.
func viewAccounts(now time.Time) func(account.Account) accountView {
	return func(a account.Account) accountView { return viewAccount(a, now) }
}

func viewAccount(a account.Account, now time.Time) accountView {
	v := accountView{
		ID: a.ID, Address: a.Address.String(), standing: standing{State: a.State}, Directory: a.Directory, NullSender: a.NullSender,
		Plan: a.Plan, PlanLearned: a.PlanLearned,
		Aliases: shown.Each(a.Aliases, mail.Address.String), LearnedAliases: shown.Each(a.Learned, mail.Address.String), Grants: []string{},
		SenderMode: a.SenderMode, Legacy: a.Legacy, Created: a.Created,
	}
	for i := range a.Grants {
		g := grants.NewView(a.Address, &a.Grants[i], now)
		v.Granted, v.Grants = append(v.Granted, g), append(v.Grants, grantText(&g))
	}
	if p := a.Password(); p != nil {
		v.HasPassword, v.PasswordChanged = p.Secret.Hash != "", &p.Changed
	}
	return v
}

// grantText says in short what a grant is: what it is for, where that is all there is to say.
func grantText(g *grants.View) string {
	if g.Manner == account.SendAs && g.Until == nil && !g.Across {
		return g.For
	}
	return g.Line()
}

type accountList struct {
	Domain argument.Domain `help:"Those of one domain alone." placeholder:"NAME"`
	call.AsJSON
}

func (cmd *accountList) Run(c *call.Call) error {
	cells := func(v accountView) []string {
		return []string{v.Address, string(v.State), v.Plan, strings.Join(v.Aliases, ","), strings.Join(v.Grants, ","), table.Stamp(v.Created)}
	}
	heads := []string{"ADDRESS", "STATE", "PLAN", "ALIASES", "GRANTS", "CREATED"}
	return call.List(c, cmd.AsJSON, heads, viewAccounts(c.Env.Now()), cells, func(s call.Store) ([]account.Account, error) {
		accounts, err := s.Accounts(c.Ctx, account.AccountQuery{Domain: cmd.Domain.Domain})
		return accounts, call.Missing(err, "domain "+cmd.Domain.String())
	})
}

type accountShow struct {
	accountName
	call.AsJSON
}

func (cmd *accountShow) Run(c *call.Call) error {
	return c.With(func(o *call.Opened) error {
		a, err := o.Store.Account(c.Ctx, cmd.Address.Key())
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		above, err := suspendedAbove(c.Ctx, o.Store, &a)
		if err != nil {
			return err
		}
		sender, err := o.Store.Sender(c.Ctx, a.Login())
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		proofs, err := o.Store.Proofs(c.Ctx, a.Login())
		if err != nil {
			return call.Missing(err, cmd.String())
		}
		v := viewAccount(a, c.Env.Now())
		v.standing = v.under(above)
		v.DecidingPlan, v.DecidingMode = &sender.Plan.Name, sender.Mode()
		v.LegacyBy = legacyBy(&a, &proofs)
		if v.Credentials, err = credential.Views(o, a.Address); err != nil {
			return err
		}
		if v.LastLogins, v.LoginsCut, err = lastLogins(c.Ctx, o.Store, a.Login(), loginsWindow); err != nil {
			return err
		}
		v.MechanismsUsed = mechanismsUsed(v.Credentials, v.LastLogins)
		return c.Show(cmd.AsJSON, v)
	})
}

// legacyBy names what allows legacy mechanisms, "" where nothing does.
func legacyBy(a *account.Account, p *account.Proofs) string {
	switch {
	case a.Legacy:
		return "account"
	case p.Legacy:
		return "plan"
	}
	return ""
}

// mechanismsUsed lists the mechanisms of the last uses and logins, each once.
func mechanismsUsed(list []credential.View, logins []loginView) (used []string) {
	for i := range list {
		if u := list[i].LastUse; u != nil && u.Mechanism != "" {
			used = append(used, u.Mechanism)
		}
	}
	for _, l := range logins {
		if l.Mechanism != "" {
			used = append(used, l.Mechanism)
		}
	}
	slices.Sort(used)
	return slices.Compact(used)
}

// legacy says whether the account's passwords are kept in forms that are as good as
// they themselves.
func (v accountView) legacy() string {
	if v.LegacyBy == "" {
		return "forbidden"
	}
	text := "ALLOWED by the " + v.LegacyBy + ": " + strings.Join(account.LegacyMechanisms(), " and ") + " log in, "
	for i := range v.Credentials {
		if slices.ContainsFunc(v.Credentials[i].Keys, func(k string) bool { return slices.Contains(account.LegacyMechanisms(), k) }) {
			return text + "and keys as good as the password are stored"
		}
	}
	return text + "once keys as good as the password are stored, at the next login or new password"
}

// planText says which plan decides, and whose it is.
func (v accountView) planText() string {
	switch {
	case v.PlanLearned:
		return v.Plan + ", its own, as directory " + v.Directory + " says"
	case v.Plan != "":
		return v.Plan + ", its own"
	case v.DecidingPlan != nil && *v.DecidingPlan != "":
		return *v.DecidingPlan + ", the customer's"
	}
	return ""
}

// modeText says which mode of senders counts, and whose it is.
func (v accountView) modeText() string {
	switch {
	case v.SenderMode != "":
		return string(v.SenderMode) + ", its own"
	case v.DecidingMode != account.Enforce:
		return string(v.DecidingMode) + ", the plan's"
	}
	return string(v.DecidingMode)
}

// Details implements what call.Show prints.
func (v accountView) Details(t table.Table) {
	t.Row("account", v.Address)
	t.Row("id", string(v.ID))
	t.Row("state", v.standing.String())
	t.Row("directory", map[bool]string{true: "built in", false: v.Directory}[v.Directory == ""])
	t.Row("null sender", map[bool]string{true: "allowed", false: "forbidden"}[v.NullSender])
	t.Row("plan", v.planText())
	t.Row("aliases", strings.Join(v.Aliases, ", "))
	t.Row("of the directory", strings.Join(v.LearnedAliases, ", "))
	t.Row("grants", strings.Join(v.Grants, "; "))
	t.Row("mode of senders", v.modeText())
	t.Row("legacy", v.legacy())
	t.Row("password of", stampOf(v.PasswordChanged))
	t.Row("created", table.Stamp(v.Created))
	t.Row("mechanisms used", strings.Join(v.MechanismsUsed, ", "))
	for i := range v.Credentials {
		t.Row("credential "+v.Credentials[i].Name, v.Credentials[i].Line())
	}
	for _, l := range v.LastLogins {
		t.Row("login "+table.Stamp(l.At), l.line())
	}
	switch {
	case v.LoginsCut:
		t.Row("logins", "the record is too long to look for more here: countersign audit search --kind auth.passed --account "+v.Address)
	case len(v.LastLogins) == 0:
		t.Row("logins", "none in the record")
	}
}

// stampOf prints a time, "" for none.
func stampOf(t *time.Time) string {
	if t == nil {
		return ""
	}
	return table.Stamp(*t)
}
