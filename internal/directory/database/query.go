package database

import (
	"errors"
	"fmt"
	"strings"

	"countersign/internal/directory"
)

// dialect is how an engine writes SQL.
type dialect uint8

const (
	postgresSQL dialect = iota
	mysqlSQL
)

// login is what a query may ask about: the whole login, and its parts.
type login struct{ login, local, domain string }

// splitLogin brings a login into lower case and its domain into A-labels, as
// databases keep them. One that is no address is a local part without a domain.
func splitLogin(text string) login {
	a, err := directory.Normal(text)
	if err != nil {
		lower := strings.Map(lowerASCII, text)
		return login{login: lower, local: lower}
	}
	return login{login: a.String(), local: a.Local, domain: string(a.Domain)}
}

// lowerASCII folds the letters of ASCII alone: others may fold into these, and belong
// to somebody else's name.
func lowerASCII(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// value returns the value of a parameter; ok is false where there is none of that
// name.
func (l login) value(name string) (value string, ok bool) {
	switch name {
	case "login":
		return l.login, true
	case "local":
		return l.local, true
	case "domain":
		return l.domain, true
	}
	return "", false
}

// statement is a query as its engine takes it.
type statement struct {
	text string
	// names are the parameters in the order of the arguments.
	names []string
}

// arguments are the values of the parameters.
func (s statement) arguments(l login) []any {
	all := make([]any, len(s.names))
	for i, name := range s.names {
		all[i], _ = l.value(name)
	}
	return all
}

// compile puts placeholders in the place of named parameters. What could be read in
// two ways, a comment or a placeholder of the engine's own, is refused, so that it
// is sure what is a parameter and what is not.
func compile(query string, d dialect) (statement, error) {
	if len(query) > MaxQuery {
		return statement{}, fmt.Errorf("its query has more than %d octets", MaxQuery)
	}
	c := &compiler{rest: strings.TrimSpace(query), dialect: d}
	c.rest = strings.TrimSpace(strings.TrimSuffix(c.rest, ";"))
	if word, _, _ := strings.Cut(strings.Join(strings.Fields(c.rest), " "), " "); !strings.EqualFold(word, "SELECT") && !strings.EqualFold(word, "WITH") {
		return statement{}, errors.New("its query must be a SELECT")
	}
	for c.rest != "" {
		if err := c.step(); err != nil {
			return statement{}, fmt.Errorf("its query cannot be used: %w", err)
		}
	}
	for _, name := range c.names {
		if name != "domain" {
			return statement{text: c.out.String(), names: c.names}, nil
		}
	}
	return statement{}, errors.New("its query must ask about :login, or about :local and :domain")
}

// compiler reads a query once.
type compiler struct {
	rest    string
	dialect dialect
	out     strings.Builder
	names   []string
}

// step takes the next token.
func (c *compiler) step() error {
	switch {
	case strings.HasPrefix(c.rest, "--"), strings.HasPrefix(c.rest, "/*"), c.rest[0] == '#' && c.dialect == mysqlSQL:
		return errors.New("it holds a comment")
	case c.rest[0] == 0:
		return errors.New("it holds a NUL")
	case c.rest[0] == ';':
		return errors.New("it holds a semicolon; one statement is asked")
	case c.rest[0] == '$' && c.dialect == postgresSQL:
		return errors.New("it holds a $; write :login, and texts in single quotes")
	case c.rest[0] == '?' && c.dialect == mysqlSQL:
		return errors.New("it holds a ?; write :login")
	case c.rest[0] == '\'', c.rest[0] == '"', c.rest[0] == '`' && c.dialect == mysqlSQL:
		return c.quoted(c.rest[0])
	case strings.HasPrefix(c.rest, "::"):
		c.take(2)
	case c.rest[0] == ':' && len(c.rest) > 1 && isNameStart(c.rest[1]):
		return c.parameter()
	default:
		c.word()
	}
	return nil
}

// take copies n octets.
func (c *compiler) take(n int) {
	c.out.WriteString(c.rest[:n])
	c.rest = c.rest[n:]
}

// word copies a name whole, which may hold a $, or one octet of anything else.
func (c *compiler) word() {
	n := 1
	if isNameStart(c.rest[0]) {
		for n < len(c.rest) && (isNameStart(c.rest[n]) || c.rest[n] >= '0' && c.rest[n] <= '9' || c.rest[n] == '$') {
			n++
		}
	}
	c.take(n)
}

// quoted copies a text or a name in quotes, in which a quote is doubled. What a
// backslash means there depends on the settings of the server, and so does where
// the text ends.
func (c *compiler) quoted(quote byte) error {
	for i := 1; i < len(c.rest); i++ {
		switch {
		case c.rest[i] == 0:
			return errors.New("it holds a NUL")
		case c.rest[i] == '\\':
			return errors.New("it holds a backslash in quotes")
		case c.rest[i] == quote && i+1 < len(c.rest) && c.rest[i+1] == quote:
			i++
		case c.rest[i] == quote:
			c.take(i + 1)
			return nil
		}
	}
	return errors.New("a quote is not closed")
}

// parameter puts a placeholder in the place of a name.
func (c *compiler) parameter() error {
	n := 1
	for n < len(c.rest) && (isNameStart(c.rest[n]) || c.rest[n] >= '0' && c.rest[n] <= '9') {
		n++
	}
	name := c.rest[1:n]
	if _, known := (login{}).value(name); !known {
		return fmt.Errorf("it holds :%s; there are :login, :local and :domain", name)
	}
	c.rest = c.rest[n:]
	c.out.WriteString(c.placeholder(name))
	return nil
}

// placeholder notes a parameter and returns how the engine writes it.
func (c *compiler) placeholder(name string) string {
	if c.dialect == mysqlSQL {
		c.names = append(c.names, name)
		return "?"
	}
	for i, known := range c.names {
		if known == name {
			return fmt.Sprintf("$%d", i+1)
		}
	}
	c.names = append(c.names, name)
	return fmt.Sprintf("$%d", len(c.names))
}

// isNameStart reports whether a name may begin with c; any octet of UTF-8 beyond
// ASCII belongs to names.
func isNameStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
