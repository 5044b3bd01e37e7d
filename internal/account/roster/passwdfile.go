package roster

import (
	"fmt"
	"io"
	"strings"
)

// PasswdFile reads Dovecot's passwd-file: "user:password:uid:gid:gecos:home:
// shell:extra_fields", of which the first two are needed. The hashes are those
// of "{SCHEME}", or of Options.Hashes.Scheme; Dovecot's own default is CRYPT.
// Empty lines and those that begin with "#" are passed over. It is not safe
// for concurrent use.
type PasswdFile struct {
	lines   *lines
	options Options
}

// NewPasswdFile returns a reader of the list in r.
func NewPasswdFile(r io.Reader, o Options) *PasswdFile {
	return &PasswdFile{lines: newLines(r), options: o}
}

// Next returns the next entry. Errors: io.EOF after the last one, fault.Internal
// where r cannot be read, after which there is nothing more to read.
func (p *PasswdFile) Next() (Entry, error) {
	for {
		l, err := p.lines.next()
		switch {
		case err != nil:
			return Entry{}, err
		case l.long:
			return tooLong(l.number), nil
		case strings.TrimSpace(l.text) == "" || strings.HasPrefix(l.text, "#"):
			continue
		}
		r, err := p.record(l.text)
		if err != nil {
			return problem(l.number, "%v", err), nil
		}
		return Entry{Line: l.number, Record: r}, nil
	}
}

// extraFields is the number of the colon that extra fields stand behind; they
// may hold more of them.
const extraFields = 7

func (p *PasswdFile) record(text string) (*Record, error) {
	if why := unreadable(text); why != "" {
		return nil, fmt.Errorf("%s", why)
	}
	fields := strings.SplitN(text, ":", extraFields+1)
	if len(fields) < 2 {
		return nil, fmt.Errorf("the line has no colon; write it as user:password")
	}
	var extra []string
	if len(fields) > extraFields {
		extra = strings.Fields(fields[extraFields])
	}
	r := &Record{}
	user, err := r.takeExtra(fields[0], extra)
	if err != nil {
		return nil, err
	}
	if r.Address, err = p.options.address(user); err != nil {
		return nil, fmt.Errorf("the user %w", err)
	}
	if fields[1] == "" {
		return nil, fmt.Errorf("the password is empty; give the account one, or lock it with *")
	}
	if err := p.options.setHash(r, libpam(fields[1])); err != nil {
		return nil, err
	}
	return r, nil
}

// libpam names the scheme of "password[13]" and "password[34]", which
// libpam-pwdfile writes.
func libpam(text string) string {
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "$") {
		return text
	}
	if crypt, ok := strings.CutSuffix(text, "[13]"); ok {
		return "{CRYPT}" + crypt
	}
	if md5, ok := strings.CutSuffix(text, "[34]"); ok {
		return "{PLAIN-MD5}" + md5
	}
	return text
}

// maxRemarked is how many fields one remark names.
const maxRemarked = 10

// takeExtra reads the extra fields, "name" or "name=value", and returns the
// user. Most say what the gate has no use for, and are remarked on; those that
// decide who may log in are kept, or are a problem.
func (r *Record) takeExtra(user string, extra []string) (string, error) {
	var ignored []string
	for _, field := range extra {
		name, value, _ := strings.Cut(field, "=")
		switch {
		case name == "nopassword":
			return "", fmt.Errorf("nopassword would let everybody in; remove it, and give the account a password")
		case name == "nologin" || name == "fail": // whatever their value is
			r.Suspended = true
			r.Remarks = append(r.Remarks, "the account is suspended, as "+name+" forbids it to log in")
		case name == "user" && !strings.Contains(user, "@") && strings.Contains(value, "@"):
			r.Remarks = append(r.Remarks, "the account is named as its field user= says; the short name does not log in")
			user = value
		case name == "allow_nets":
			r.Remarks = append(r.Remarks, "allow_nets is not taken over: the account may log in from everywhere until it is restricted again")
		case len(ignored) < maxRemarked:
			ignored = append(ignored, name)
		case len(ignored) == maxRemarked:
			ignored = append(ignored, "and more")
		}
	}
	if len(ignored) > 0 {
		r.Remarks = append(r.Remarks, "not taken over: "+strings.Join(ignored, ", "))
	}
	return user, nil
}
