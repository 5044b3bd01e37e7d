// Package roster reads lists of accounts that other systems have written, for
// an import: Dovecot's passwd-file and CSV (RFC 4180, and as Excel writes it).
//
// It reads line by line and keeps none, so that a million lines need no more
// memory than ten. Each line is one record or one problem with its number and
// what to do; a bad line never ends the list. It knows no store: whether a
// domain or a plan exists, an account is there already, or stands in the list
// twice, is for the caller. Main types: Record, Entry, PasswdFile, CSV.
package roster

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"countersign/internal/account/hash"
	"countersign/internal/mail"
)

// Bounds of what is read.
const (
	// MaxLine is the most octets of a line, and of a CSV record of several.
	MaxLine = 16 << 10
	// MaxAliases is the most aliases of one account.
	MaxAliases = 100
	// MaxField is the most octets of a plan's name or a note.
	MaxField = 512
)

// Options say how a list is read. The zero value wants whole addresses, and
// hashes that name their scheme.
type Options struct {
	// Domain is that of names without "@"; "" makes them a problem.
	Domain mail.Domain
	// Hashes reads the password hashes.
	Hashes hash.Reader
}

// Record is what one line says of an account.
type Record struct {
	// Address is the account's login.
	Address mail.Address
	// Hash is its password hash, the zero Hash where it has none.
	Hash hash.Hash
	// Password is a password in clear, which stands in CSV alone and is to be
	// hashed by the caller, "" where there is none. It has not been prepared,
	// has at most hash.MaxPassword octets, and never stands beside a Hash.
	Password string
	// Aliases are further addresses, at most MaxAliases.
	Aliases []mail.Address
	// Plan is the name of a plan, "" for none; at most MaxField octets.
	Plan string
	// Suspended says that the account may not log in.
	Suspended bool
	// Note is free text, at most MaxField octets of one line.
	Note string
	// Remarks are sentences on what of the line was not taken over.
	Remarks []string
}

// Format writes the address, and never hash or password, whatever the verb.
func (r Record) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "account %s", r.Address) }

// Entry is one line: a record or a problem.
type Entry struct {
	// Line is its number, from 1; the first one of a record that has several.
	Line int
	// Record is nil where there is a Problem.
	Record *Record
	// Problem says in a sentence what is wrong and what to do, "" where there is
	// a Record. It repeats neither password nor hash.
	Problem string
}

// problem makes the entry of a bad line.
func problem(line int, format string, args ...any) Entry {
	return Entry{Line: line, Problem: fmt.Sprintf(format, args...)}
}

// address reads an address, or a name that gets the domain of the options.
func (o Options) address(text string) (mail.Address, error) {
	if text == "" {
		return mail.Address{}, fmt.Errorf("is empty")
	}
	if !strings.Contains(text, "@") {
		if o.Domain == "" {
			return mail.Address{}, fmt.Errorf("has no domain; write it as name@domain, or name the domain of all such by --default-domain")
		}
		text += "@" + string(o.Domain)
	}
	a, err := mail.ParseAddress(text)
	if err != nil {
		return mail.Address{}, fmt.Errorf("is not a mail address; write it as name@domain")
	}
	return a, nil
}

// setHash reads the hash of a record. A locked one, as in /etc/shadow, leaves
// the account without a password.
func (o Options) setHash(r *Record, text string) error {
	h, err := o.Hashes.Parse(text)
	switch {
	case err == nil:
		r.Hash = h
	case locked(text):
		r.Remarks = append(r.Remarks, "the password is locked (it begins with ! or *); the account gets none")
	default:
		return o.advised(text, detail(err))
	}
	return nil
}

// advised adds to an error the option by which the hash would be taken, if there is one.
func (o Options) advised(text string, err error) error {
	if o.Hashes.Plain {
		return err
	}
	plain := o.Hashes
	plain.Plain = true
	if _, other := plain.Parse(text); other == nil {
		return fmt.Errorf("%w; --plain takes it", err)
	}
	return err
}

// locked reports whether text is what usermod and others write in the place of
// a hash, or before it.
func locked(text string) bool {
	if scheme, body, ok := strings.Cut(text, "}"); ok && strings.HasPrefix(scheme, "{") {
		text = body
	}
	return strings.HasPrefix(text, "!") || strings.HasPrefix(text, "*")
}

// unreadable says what is wrong with the characters of a line, "" for nothing.
func unreadable(text string) string {
	control := func(c rune) bool { return c < ' ' && c != '\t' && c != '\n' || c == 0x7f }
	switch {
	case !utf8.ValidString(text):
		return "the line is not UTF-8; save the list as UTF-8"
	case strings.ContainsFunc(text, control):
		return "the line holds a control character; remove it"
	}
	return ""
}
