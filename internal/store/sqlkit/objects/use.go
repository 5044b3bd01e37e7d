package objects

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"countersign/internal/account"
	"countersign/internal/store/sqlkit"
)

// useRows is how many uses one statement stores.
const useRows = 64

// UsedSQL stores so many uses, those of credentials that there are; the last argument is
// the latest time that may be true.
func UsedSQL(rows int) string {
	const row = "(?, CAST(? AS bigint), ?, ?, ?, ?)"
	return `INSERT INTO credential_use (credential, login, at, client, session, mechanism, program)
    SELECT k.id, k.login, v.column2, v.column3, v.column4, v.column5, v.column6
    FROM (VALUES ` + row + strings.Repeat(", "+row, rows-1) + `) v JOIN credential k ON k.id = v.column1 WHERE true
    ON CONFLICT (credential) DO UPDATE SET at = excluded.at, client = excluded.client, session = excluded.session,
    mechanism = excluded.mechanism, program = excluded.program WHERE excluded.at > credential_use.at OR credential_use.at > ?`
}

// Used implements account.UseStore. Nobody accepts mail meanwhile, so it takes few
// statements.
func (s *Store) Used(ctx context.Context, uses []account.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return s.base.Change(ctx, "account.used", func(t writer) error {
		now, err := s.clock(t)
		if err != nil {
			return err
		}
		uses, latest := newest(uses, now), now.Add(account.UseAhead)
		for chunk := range slices.Chunk(uses, useRows) {
			rows := useRows
			if len(chunk) == 1 {
				rows = 1
			}
			if err := t.Exec(UsedSQL(rows), useArgs(chunk, rows, latest)); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock returns the store's clock in a transaction.
func (s *Store) clock(t writer) (now time.Time, err error) {
	if s.dialect.Clock == "" {
		return s.base.Now(), nil
	}
	err = t.Query(s.dialect.Clock, nil, func(r *row) error {
		now = r.Time()
		return nil
	})
	return now, err
}

// newest returns the newest use of each credential, in the order of these. What cannot
// have been yet was now.
func newest(uses []account.Use, now time.Time) []account.Use {
	list := slices.Clone(uses)
	for i := range list {
		if list[i].At.After(now.Add(account.UseAhead)) {
			list[i].At = now
		}
	}
	slices.SortStableFunc(list, func(a, b account.Use) int {
		return cmp.Or(cmp.Compare(a.Credential, b.Credential), b.At.Compare(a.At))
	})
	return slices.CompactFunc(list, func(a, b account.Use) bool { return a.Credential == b.Credential })
}

// useArgs makes the arguments of UsedSQL; rows that are not needed are of no
// credential.
func useArgs(uses []account.Use, rows int, latest time.Time) sqlkit.Values {
	var args []any
	for i := range rows {
		var u account.Use
		if i < len(uses) {
			u = uses[i]
		}
		client := ""
		if u.Client.IsValid() {
			client = u.Client.Unmap().String()
		}
		args = append(args, u.Credential, u.At, client, u.Session, u.Mechanism, u.Program)
	}
	return bind(append(args, latest)...)
}

const (
	// UsesSQL reads the uses of an account.
	UsesSQL = useColumns + " WHERE login = ? LIMIT ?"
	// LatestUsesSQL reads the latest uses of all accounts.
	LatestUsesSQL = useColumns + " ORDER BY at DESC LIMIT ?"

	useColumns = "SELECT credential, at, client, session, mechanism, program FROM credential_use"
)

// Uses implements account.UseStore.
func (s *Store) Uses(ctx context.Context, login string, limit int) (list []account.Use, err error) {
	text, args := UsesSQL, bind(login, limit)
	if login == "" {
		text, args = LatestUsesSQL, bind(limit)
	}
	err = s.base.Read(ctx, "account.uses", func(c reader) error {
		list, err = sqlkit.All(ctx, c, text, args, scanUse)
		return err
	})
	return list, err
}

func scanUse(r *row) account.Use {
	u := account.Use{Credential: r.ID(), At: r.Time()}
	u.Client, _ = netip.ParseAddr(r.Text()) // "" where nobody knew
	u.Session, u.Mechanism, u.Program = r.ID(), r.Text(), r.Text()
	return u
}
