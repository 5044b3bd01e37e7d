package limits

import (
	"countersign/internal/limit"
	"countersign/internal/limit/admin"
	"countersign/internal/limit/usage"
	"countersign/internal/shown"
	"countersign/internal/web/api"
)

// put sets what is wanted for somebody.
func (l limits) put(r *api.Request, f *limitFor, w admin.Wanted) (any, error) {
	var err error
	s := l.scope(r)
	if w.For, w.Login, err = l.whom(s, f); err != nil {
		return nil, err
	}
	if err := usage.Gate(r.Ctx, l.Store, w.For); err != nil {
		return nil, err
	}
	w.Within = s.Bound()
	rules, err := l.admin(r).Set(r.Ctx, w)
	if err != nil {
		return nil, err
	}
	return l.answer(r, rules), nil
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
