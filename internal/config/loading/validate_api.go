package loading

import (
	"slices"
	"strings"

	"countersign/internal/config/option"
	"countersign/internal/web/api/client"
)

// maxAPIClients is how many clients of the API there may be: each token that comes is held
// against all of them.
const maxAPIClients = 256

// apiClients checks each [[api_client]].
func (v *validator) apiClients() {
	if n := len(v.c.APIClients); n > maxAPIClients {
		v.Fail("api_client", "", "%d clients of the API are too many: at most %d", n, maxAPIClients)
	}
	names := map[string]int{}
	for i := range v.c.APIClients {
		c, at := &v.c.APIClients[i], option.Element("api_client", i)+"."
		v.unique(names, at+"name", c.Name)
		if bad := strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r > '~' }); bad || len(c.Name) > 60 {
			v.Fail(at+"name", "", "the record has the name: at most 60 characters of printable ASCII without blanks")
		}
		v.secretFileMode(at+"token_file", c.TokenFile)
		words := permissions()
		for j, word := range c.May {
			if !slices.Contains(words, word) {
				v.Fail(option.Element(at+"may", j), option.Choice(word, words), "%q is nothing that a client may", word)
			}
		}
		v.none(at+"customers", c.Customers != nil && len(c.Customers) == 0, "a client without it sees all customers")
		v.none(at+"networks", c.Networks != nil && len(c.Networks) == 0, "a client without it may come from anywhere")
		if len(c.Plans) > 0 && len(c.Customers) == 0 && !v.Failed(at+"customers") {
			v.Fail(at+"plans", "remove it, or set customers", "a client without customers may give any plan")
		}
	}
}

// none refuses a list that is there and names nobody: who writes that does not mean everybody.
func (v *validator) none(path string, empty bool, what string) {
	if empty {
		v.Fail(path, "remove it if that is meant", "it names none, and %s", what)
	}
}

// permissions are the words of may.
func permissions() (words []string) {
	for _, p := range client.Permissions() {
		words = append(words, string(p))
	}
	return words
}
