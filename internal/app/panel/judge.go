package panel

import (
	"strings"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/config/option"
	"countersign/internal/fault"
	"countersign/internal/web/api/client"
)

// Judge says which tokens of clients of the API cannot be used. It implements loading.Judge.
func Judge(c *config.Config) (all []loading.Finding) {
	whose := map[string]string{}
	for i := range c.APIClients {
		one := &c.APIClients[i]
		bad := func(text string) {
			all = append(all, loading.Finding{Path: option.Element("api_client", i) + ".token_file", Text: text})
		}
		token, err := one.Token()
		if err != nil {
			bad(strings.TrimPrefix(err.Error(), "api_client.token_file: "))
			continue
		}
		if err := client.CheckToken(token.Reveal()); err != nil {
			bad("the token in " + one.TokenFile + " " + fault.DetailOf(err, fault.Invalid))
			continue
		}
		if other, twice := whose[token.Reveal()]; twice {
			bad("it is the token of client \"" + other + "\", too")
		}
		whose[token.Reveal()] = one.Name
	}
	return all
}
