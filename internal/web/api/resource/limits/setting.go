package limits

import (
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/limit/usage"
	"countersign/internal/shown"
	"countersign/internal/web/api"
	"countersign/internal/web/api/reseller"
)

// put sets what is wanted for somebody.
func (l limits) put(r *api.Request, f *limitFor, w admin.Wanted) (any, error) {
	var err error
	s := l.scope(r)
	if w.For, w.Login, err = l.whom(s, f); err != nil {
		return nil, err
	}
	if err := l.room(s, &w); err != nil {
		return nil, err
	}
	rules, err := l.admin(r).Set(r.Ctx, w)
	if err != nil {
		return nil, err
	}
	return l.answer(r, rules), nil
}

// room refuses more where the client has as many as it may.
func (l limits) room(s *reseller.Scope, w *admin.Wanted) error {
	if s.All() {
		return nil
	}
	have, err := l.Store.Rules(s.Request.Ctx, limit.Query{Holding: s.Request.Now})
	if err != nil {
		return err
	}
	if !w.Extra {
		have = usage.Replaced(have, w.For, w.Limits, !w.End.IsZero())
	}
	return reseller.Room(reseller.Bound[limit.Rule]{What: "limits", Actor: s.Request.Client.Actor(), By: func(rule *limit.Rule) string { return rule.By }, Has: l.has(s)}, have, len(w.Limits))
}

// answer shows what was set. It is set, so that what cannot be looked up is left out: who repeated an
// allowance would have it twice.
func (l limits) answer(r *api.Request, rules []limit.Rule) limitsSet {
	list, err := l.shown(r, rules)
	if err != nil {
		r.Left("names of credentials", err)
		list = shown.Each(rules, shown.LimitAt(r.Now))
	}
	out := limitsSet{Limits: list, Remarks: []string{}}
	for i := range rules {
		remark, err := usage.Remark(r.Ctx, l.Store, &rules[i], r.Now)
		if err != nil {
			r.Left("remarks", err)
			break
		}
		if remark != "" {
			out.Remarks = append(out.Remarks, remark)
		}
	}
	return out
}
