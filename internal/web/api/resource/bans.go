package resource

import (
	"net/http"
	"net/netip"
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
	Network string    `json:"network" required:"yes" text:"An address, or a network such as 192.0.2.0/24 or 2001:db8::/48; an address of IPv6 without a length is its /64." example:"192.0.2.0/24"`
	Login   string    `json:"login" text:"This login alone where it comes from there, with the answer that a wrong password gets."`
	Reason  string    `json:"reason" required:"yes" text:"Why: clients and the helpdesk read it." example:"sends spam"`
	Until   time.Time `json:"until" text:"When it ends; never where nothing is said." example:"2027-01-31T18:00:00Z"`
	Shadow  bool      `json:"shadow" text:"Refuse nobody, and have what it would have refused recorded."`
	Force   bool      `json:"force" text:"Ban also a network that is hardly ever meant, such as all of IPv4 or the machine's own, or one that another ban around it refuses for as long."`
}

func (b bans) admin(r *api.Request) *access.Admin {
	return access.NewAdmin(access.AdminOptions{Store: b.Store, IDs: b.IDs, Actor: r.Client.Actor(), Now: b.Now})
}

func (b bans) list(r *api.Request) (any, error) {
	q := access.Query{Holding: r.Now}
	if r.True("all") {
		q.Holding = time.Time{}
	}
	var err error
	if text := r.Query("client"); text != "" {
		if q.Client, err = netip.ParseAddr(text); err != nil {
			return nil, api.WrongQuery("client", fault.New("api.ban", fault.Invalid, "%q is not an address", text))
		}
	}
	if q.Page, err = b.scope(r).Page(); err != nil {
		return nil, err
	}
	found, err := b.Store.Bans(r.Ctx, q)
	return api.PageOf(r, shown.Each(found, shown.BanAt(r.Now)), func(v *shown.Ban) string { return string(v.ID) }), err
}

// find returns the ban that a path names, if it is the client's: those of whole networks are nobody's.
func (b bans) find(r *api.Request) (ban access.Ban, err error) {
	id, err := reseller.Identity(r, "ban")
	if err != nil {
		return ban, err
	}
	found, err := b.Store.Bans(r.Ctx, access.Query{ID: id, Page: b.scope(r).Own()})
	if err == nil && len(found) == 0 {
		err = api.NotThere("ban %s", id)
	}
	if err != nil {
		return ban, err
	}
	return found[0], nil
}

func (b bans) get(r *api.Request) (any, error) {
	ban, err := b.find(r)
	return shown.BanAt(r.Now)(ban), err
}

func (b bans) add(r *api.Request) (any, error) {
	body := api.Body[banWanted](r)
	prefix, alone, err := access.ParseBan(body.Network)
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
	ban, err := b.admin(r).Add(r.Ctx, access.Wanted{
		Prefix: prefix, Login: body.Login, Reason: body.Reason, End: body.Until, Shadow: body.Shadow, Force: body.Force, Within: s.Bound(),
	})
	if err != nil {
		return nil, err
	}
	beside, err := b.admin(r).Overlapping(r.Ctx, &ban, r.Client.Customers())
	if err != nil { // the ban holds: who repeated this would be told of a conflict
		r.Left("overlaps", err)
		beside = nil
	}
	return shown.BanAddedAt(r.Now, ban, alone, beside), nil
}

func (b bans) lift(r *api.Request) (any, error) {
	ban, err := b.find(r)
	if err != nil {
		return nil, err
	}
	ban, err = b.admin(r).Lift(r.Ctx, ban.ID)
	return shown.BanAt(r.Now)(ban), err
}
