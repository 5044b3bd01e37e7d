package database

import (
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"countersign/internal/directory"
)

// columns are those that a query may answer with. login and password are needed; the
// others may be missing or NULL.
func columns() []string {
	return []string{"login", "password", "plan", "customer", "disabled", "aliases", "allow_nets"}
}

// maxValue bounds what is read of a column, in octets.
const maxValue = 64 << 10

// row is what a query has answered, by column. NULL is "".
type row map[string]string

// errRows is in the chain of the error where the rows themselves make no sense.
var errRows = errors.New("its answer makes no sense")

// readRow reads the one row, nil where there is none.
func readRow(rows *sql.Rows) (row, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	if err := checkColumns(names); err != nil { // before rows: the same for all logins
		return nil, err
	}
	if !rows.Next() {
		return nil, rows.Err()
	}
	values, places := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		places[i] = &values[i]
	}
	if err := rows.Scan(places...); err != nil {
		return nil, fmt.Errorf("%w: a column is no text, number or truth value", errRows)
	}
	if rows.Next() {
		return nil, fmt.Errorf("%w: there is more than one row for a login", errRows)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	r := row{}
	for i, name := range names {
		if len(values[i].String) > maxValue {
			return nil, fmt.Errorf("%w: column %s has more than %d octets", errRows, name, maxValue)
		}
		r[strings.ToLower(name)] = values[i].String
	}
	return r, nil
}

// checkColumns refuses a column that is unknown, as a misspelled one would be
// missing without a word: an account that is disabled would get in. The login is
// needed because engines take several spellings for the same: an account would be
// another one under each.
func checkColumns(names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		lower := strings.ToLower(name)
		if !slices.Contains(columns(), lower) {
			return fmt.Errorf("its query answers with a column %.40q; there are %s", name, strings.Join(columns(), ", "))
		}
		if seen[lower] {
			return fmt.Errorf("its query answers with two columns %s", lower)
		}
		seen[lower] = true
	}
	for _, needed := range columns()[:2] {
		if !seen[needed] {
			return fmt.Errorf("its query answers with no column %s", needed)
		}
	}
	return nil
}

// answer reads a row. Errors do not repeat it.
func (r row) answer(scheme string) (*directory.Answer, error) {
	a := &directory.Answer{Login: r["login"], Hash: r["password"], Plan: r["plan"], Customer: r["customer"], Aliases: list(r["aliases"])}
	if scheme != "" && !strings.HasPrefix(a.Hash, "{") {
		a.Hash = "{" + scheme + "}" + a.Hash
	}
	var err error
	if a.Disabled, err = truth(r["disabled"]); err != nil {
		return nil, err
	}
	a.Networks, err = networks(r["allow_nets"])
	return a, err
}

// truth reads a truth value as engines and people write it.
func truth(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "", "0", "f", "false", "n", "no", "off", "\x00": // NUL is BIT(1) of MySQL
		return false, nil
	case "1", "t", "true", "y", "yes", "on", "\x01":
		return true, nil
	}
	return false, errors.New("column disabled holds no truth value")
}

// networks reads a list of networks.
func networks(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, item := range list(text) {
		n, err := directory.ParseNetwork(item)
		if err != nil {
			return nil, fmt.Errorf("column allow_nets: %w", err)
		}
		all = append(all, n)
	}
	if len(all) == 0 && strings.TrimSpace(text) != "" { // commas alone are not "all"
		return nil, errors.New("column allow_nets holds no network")
	}
	return all, nil
}

// list splits a list with commas or white space.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' })
}

// isScheme reports whether a text is the name of a scheme of hashes, or "".
func isScheme(text string) bool {
	return len(text) <= 40 && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '.'
	})
}
