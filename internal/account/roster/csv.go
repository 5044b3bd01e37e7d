package roster

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/mail"
)

// CSV reads a list with a line of column names. The names are address (or
// login, email), password or hash, aliases (or alias), plan, state and note, in
// any order, of which the first is needed. Fields are separated by comma,
// semicolon or tab, whichever the first line is, or as a line "sep=;" before it
// says. Quotes are those of RFC 4180 section 2; a record has at most ten lines.
// It is not safe for concurrent use.
type CSV struct {
	lines   *lines
	options Options
	comma   rune
	// columns are the fields of a record in their order.
	columns []column
}

// column is what a field is.
type column string

const (
	columnAddress  column = "address"
	columnPassword column = "password"
	columnHash     column = "hash"
	columnAliases  column = "aliases"
	columnPlan     column = "plan"
	columnState    column = "state"
	columnNote     column = "note"
)

// columnNames are what may stand in the first line.
var columnNames = map[string]column{
	"address": columnAddress, "login": columnAddress, "email": columnAddress,
	"password": columnPassword, "hash": columnHash, "aliases": columnAliases, "alias": columnAliases,
	"plan": columnPlan, "state": columnState, "note": columnNote,
}

// maxRecordLines is how many lines a quoted field may make of one record.
const maxRecordLines = 10

// NewCSV returns a reader of the list in r, whose first line it has read.
// Errors: fault.Invalid with a sentence where that names no columns, which
// never repeats the line; fault.Internal where r cannot be read.
func NewCSV(r io.Reader, o Options) (*CSV, error) {
	c := &CSV{lines: newLines(r), options: o}
	if c.lines.utf16() {
		return nil, fault.New("roster.csv", fault.Invalid, "the list is UTF-16; save it as CSV UTF-8")
	}
	header, err := c.first()
	if err != nil {
		return nil, err
	}
	if why := unreadable(header); why != "" {
		return nil, fault.New("roster.csv", fault.Invalid, "first line: %s", why)
	}
	commas := []rune{c.comma}
	if c.comma == 0 {
		commas = []rune{',', ';', '\t'}
	}
	var best headerProblem
	for _, comma := range commas {
		columns, bad := readHeader(header, comma)
		if bad.text == "" {
			c.comma, c.columns = comma, columns
			return c, nil
		}
		if best.text == "" || bad.known > best.known {
			best = bad
		}
	}
	return nil, fault.New("roster.csv", fault.Invalid, "%s", best.text)
}

// first returns the line of the column names, after one that names the separator.
func (c *CSV) first() (string, error) {
	for {
		l, err := c.lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return "", fault.New("roster.csv", fault.Invalid, "the list is empty; its first line must name the columns")
		case err != nil:
			return "", err
		case l.long:
			return "", fault.New("roster.csv", fault.Invalid, "the first line is too long to name columns")
		case strings.TrimSpace(l.text) == "":
			continue
		}
		comma, named := strings.CutPrefix(l.text, "sep=")
		if !named || c.comma != 0 {
			return l.text, nil
		}
		if len(comma) != 1 || !strings.Contains(",;\t", comma) {
			return "", fault.New("roster.csv", fault.Invalid, "the separator is none of comma, semicolon and tab")
		}
		c.comma = rune(comma[0])
	}
}

// headerProblem says what is wrong with a header of so many known columns. The
// separator that makes the most of them known is the one that was meant.
type headerProblem struct {
	known int
	text  string
}

// readHeader reads the column names.
func readHeader(text string, comma rune) ([]column, headerProblem) {
	const known = "address, password or hash, aliases, plan, state and note"
	fields, err := split(text, comma)
	if err != nil {
		return nil, headerProblem{text: "the first line cannot be read: " + err.Error()}
	}
	var columns []column
	seen := map[column]bool{}
	problems := []string{}
	for i, name := range fields {
		col, ok := columnNames[strings.ToLower(strings.TrimSpace(name))]
		switch {
		case !ok:
			problems = append(problems, fmt.Sprintf("column %d of the first line has a name that is not known; known are %s", i+1, known))
		case seen[col]:
			problems = append(problems, fmt.Sprintf("column %d of the first line stands there twice", i+1))
		}
		columns = append(columns, col)
		if ok {
			seen[col] = true
		}
	}
	if !seen[columnAddress] {
		problems = append(problems, "the first line names no column address; it must name the columns: "+known)
	}
	if len(problems) > 0 {
		return nil, headerProblem{known: len(seen), text: problems[0]}
	}
	return columns, headerProblem{}
}

// split reads one record.
func split(text string, comma rune) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	fields, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("its quotes are not those of CSV; write a quote within a quoted field twice")
	}
	return fields, nil
}

// Next returns the next entry, as PasswdFile.Next does.
func (c *CSV) Next() (Entry, error) {
	for {
		l, err := c.lines.next()
		switch {
		case err != nil:
			return Entry{}, err
		case l.long:
			return tooLong(l.number), nil
		case strings.TrimSpace(l.text) == "":
			continue
		}
		text, more, err := c.rest(l.text)
		if err != nil {
			return Entry{}, err
		}
		fields, err := split(text, c.comma)
		if err != nil { // the lines that follow may be good
			c.lines.unread(more)
			return problem(l.number, "the line cannot be read: %v", err), nil
		}
		r, err := c.record(text, fields)
		if err != nil {
			return problem(l.number, "%v", err), nil
		}
		return Entry{Line: l.number, Record: r}, nil
	}
}

// rest adds the lines that belong to a record whose first line ends within quotes.
func (c *CSV) rest(text string) (whole string, more []line, err error) {
	for strings.Count(text, `"`)%2 == 1 && len(more) < maxRecordLines-1 {
		l, err := c.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", nil, err
		}
		more = append(more, l)
		if l.long || len(text)+len(l.text) >= MaxLine {
			break
		}
		text += "\n" + l.text
	}
	return text, more, nil
}

func (c *CSV) record(text string, fields []string) (*Record, error) {
	if why := unreadable(text); why != "" {
		return nil, fmt.Errorf("%s", why)
	}
	for len(fields) > len(c.columns) && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	if len(fields) != len(c.columns) {
		return nil, fmt.Errorf("the line has %d fields, the first line names %d; put fields that hold the separator in quotes", len(fields), len(c.columns))
	}
	r, secrets := &Record{}, 0
	for i, col := range c.columns {
		field := strings.TrimSpace(fields[i])
		if col == columnPassword {
			field = fields[i]
		}
		if field == "" && col != columnAddress {
			continue
		}
		if col == columnPassword || col == columnHash {
			secrets++
		}
		if err := c.take(r, col, field); err != nil {
			return nil, err
		}
	}
	switch secrets {
	case 0:
		r.Remarks = append(r.Remarks, "the account has no password and cannot log in until it gets one")
	case 2:
		return nil, fmt.Errorf("the line has both a password and a hash; leave one of them empty")
	}
	return r, nil
}

// take puts a field that is not empty into the record.
func (c *CSV) take(r *Record, col column, field string) (err error) {
	switch col {
	case columnAddress:
		if r.Address, err = c.options.address(field); err != nil {
			return fmt.Errorf("the address %w", err)
		}
	case columnPassword:
		r.Password, err = field, checkPassword(field)
	case columnHash:
		return c.options.setHash(r, field)
	case columnAliases:
		r.Aliases, err = c.options.aliases(field)
	case columnPlan:
		r.Plan, err = words(col, field)
	case columnNote:
		r.Note, err = words(col, field)
	case columnState:
		switch strings.ToLower(field) {
		case "active":
		case "suspended":
			r.Suspended = true
		default:
			return fmt.Errorf("the state is neither active nor suspended")
		}
	}
	return err
}

// words brings a text into one line, with single spaces.
func words(col column, field string) (string, error) {
	if len(field) > MaxField {
		return "", fmt.Errorf("the %s has %d octets, at most %d are taken; shorten it", col, len(field), MaxField)
	}
	return strings.Join(strings.Fields(field), " "), nil
}

// checkPassword refuses what cannot be meant as a password in clear.
func checkPassword(password string) error {
	if len(password) > hash.MaxPassword {
		return fmt.Errorf("the password has %d octets, at most %d are allowed", len(password), hash.MaxPassword)
	}
	if strings.ContainsAny(password, "\n\t") {
		return fmt.Errorf("the password holds a tab or the end of a line")
	}
	if looksHashed(password) {
		return fmt.Errorf("the password is a hash, or begins like one; name the column hash, or put it into one that is named so")
	}
	return nil
}

// hashBegins is how hashes begin: a scheme in braces, or an id of crypt(3) and the like.
var hashBegins = regexp.MustCompile(`^(\{[A-Za-z][A-Za-z0-9.-]*\}.|\$(1|2[abxy]?|5|6|7|y|gy|argon2[a-z]*|pbkdf2[a-z0-9-]*|scrypt|apr1|sha1|md5)\$.|pbkdf2_[a-z0-9]+\$)`)

// looksHashed reports whether a text is a hash or begins like one, a damaged or an
// unsupported one among them: an account whose password is its own hash lets nobody in.
func looksHashed(password string) bool {
	_, err := hash.Parse(password)
	return err == nil || hashBegins.MatchString(password)
}

// aliases reads addresses that are separated by spaces, commas or semicolons.
func (o Options) aliases(field string) ([]mail.Address, error) {
	words := strings.FieldsFunc(field, func(c rune) bool { return strings.ContainsRune(" \t\n,;", c) })
	if len(words) > MaxAliases {
		return nil, fmt.Errorf("the account has %d aliases, at most %d are taken", len(words), MaxAliases)
	}
	var all []mail.Address
	for i, word := range words {
		a, err := o.address(word)
		if err != nil {
			return nil, fmt.Errorf("alias %d %w", i+1, err)
		}
		all = append(all, a)
	}
	return all, nil
}
