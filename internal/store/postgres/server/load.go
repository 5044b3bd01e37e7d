package server

import (
	"context"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"countersign/internal/store/sqlkit"
)

// Load stores many rows of a table by COPY. The values are of the types that the
// driver knows for the columns; texts are as Text makes them.
func (t *Tx) Load(table string, columns []string, rows [][]any) error {
	_, err := t.q.CopyFrom(t.ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	return err
}

// Name says which database this is, without a password: servers, user, database,
// and the schema where it is not "public".
func (db *DB) Name(ctx context.Context) (name string, err error) {
	err = db.Read(ctx, "postgres.name", func(c *Conn) error {
		return c.Query(ctx, "SELECT current_schema()", nil, func(r *sqlkit.Row) error {
			name = nameOf(db.pool.Config(), r.Text())
			return nil
		})
	})
	return name, err
}

func nameOf(config *pgxpool.Config, schema string) string {
	c := config.ConnConfig
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: strings.ReplaceAll(strings.Join(hostsOf(config.ConnConfig), ", "), ", ", ","), Path: "/" + c.Database}
	query := url.Values{}
	if strings.HasPrefix(c.Host, "/") { // a socket
		u.Host = ""
		query.Set("host", c.Host)
		query.Set("port", strconv.Itoa(int(c.Port)))
	}
	if schema != "public" {
		query.Set("search_path", schema)
	}
	u.RawQuery = query.Encode()
	return u.String()
}
