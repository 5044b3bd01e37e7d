package hash

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"countersign/internal/fault"
)

// MaxText is the most octets of a stored hash.
const MaxText = 1024

// Reader says how stored hashes are read. The zero value reads those that name
// their scheme, and none that holds the password itself.
type Reader struct {
	// Scheme is the scheme of hashes that name none, as Dovecot's
	// default_pass_scheme: "SHA512-CRYPT", "SSHA256.hex". With "" they must be
	// of a form that begins with "$" or, as Django's, "pbkdf2_".
	Scheme string
	// Plain accepts what is as good as the password, or nearly: PLAIN, CLEAR
	// and CLEARTEXT, and MD5 without salt (PLAIN-MD5, LDAP-MD5).
	Plain bool
}

// Parse reads a stored hash as the zero Reader does.
func Parse(text string) (Hash, error) { return Reader{}.Parse(text) }

// Parse reads a stored hash. Errors are fault.Invalid with a sentence that
// names the scheme and says what is wrong, and never repeat any of the hash.
// Among them is that it costs more than allowed: bcrypt above 14, SHA-crypt
// above 1,000,000 rounds, PBKDF2 and SCRAM above 2,000,000 iterations, argon2
// and yescrypt above 256 MiB, argon2 above 16 passes or lanes.
func (r Reader) Parse(text string) (Hash, error) {
	s, err := r.parse(text)
	if err == nil && len(s.text()) > MaxText {
		err = fmt.Errorf("the password hash is too long")
	}
	if err != nil {
		return Hash{}, fault.New("hash.parse", fault.Invalid, "%v", err)
	}
	return Hash{s}, nil
}

func (r Reader) parse(text string) (stored, error) {
	switch {
	case text == "":
		return nil, fmt.Errorf("there is no password hash")
	case len(text) > MaxText:
		return nil, fmt.Errorf("the password hash has %d octets, at most %d are read", len(text), MaxText)
	case !printable(text):
		return nil, fmt.Errorf("the password hash holds a control character or is not UTF-8")
	}
	if name, body, ok := cutScheme(text); ok {
		return r.scheme(name, body)
	}
	if r.Scheme != "" {
		return r.scheme(r.Scheme, text)
	}
	return detect(text)
}

// cutScheme takes "{SCHEME}" off a hash.
func cutScheme(text string) (name, body string, ok bool) {
	rest, ok := strings.CutPrefix(text, "{")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "}")
}

// encoding is how the octets of a hash are written.
type encoding uint8

const (
	encodingUnnamed encoding = iota
	encodingBase64
	encodingHex
)

// decode reads body; one of no named encoding is returned as it is. Padding may
// be missing.
func (e encoding) decode(body string) ([]byte, error) {
	switch e {
	case encodingBase64:
		raw, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(body, "="))
		if err != nil {
			return nil, fmt.Errorf("it is not proper base64")
		}
		return raw, nil
	case encodingHex:
		raw, err := hex.DecodeString(body)
		if err != nil {
			return nil, fmt.Errorf("it is not proper hex")
		}
		return raw, nil
	}
	return []byte(body), nil
}

// encodingNames are what may stand behind the dot of a scheme.
var encodingNames = map[string]encoding{"B64": encodingBase64, "BASE64": encodingBase64, "HEX": encodingHex}

// scheme reads a hash whose scheme is named, with or without an encoding.
// Schemes are named without regard to case.
func (r Reader) scheme(name, body string) (stored, error) {
	name, suffix, encoded := strings.Cut(strings.ToUpper(name), ".")
	enc, known := encodingNames[suffix]
	if encoded && !known {
		return nil, fmt.Errorf("the password hash names an encoding that is neither hex nor b64")
	}
	s, err := r.named(name, enc, body)
	switch _, unsupported := unsupportedSchemes[name]; {
	case err == nil:
		return s, nil
	case unsupported || knownScheme(name):
		return nil, fmt.Errorf("the password hash of scheme %s: %w", name, err)
	}
	return nil, err
}

func (r Reader) named(name string, enc encoding, body string) (stored, error) {
	if name == "MD5" && !strings.HasPrefix(body, md5CryptMagic) && enc == encodingUnnamed {
		name = "PLAIN-MD5" // Dovecot's MD5 is either
	}
	if kind, ok := digestKinds[name]; ok {
		if kind.plain && !r.Plain {
			return nil, errPlain
		}
		return parseDigest(kind, enc, body)
	}
	parse, ok := textSchemes[name]
	if why, unsupported := unsupportedSchemes[name]; unsupported {
		return nil, fmt.Errorf("it is not supported: %s", why)
	} else if !ok {
		return nil, fmt.Errorf("the password hash names a scheme%s that is not known; known are %s", shown(name), strings.Join(known(), ", "))
	}
	if plainSchemes[name] && !r.Plain {
		return nil, errPlain
	}
	raw, err := enc.decode(body)
	if err != nil {
		return nil, err
	}
	if !printable(string(raw)) {
		return nil, fmt.Errorf("it holds a control character or is not UTF-8")
	}
	return parse(string(raw))
}

// printable reports whether text can be stored in any database.
func printable(text string) bool {
	control := func(c rune) bool { return c < ' ' || c == 0x7f }
	return utf8.ValidString(text) && !strings.ContainsFunc(text, control)
}

var errPlain = fmt.Errorf("it is the password itself, or as good as that, which is accepted only where it is asked for")

// textSchemes are the schemes whose hash is text, by Dovecot's names. Those of
// crypt(3) say in the hash which they are, and Dovecot reads any under any name.
var textSchemes = map[string]func(body string) (stored, error){
	"CRYPT":        parseModular,
	"BLF-CRYPT":    parseModular,
	"SHA256-CRYPT": parseModular,
	"SHA512-CRYPT": parseModular,
	"MD5-CRYPT":    parseModular,
	"MD5":          parseModular,
	"ARGON2":       parseModular,
	"ARGON2I":      parseModular,
	"ARGON2ID":     parseModular,
	"PBKDF2":       parseDovecotPBKDF2,
	"SCRAM-SHA-1": func(body string) (stored, error) {
		return parseSCRAM(workPBKDF2SHA1, body)
	},
	"SCRAM-SHA-256": func(body string) (stored, error) {
		return parseSCRAM(workPBKDF2SHA256, body)
	},
	"PLAIN":     parsePlain,
	"CLEAR":     parsePlain,
	"CLEARTEXT": parsePlain,
}

var plainSchemes = map[string]bool{"PLAIN": true, "CLEAR": true, "CLEARTEXT": true}

const setNew = "set a new password"

// unsupportedSchemes are those of Dovecot that are left out, and why.
var unsupportedSchemes = map[string]string{
	"DES-CRYPT":   "it reads eight characters alone; " + setNew,
	"PLAIN-MD4":   "MD4 is broken; " + setNew,
	"PLAIN-TRUNC": "it accepts a part of a password; " + setNew,
	"CRAM-MD5":    "it is good for one mechanism; " + setNew,
	"HMAC-MD5":    "it is good for one mechanism; " + setNew,
	"DIGEST-MD5":  "it is good for one mechanism; " + setNew,
	"LANMAN":      "it is broken; " + setNew,
	"NTLM":        "MD4 is broken; " + setNew,
	"OTP":         "it changes with each login; " + setNew,
	"SKEY":        "it changes with each login; " + setNew,
	"RPA":         "it is good for one mechanism; " + setNew,
}

func knownScheme(name string) bool {
	_, text := textSchemes[name]
	_, digest := digestKinds[name]
	return text || digest
}

// known are the names of all schemes.
func known() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(textSchemes)), maps.Keys(digestKinds))
	slices.Sort(names)
	return names
}

// longestScheme is the most characters of a name that may be one of a scheme.
const longestScheme = 20

// shown returns the name of a scheme with a blank before it, "" for what may be anything
// else, a password among it.
func shown(name string) string {
	odd := func(c rune) bool { return (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' }
	if name == "" || len(name) > longestScheme || strings.ContainsFunc(name, odd) {
		return ""
	}
	return " " + name
}

// modular is a form that begins with "$id$", or as Django's with "id$".
type modular struct {
	work  string
	parse func(work, text string) (stored, error)
}

// what names the form in errors.
func (m modular) what() string {
	switch m.work {
	case md5CryptMagic, apr1Magic:
		return "MD5-crypt"
	}
	return m.work
}

// modularForms are the forms by id.
var modularForms = map[string]modular{
	"$argon2id":      {workArgon2id, parseArgon2},
	"$argon2i":       {workArgon2i, parseArgon2},
	"$2a":            {workBcrypt, parseBcrypt},
	"$2b":            {workBcrypt, parseBcrypt},
	"$2y":            {workBcrypt, parseBcrypt},
	"$5":             {workSHA256Crypt, parseSHACrypt},
	"$6":             {workSHA512Crypt, parseSHACrypt},
	"$1":             {md5CryptMagic, parseMD5Crypt},
	"$apr1":          {apr1Magic, parseMD5Crypt},
	"$y":             {workYescrypt, parseYescrypt},
	"$pbkdf2":        {workPBKDF2SHA1, parsePasslibPBKDF2},
	"$pbkdf2-sha256": {workPBKDF2SHA256, parsePasslibPBKDF2},
	"$pbkdf2-sha512": {workPBKDF2SHA512, parsePasslibPBKDF2},
	"pbkdf2_sha1":    {workPBKDF2SHA1, parseDjangoPBKDF2},
	"pbkdf2_sha256":  {workPBKDF2SHA256, parseDjangoPBKDF2},
}

// detect reads a hash without a named scheme.
func detect(text string) (stored, error) {
	s, err := parseModular(text)
	if err != nil {
		return nil, fmt.Errorf("the password hash: %w", err)
	}
	return s, nil
}

// withoutDjango takes off what Django writes before the forms of others.
func withoutDjango(text string) string {
	if crypt, ok := strings.CutPrefix(text, "bcrypt$$"); ok {
		return "$" + crypt
	}
	if phc, ok := strings.CutPrefix(text, "argon2$"); ok {
		return "$" + phc
	}
	return text
}

// parseModular reads a hash by the id that it begins with.
func parseModular(text string) (stored, error) {
	if strings.HasPrefix(text, "!") || strings.HasPrefix(text, "*") {
		return nil, fmt.Errorf("it is locked (it begins with ! or *); import the account without a password")
	}
	text = withoutDjango(text)
	name, _, ended := strings.Cut(strings.TrimPrefix(text, "$"), "$")
	if !ended {
		return nil, fmt.Errorf("it names no scheme that is known; DES is not supported, nor are passwords as they are")
	}
	id := name
	if strings.HasPrefix(text, "$") {
		id = "$" + name
	}
	form, ok := modularForms[id]
	if !ok {
		return nil, fmt.Errorf("its form is not supported; those of argon2id, argon2i, bcrypt, SHA-256-, SHA-512- and MD5-crypt, yescrypt and PBKDF2 are")
	}
	s, err := form.parse(form.work, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", form.what(), err)
	}
	return s, nil
}
