package oauth

import (
	"context"
	"errors"

	"countersign/internal/login/pool"
	"countersign/internal/oauth/keyset"
)

// Checked is what an issuer said that was tried.
type Checked struct {
	// Issuer is its configured name.
	Issuer string
	// Keys is how many usable keys it has; 0 where it is asked about every token.
	Keys int
	// Asked says that it has answered a question about a token, too, and so believes
	// who asks.
	Asked bool
	// Err is why tokens of it could not be verified; nil where they could. It holds no
	// secret.
	Err error
}

// tried is shown to issuers that are asked about tokens: it is none.
const tried = "countersign-check"

// Check tries each issuer once, in the order of the configuration: it gets its keys and,
// where it is asked about tokens, asks about one that is none. It takes at most a few
// requests' time for each.
func (v *Verifier) Check(ctx context.Context) (all []Checked) {
	for _, i := range v.issuers {
		c := Checked{Issuer: i.Name}
		c.Keys, c.Err = i.tryKeys(ctx)
		if i.asker != nil && c.Err == nil {
			_, c.Err = i.asker.Ask(ctx, tried, pool.Ticket{})
			c.Asked = c.Err == nil
		}
		all = append(all, c)
	}
	return all
}

// tryKeys gets the keys.
func (i *issuer) tryKeys(ctx context.Context) (int, error) {
	if i.ring == nil {
		return 0, nil
	}
	text, err := i.source()(ctx)
	if err != nil {
		return 0, err
	}
	keys, err := keyset.Parse(text)
	if err == nil && len(keys) == 0 {
		err = errors.New("it has no key that can be used")
	}
	return len(keys), err
}
