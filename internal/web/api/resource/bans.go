package resource

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"countersign/internal/access"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/client"
	"countersign/internal/web/api/reseller"
)

// bans are the operations on bans.
type bans struct{ Options }

func (b bans) rows() []api.Operation {
	return []api.Operation{
		{ID: "listBans", Method: http.MethodGet, Path: "/bans", May: client.Read, Text: "List the bans that hold.", Query: []api.Parameter{
			api.Flag("all", "Also those that ended within the last 30 days."),
			{Name: "client", Text: "Those that hit this address alone."},
		}, Pages: true, Answer: shown.Ban{}, Run: b.list},
		{ID: "getBan", Method: http.MethodGet, Path: "/bans/{id}", May: client.Read, Text: "Return one ban.", Answer: shown.Ban{}, Run: b.get},
		{ID: "addBan", Method: http.MethodPost, Path: "/bans", May: client.Bans, Text: "Refuse the clients of a network, or a login where it comes from there.",
			Body: banWanted{}, Answer: shown.BanAdded{}, Created: true, Run: b.add},
		{ID: "liftBan", Method: http.MethodDelete, Path: "/bans/{id}", May: client.Bans, Text: "End a ban before its time.", Answer: shown.Ban{}, Run: b.lift},
	}
}

// banWanted is the body of addBan.
type banWanted struct {
	Network string    `json:"network" required:"yes" text:"An address, or a network such as 192.0.2.0/24 or 2001:db8::/48." example:"192.0.2.0/24"`
	Login   string    `json:"login" text:"This login alone where it comes from there, with the answer that a wrong password gets."`
	Reason  string    `json:"reason" required:"yes" text:"Why: clients and the helpdesk read it." example:"sends spam"`
	Until   time.Time `json:"until" text:"When it ends; never where nothing is said." example:"2027-01-31T18:00:00Z"`
	Shadow  bool      `json:"shadow" text:"Refuse nobody, and have what it would have refused recorded."`
	Force   bool      `json:"force" text:"Ban also a network that is hardly ever meant, such as all of IPv4 or the machine's own, or one that another ban around it refuses for as long."`
}

func (b bans) admin(r *api.Request) *access.Admin {
	return access.NewAdmin(access.AdminOptions{Store: b.Store, IDs: b.IDs, Actor: r.Client.Actor(), Now: b.Now})
}

// has reports whether a ban is the client's: those of whole networks are nobody's.
func (b bans) has(s *reseller.Scope) func(*access.Ban) (bool, error) {
	return func(ban *access.Ban) (bool, error) {
		if ban.Login == "" {
			return s.All(), nil
		}
		return s.HasLogin(ban.Login)
	}
}

func (b bans) list(r *api.Request) (any, error) {
	q := access.Query{Holding: r.Now}
	if r.True("all") {
		q.Holding = time.Time{}
	}
	found, err := b.Store.Bans(r.Ctx, q)
	if err != nil {
		return nil, err
	}
	if text := r.Query("client"); text != "" {
		at, err := netip.ParseAddr(text)
		if err != nil {
			return nil, api.WrongQuery("client", fault.New("api.ban", fault.Invalid, "%q is not an address", text))
		}
		found = slices.DeleteFunc(found, func(ban access.Ban) bool { return !ban.Covers(at) })
	}
	s := b.scope(r)
	seen, err := reseller.Visible(s, found, b.has(s))
	return api.Paged(r, shown.Each(seen, shown.BanAt(r.Now)), func(v *shown.Ban) string { return string(v.ID) }), err
}

// find returns the ban that a path names, if it is the client's.
func (b bans) find(r *api.Request) (ban access.Ban, err error) {
	id, err := reseller.Identity(r, "ban")
	if err != nil {
		return ban, err
	}
	found, err := b.Store.Bans(r.Ctx, access.Query{ID: id})
	if err != nil {
		return ban, err
	}
	s := b.scope(r)
	seen, err := reseller.Visible(s, found, b.has(s))
	if err == nil && len(seen) == 0 {
		return ban, api.NotThere("ban %s", id)
	}
	if err != nil {
		return ban, err
	}
	return seen[0], nil
}

func (b bans) get(r *api.Request) (any, error) {
	ban, err := b.find(r)
	return shown.BanAt(r.Now)(ban), err
}

func (b bans) add(r *api.Request) (any, error) {
	body := api.Body[banWanted](r)
	prefix, err := access.ParsePrefix(body.Network)
	if err != nil {
		return nil, api.Wrong("network", err)
	}
	s := b.scope(r)
	if body.Login == "" && !s.All() {
		return nil, api.Wrong("login", fault.New("api.ban", fault.Invalid, "is missing: the client may ban logins of its customers alone, where they come from a network"))
	}
	if body.Login != "" {
		var a mail.Address
		if a, err = reseller.Address(body.Login); err != nil {
			return nil, api.Wrong("login", err)
		}
		if err := s.Login(a.Key()); err != nil {
			return nil, err
		}
	}
	if err := b.room(s); err != nil {
		return nil, err
	}
	ban, err := b.admin(r).Add(r.Ctx, access.Wanted{Prefix: prefix, Login: body.Login, Reason: body.Reason, End: body.Until, Shadow: body.Shadow, Force: body.Force})
	if err != nil {
		return nil, err
	}
	beside, err := b.admin(r).Overlapping(r.Ctx, &ban)
	if err == nil {
		beside, err = reseller.Visible(s, beside, b.has(s))
	}
	if err != nil { // the ban holds: who repeated this would be told of a conflict
		r.Left("overlaps", err)
		beside = nil
	}
	return shown.BanAddedAt(r.Now, ban, beside), nil
}

// room refuses one more where the client has as many as it may.
func (b bans) room(s *reseller.Scope) error {
	if s.All() {
		return nil
	}
	have, err := b.Store.Bans(s.Request.Ctx, access.Query{Holding: s.Request.Now})
	if err != nil {
		return err
	}
	return reseller.Room(reseller.Bound[access.Ban]{What: "bans", Actor: s.Request.Client.Actor(), By: func(ban *access.Ban) string { return ban.By }, Has: b.has(s)}, have, 1)
}

func (b bans) lift(r *api.Request) (any, error) {
	ban, err := b.find(r)
	if err != nil {
		return nil, err
	}
	ban, err = b.admin(r).Lift(r.Ctx, ban.ID)
	return shown.BanAt(r.Now)(ban), err
}
