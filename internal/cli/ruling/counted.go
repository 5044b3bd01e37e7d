package ruling

import (
	"fmt"

	appruling "countersign/internal/app/ruling"
	"countersign/internal/cli/call"
	"countersign/internal/limit"
	"countersign/internal/policy/rules"
)

// WarnUncounted warns on standard error of rules that ask for what no limit counts. The store, which
// has the limits, is opened where a rule asks for any; where it cannot be, that is a warning too, as
// the rules themselves are in order.
func WarnUncounted(c *call.Call, set *rules.Set) {
	asks := false
	appruling.Uncounted(set, func(rules.Used) bool { asks = true; return true })
	if !asks {
		return
	}
	err := c.With(func(o *call.Opened) error {
		now := o.Env.Now()
		limits, err := o.Store.Rules(o.Ctx, limit.Query{Holding: now})
		if err != nil {
			return err
		}
		for _, text := range appruling.Uncounted(set, func(u rules.Used) bool {
			for i := range limits {
				if limits[i].CountsFor(u.Kind, u.Window, now) {
					return true
				}
			}
			return false
		}) {
			fmt.Fprintf(c.Stderr, "warning: %s\n", text)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintf(c.Stderr, "warning: whether limits count what the rules ask for is not known: %v\n", err)
	}
}
