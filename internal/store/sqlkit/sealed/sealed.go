// Package sealed finds what is sealed in the tables, and puts another form of the same
// secret in its place: rotation.Store in the SQL that the engines share.
//
// It opens and seals nothing.
//
// Main types: Secrets.
package sealed

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/seal"
	"countersign/internal/seal/rotation"
	"countersign/internal/store/sqlkit"
)

// Secrets implements rotation.Store. Its methods are safe for concurrent use.
type Secrets struct{ base sqlkit.Base }

// New returns what is sealed in a database.
func New(b sqlkit.Base) *Secrets { return &Secrets{b} }

// The next owners with what is sealed of theirs, by the keys of the tables.
const (
	// DomainsSQL has a row for each key, or one without.
	DomainsSQL = `SELECT d.name, coalesce(k.selector, ''), k.sealed FROM (SELECT name FROM domain WHERE name > ? ORDER BY name LIMIT ?) d
    LEFT JOIN domain_key k ON k.domain = d.name ORDER BY d.name`
	// CertificatesSQL has a row for each.
	CertificatesSQL = "SELECT key, '', data FROM certificate WHERE key > ? ORDER BY key LIMIT ?"
	// CredentialsSQL has a row for each credential, of whatever kind.
	CredentialsSQL = "SELECT id, login, keys FROM credential WHERE id > ? ORDER BY id LIMIT ?"
)

// Sealed implements rotation.Store.
func (s *Secrets) Sealed(ctx context.Context, p seal.Purpose, after string, limit int) (pieces []rotation.Piece, last string, err error) {
	const op = "sealed.list"
	text := map[seal.Purpose]string{seal.DKIM: DomainsSQL, seal.ACME: CertificatesSQL, seal.Password: CredentialsSQL}[p]
	if text == "" {
		return nil, "", fault.New(op, fault.Invalid, "nothing is sealed for %q", p)
	}
	err = s.base.Read(ctx, op, func(c sqlkit.Reader) error {
		pieces, last = nil, ""
		return c.Query(ctx, text, sqlkit.Bind(after, limit), func(r *sqlkit.Row) error {
			last = r.Text()
			pieces = append(pieces, ofRow(p, last, r)...)
			return nil
		})
	})
	return pieces, last, err
}

// ofRow takes the rest of an owner's row.
func ofRow(p seal.Purpose, owner string, r *sqlkit.Row) []rotation.Piece {
	second := r.Text()
	if p == seal.Password {
		return ofCredential(owner, second, r.Text())
	}
	data := r.Blob()
	if len(data) == 0 {
		return nil
	}
	name := owner
	if p == seal.DKIM {
		name = seal.DKIMName(owner, second)
	}
	return []rotation.Piece{{Purpose: p, Name: name, Owner: owner, Part: second, Sealed: data}}
}

// ofCredential finds what is sealed among the keys of a credential.
func ofCredential(id, login, keys string) (list []rotation.Piece) {
	for _, line := range strings.Split(keys, "\n") {
		mechanism, value, _ := strings.Cut(line, " ")
		if mechanism == "" {
			continue
		}
		// What is damaged shows as what is not sealed.
		data, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			data = []byte(value)
		}
		list = append(list, rotation.Piece{
			Purpose: seal.Password, Name: seal.PasswordName(mechanism, login), Owner: id, Part: mechanism, Sealed: data,
		})
	}
	return list
}

// KeysIn names the keys of a key file that sealed something in column keys of a
// credential.
func KeysIn(keys string) (ids []string) {
	for _, piece := range ofCredential("", "", keys) {
		if id := seal.KeyOf(piece.Sealed); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Reseal implements rotation.Store.
func (s *Secrets) Reseal(ctx context.Context, list []rotation.Exchange) (done int, err error) {
	err = s.base.Change(ctx, "sealed.exchange", func(t sqlkit.Writer) error {
		done = 0
		for i := range list {
			same, err := exchange(t, &list[i])
			if err != nil {
				return err
			}
			if same {
				done++
			}
		}
		return nil
	})
	if err != nil {
		done = 0
	}
	return done, err
}

// exchange makes one exchange and reports whether the piece was as given.
func exchange(t sqlkit.Writer, x *rotation.Exchange) (bool, error) {
	switch x.Purpose {
	case seal.DKIM:
		return exchangeKey(t, x)
	case seal.ACME:
		const where = " WHERE key = ? AND data = ?"
		same, err := t.Exists("SELECT 1 FROM certificate"+where, sqlkit.Bind(x.Owner, x.Sealed))
		if err != nil || !same {
			return false, err
		}
		return true, t.Exec("UPDATE certificate SET data = ?"+where, sqlkit.Bind(x.Anew, x.Owner, x.Sealed))
	case seal.Password:
		return exchangePassword(t, x)
	}
	return false, fault.New("sealed.exchange", fault.Invalid, "nothing is sealed for %q", x.Purpose)
}

// exchangeKey is exchange for a domain's key.
func exchangeKey(t sqlkit.Writer, x *rotation.Exchange) (bool, error) {
	const where = " WHERE domain = ? AND selector = ? AND sealed = ?"
	same, err := t.Exists("SELECT 1 FROM domain_key"+where, sqlkit.Bind(x.Owner, x.Part, x.Sealed))
	if err != nil || !same {
		return false, err
	}
	if err := t.Exec("UPDATE domain_key SET sealed = ?"+where, sqlkit.Bind(x.Anew, x.Owner, x.Part, x.Sealed)); err != nil {
		return false, err
	}
	return true, t.Exec("UPDATE domain SET revision = revision + 1 WHERE name = ?", sqlkit.Bind(x.Owner))
}

// exchangePassword is exchange for a key among those of a credential; the others stay
// as they are by now.
func exchangePassword(t sqlkit.Writer, x *rotation.Exchange) (bool, error) {
	var lines []string
	err := t.Query("SELECT keys FROM credential WHERE id = ?", sqlkit.Bind(x.Owner), func(r *sqlkit.Row) error {
		lines = strings.Split(r.Text(), "\n")
		return nil
	})
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(lines, func(line string) bool {
		mechanism, value, _ := strings.Cut(line, " ")
		data, err := base64.StdEncoding.DecodeString(value)
		return err == nil && mechanism == x.Part && bytes.Equal(data, x.Sealed)
	})
	if at < 0 {
		return false, nil
	}
	lines[at] = x.Part + " " + base64.StdEncoding.EncodeToString(x.Anew)
	return true, t.Exec("UPDATE credential SET keys = ? WHERE id = ?", sqlkit.Bind(strings.Join(lines, "\n"), x.Owner))
}
