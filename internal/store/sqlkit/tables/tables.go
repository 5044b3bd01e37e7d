// Package tables lists what a store consists of: each table that a copy carries
// from one store to another, with its columns and its key, and what is left out
// and why. A test of each engine holds the list against its schema, so that a
// migration that forgets it fails.
//
// It reads rows in the order of their keys, writes the statements that store
// them, and gives a row the one form in octets that checksums are made of. It knows
// no engine.
//
// Main types: Table, Row; Carried and LeftOut are the list.
package tables

import (
	"strings"

	"countersign/internal/store/sqlkit"
)

// Kind is what values a column has.
type Kind uint8

// The kinds. A value is an int64, a string or a []byte.
const (
	Integer Kind = iota
	Text
	Blob
)

// Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
	// Optional says that the empty value is stored as NULL.
	Optional bool
}

// Table is one table that is carried.
type Table struct {
	Name string
	// Columns are those that are carried, the key's first.
	Columns []Column
	// Keys is how many columns the primary key has.
	Keys int
	// Large is the place of the column that names a large body, which the column
	// behind it has the size of; 0 for none.
	Large int
}

// Row holds the values of a row in the order of the columns.
type Row []any

// Carried lists the tables, each behind those that it refers to.
func Carried() []Table {
	const standing = "state text, created int, revision int"
	return []Table{
		table("meta", 1, "name text, value int"),
		table("plan", 1, "name text, max_recipients int, max_message_bytes int, max_messages int, legacy int, sender_mode text, "+standing),
		table("customer", 1, "name text, plan text?, "+standing),
		table("domain", 1, "name text, customer text, alignment text, "+standing),
		table("domain_look", 1, "domain text, node text, taken int, looked int, verdict text, failing int, slow int, policy text, reason text"),
		table("domain_key", 2, "domain text, position int, selector text, algorithm text, public text, sealed blob, created int, stage text, turned int"),
		table("zone_record", 3, "domain text, selector text, text text"),
		table("account", 1, "login text, id text, address text, domain text, directory text, plan text?, plan_learned int, legacy int, null_sender int, sender_mode text, "+standing),
		table("credential", 2, "login text, name text, id text, kind text, subject text, hash text, cost text, keys text, former text, networks text, "+
			"senders text, mechanisms text, max_recipients int, max_message_bytes int, max_messages int, expires int, created int, changed int, "+
			"recall_all int, recall_some int, spared text"),
		table("credential_use", 1, "credential text, login text, at int, client text, session text, mechanism text, program text"),
		table("account_address", 1, "key text, login text, position int, address text, learned int"),
		table("account_grant", 2, "login text, position int, address text, domain text, manner text, target text, under text, across int, ends int, given int, "+
			"actor text, because text"),
		table("ban", 1, "id text, network text, login text, shadow int, reason text, actor text, began int, ends int, lifted text, change int"),
		table("counter", 1, "subject text, data blob, ends int"),
		table("contact", 2, "login text, recipient int, day int"),
		table("guard_record", 2, "network text, login text, missing int, secrets blob, unseen int, unseen_from int, unseen_at int, known int, banned int, "+
			"sprayed int, closed_from int, closed_until int, opened int, ends int, devices blob, change int"),
		table("limit_rule", 1, "id text, kind text, name text, measure text, span text, most int, extra int, action text, shadow int, share int, "+
			"because text, actor text, began int, ends int, lifted text, change int, away text, least int, quiet int"),
		table("access_entry", 1, "id text, kind text, name text, what text, effect text, shadow int, reason text, actor text, began int, ends int, lifted text, change int"),
		table("challenge_shape", 5, "directory text, mechanism text, kind text, salt int, iterations int, seen int"),
		table("certificate", 1, "key text, data blob"),
		table("following", 1, "id text, kind text, name text, touched int, actor text, object text, text text"),
		table("content", 1, "id int, head blob, body blob, large text, large_size int"),
		table("submission", 1, "content int, id text, session text, account text, credential text, login text, domain text, customer text, cause text, at int, expires int, "+
			"sender text, given_size int, body_type text, smtputf8 int, dsn_return text, envelope_id text, size int, revision int, others int"),
		table("relied", 2, "submission text, domain text, content int"),
		table("delivery", 2, "submission text, n int, state int, next int, attempts int, local text, destination text, notify int, original text, "+
			"hold_reason text, delay_reported int, last_at int, last_code int, last_enhanced text, last_text text, last_remote text, content int"),
		table("event", 1, "seq int, at int, kind text, session text, submission text, delivery int, login text, actor text, client text, "+
			"object text, code int, enhanced text, reason text, text text, data text"),
	}
}

// LeftOut are the tables and the columns, as "table.column", that are not
// carried, each with the reason.
func LeftOut() map[string]string {
	return map[string]string{
		"schema_migration": "each store has the steps that were applied to it",
		"unfinished_copy":  "it says of the copy itself that it is not finished",
		"moved_to":         "it says of the other store that it was copied",
		"queue_total":      "it is counted anew from the deliveries",
		"node":             "the gates of the other store are not those of this one",
		"delivery.node":    "they belong to nobody until a gate of the new store takes them",
		"body":             "large bodies are carried with the content that names them, and each engine keeps them in its own way",
		"body_chunk":       "as body",
		"counter_log":      "it is put into the counters before they are carried",
	}
}

// table reads the list of a table's columns, whose kinds are int, text and blob;
// "text?" is one that may be NULL.
func table(name string, keys int, columns string) Table {
	t := Table{Name: name, Keys: keys}
	for i, part := range strings.Split(columns, ", ") {
		name, kind, _ := strings.Cut(part, " ")
		c := Column{Name: name, Optional: strings.HasSuffix(kind, "?")}
		switch strings.TrimSuffix(kind, "?") {
		case "text":
			c.Kind = Text
		case "blob":
			c.Kind, c.Optional = Blob, true
		}
		if name == "large" {
			t.Large = i
		}
		t.Columns = append(t.Columns, c)
	}
	return t
}

// Key returns the key of a row.
func (t *Table) Key(r Row) Row { return r[:t.Keys] }

// Body returns the id and the size of the large body that a row names, "" for
// none.
func (t *Table) Body(r Row) (id string, size int64) {
	if t.Large == 0 {
		return "", 0
	}
	return r[t.Large].(string), r[t.Large+1].(int64)
}

// Names lists the columns.
func (t *Table) Names() []string {
	all := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		all[i] = c.Name
	}
	return all
}

// list joins the names of columns, with more behind each.
func list(columns []Column, more string) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = c.Name + more
	}
	return strings.Join(all, ", ")
}

// places are n question marks.
func places(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// InsertSQL stores a row, whose arguments Bind makes.
func (t *Table) InsertSQL() string {
	return "INSERT INTO " + t.Name + " (" + list(t.Columns, "") + ") VALUES (" + places(len(t.Columns)) + ")"
}

// pageSQL reads the first rows, or those behind a key.
func (t *Table) pageSQL(behind bool) string {
	keys, where := list(t.Columns[:t.Keys], ""), ""
	if behind {
		where = " WHERE (" + keys + ") > (" + places(t.Keys) + ")"
	}
	return "SELECT " + list(t.Columns, "") + " FROM " + t.Name + where + " ORDER BY " + keys + " LIMIT ?"
}

// lastSQL reads the greatest key.
func (t *Table) lastSQL() string {
	return "SELECT " + list(t.Columns[:t.Keys], "") + " FROM " + t.Name + " ORDER BY " + list(t.Columns[:t.Keys], " DESC") + " LIMIT 1"
}

// scan takes the values of columns from a row of a result.
func scan(columns []Column, r *sqlkit.Row) Row {
	out := make(Row, len(columns))
	for i, c := range columns {
		switch c.Kind {
		case Integer:
			out[i] = r.Int64()
		case Text:
			out[i] = r.Text()
		case Blob:
			out[i] = r.Blob()
		}
	}
	return out
}
