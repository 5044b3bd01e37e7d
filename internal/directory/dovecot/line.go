package dovecot

import (
	"bufio"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
)

const (
	// MaxLine is the longest line in octets with its end that we write, which is
	// what Dovecot takes.
	MaxLine = 16384
	// maxReply is the longest that we read. Dovecot repeats the name of the user, as
	// it came and as it has become, and escaping may double it.
	maxReply = 4 * MaxLine
	// maxFields is how many fields a line may have.
	maxFields = 256
)

var (
	errLongLine = errors.New("a line is too long")
	errNoLine   = errors.New("a line is not of the protocol's form")
)

// readLine reads a line without its end.
func readLine(r *bufio.Reader) (string, error) {
	text, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLongLine
	case err != nil:
		return "", err
	}
	return string(text[:len(text)-1]), nil
}

// fieldsOf takes a line apart, the name of the command first.
func fieldsOf(line string) ([]string, error) {
	if strings.Count(line, "\t") >= maxFields {
		return nil, errNoLine
	}
	fields := strings.Split(line, "\t")
	for i, f := range fields {
		fields[i] = unescape(f)
	}
	return fields, nil
}

// escaped are the octets that a field may not have, with what stands for them
// behind the escape octet.
var escaped = strings.NewReplacer("\x00", "\x010", "\x01", "\x011", "\t", "\x01t", "\r", "\x01r", "\n", "\x01n")

// escape writes a text as a field.
func escape(text string) string { return escaped.Replace(text) }

// unescape reads a field. What stands behind an escape octet and means nothing
// there is itself.
func unescape(field string) string {
	if !strings.Contains(field, "\x01") {
		return field
	}
	var b strings.Builder
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == 1 {
			if i++; i == len(field) {
				break
			}
			c = meant(field[i])
		}
		b.WriteByte(c)
	}
	return b.String()
}

// meant is what an octet behind the escape octet stands for.
func meant(c byte) byte {
	switch c {
	case '0':
		return 0
	case '1':
		return 1
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'n':
		return '\n'
	}
	return c
}

// verb is what a reply says.
type verb uint8

const (
	goesOn verb = iota // CONT
	isDone             // OK
	isOver             // FAIL
)

// reply is Dovecot's answer to one step.
type reply struct {
	verb verb
	// data is the challenge of CONT, or what OK has for the client; nil for none.
	data []byte
	// fields are those of OK and FAIL by name, "" for one without a value. Of those
	// that stand there twice the first counts.
	fields map[string]string
}

// parseReply reads a line of an exchange with the id that it is about. ok is false
// for a line that is about none.
func parseReply(line string) (id uint32, r reply, ok bool, err error) {
	fields, err := fieldsOf(line)
	if err != nil {
		return 0, r, false, err
	}
	switch fields[0] {
	case "CONT":
		r.verb = goesOn
	case "OK":
		r.verb = isDone
	case "FAIL":
		r.verb = isOver
	default:
		return 0, r, false, nil // what is not known is ignored
	}
	if len(fields) < 2 {
		return 0, r, false, errNoLine
	}
	n, err := strconv.ParseUint(fields[1], 10, 32)
	if err != nil {
		return 0, r, false, errNoLine
	}
	if err := r.read(fields[2:]); err != nil {
		return 0, r, false, err
	}
	return uint32(n), r, true, nil
}

// read reads what stands behind the id.
func (r *reply) read(fields []string) (err error) {
	if r.verb == goesOn {
		text := ""
		if len(fields) > 0 {
			text = fields[0]
		}
		r.data, err = decode(text)
		return err
	}
	r.fields = map[string]string{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if _, twice := r.fields[name]; !twice {
			r.fields[name] = value
		}
	}
	if text, ok := r.fields["resp"]; ok && r.verb == isDone {
		r.data, err = decode(text)
	}
	return err
}

// decode reads base64 (RFC 4648 section 4) into a slice that is never nil.
func decode(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, errNoLine // without the text, which may be a secret's
	}
	return data, nil
}
