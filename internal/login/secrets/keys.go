package secrets

import (
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/account"
	"countersign/internal/account/hash"
	"countersign/internal/fault"
	"countersign/internal/sasl"
	"countersign/internal/seal"
)

// Key is what a password was turned into for one mechanism.
type Key struct {
	sasl.Key
	// Others are those that some clients make in place of Key, as they prepare or encode the
	// password in another way: with SCRAM one of sasl.ScramPassword, of the same salt and
	// iterations; with CRAM-MD5 and DIGEST-MD5 all but the first of sasl.CramKeys and
	// sasl.DigestKeys. sasl.Forms bounds them. None where they are all the same.
	Others []sasl.Key
	// Salt and Iterations are for SCRAM alone.
	Salt       []byte
	Iterations int
}

// complete adds the keys that are missing, damaged or of fewer iterations, and drops those
// that are not wanted any more.
func (m *Maker) complete(s account.Secret, login, password string, legacy bool) (account.Secret, error) {
	have := account.Secret{Keys: s.Keys}
	s.Keys = nil
	for _, mechanism := range wanted(legacy) {
		value := have.Key(mechanism)
		if m.deficient(mechanism, login, value) || m.halved(mechanism, login, value, password) {
			var err error
			if value, err = m.sealed(mechanism, login, m.derive(mechanism, login, password)); err != nil {
				return s, err
			}
		}
		s.Keys = append(s.Keys, account.SecretKey{Mechanism: mechanism, Value: value})
	}
	return s, nil
}

// wanted are the mechanisms that a password has keys for.
func wanted(legacy bool) []string {
	if legacy {
		return []string{sasl.ScramSHA1, sasl.ScramSHA256, CramMD5, DigestMD5}
	}
	return []string{sasl.ScramSHA1, sasl.ScramSHA256}
}

// Lacks reports whether some keys are missing, damaged, of too few iterations, or not
// wanted any more.
func (m *Maker) Lacks(s *account.Secret, login string, legacy bool) bool {
	list := wanted(legacy)
	return slices.ContainsFunc(list, func(mechanism string) bool { return m.deficient(mechanism, login, s.Key(mechanism)) }) ||
		slices.ContainsFunc(s.Keys, func(k account.SecretKey) bool { return !slices.Contains(list, k.Mechanism) })
}

// deficient reports whether a key is to be made anew.
func (m *Maker) deficient(mechanism, login, value string) bool {
	k, err := m.Open(mechanism, login, value)
	return err != nil || isScram(mechanism) && k.Iterations < m.opt.Iterations
}

// lacks is Lacks for who knows the password.
func (m *Maker) lacks(s *account.Secret, login, password string, legacy bool) bool {
	return m.Lacks(s, login, legacy) || slices.ContainsFunc(wanted(legacy), func(mechanism string) bool {
		return m.halved(mechanism, login, s.Key(mechanism), password)
	})
}

// halved reports whether a key that can be opened has to have others of its password, and has not
// as many.
func (m *Maker) halved(mechanism, login, value, password string) bool {
	k, err := m.Open(mechanism, login, value)
	if err != nil {
		return false
	}
	if isScram(mechanism) {
		return sasl.ScramPassword(password) != password && len(k.Others) == 0
	}
	return len(k.Others) < len(m.derive(mechanism, login, password).Others)
}

// derive makes the key of a password.
func (m *Maker) derive(mechanism, login, password string) Key {
	switch mechanism {
	case CramMD5:
		all := sasl.CramKeys(password)
		return Key{Key: all[0], Others: all[1:]}
	case DigestMD5:
		all := sasl.DigestKeys(login, m.opt.Realm, password)
		return Key{Key: all[0], Others: all[1:]}
	}
	salt, n := m.salt(mechanism, login), m.opt.Iterations
	k := Key{Key: sasl.ScramKey(mechanism, password, salt, n), Salt: salt, Iterations: n}
	if prepared := sasl.ScramPassword(password); prepared != password {
		k.Others = []sasl.Key{sasl.ScramKey(mechanism, prepared, salt, n)}
	}
	return k
}

// sealed is the form in which a key is stored: with those of CRAM-MD5 and DIGEST-MD5 one
// can log in, and against those of SCRAM one can guess much faster than against the hash
// beside them.
func (m *Maker) sealed(mechanism, login string, k Key) (string, error) {
	plain := []byte(k.scram())
	if !isScram(mechanism) {
		plain = slices.Concat(k.Stored, k.Server)
		for _, other := range k.Others {
			plain = slices.Concat(plain, other.Stored, other.Server)
		}
	}
	sealed, err := m.opt.Sealer.Seal(seal.Password, seal.PasswordName(mechanism, login), plain)
	return base64.StdEncoding.EncodeToString(sealed), err
}

// Open returns the key of a secret for a mechanism. Errors are fault.Corrupt for none and
// for a damaged one, else those of seal.Sealer.
func (m *Maker) Open(mechanism, login, value string) (Key, error) {
	damaged := fault.New("secrets.key", fault.Corrupt, "the %s key of %s is damaged", mechanism, login)
	sealed, err := base64.StdEncoding.DecodeString(value)
	if err != nil || value == "" {
		return Key{}, damaged
	}
	plain, err := m.opt.Sealer.Open(seal.Password, seal.PasswordName(mechanism, login), sealed)
	switch {
	case err != nil:
		return Key{}, err
	case isScram(mechanism):
		return parseScram(mechanism, string(plain))
	case mechanism == DigestMD5:
		return cutKeys(mechanism, plain, 0)
	case mechanism == CramMD5:
		return cutKeys(mechanism, plain, md5.Size)
	}
	return Key{}, damaged
}

// cutKeys reads keys of MD5, one behind the other, whose second part has server octets.
func cutKeys(mechanism string, plain []byte, server int) (k Key, err error) {
	size := md5.Size + server
	if len(plain) == 0 || len(plain)%size != 0 || len(plain)/size > sasl.Forms(mechanism) {
		return k, fault.New("secrets.key", fault.Corrupt, "a key of %s is damaged", mechanism)
	}
	for each := range slices.Chunk(plain, size) {
		key := sasl.Key{Stored: each[:md5.Size:md5.Size]}
		if server > 0 {
			key.Server = each[md5.Size:]
		}
		k.Others = append(k.Others, key)
	}
	k.Key, k.Others = k.Others[0], k.Others[1:]
	return k, nil
}

// Which returns which of the keys a client with a password proves, -1 for none. With SCRAM that
// is a client that keeps to RFC 5802 section 2.2.
func (m *Maker) Which(k *sasl.Keys, password string) int {
	prepared, err := account.PreparePassword(password)
	if err != nil {
		return -1
	}
	var key sasl.Key
	switch k.Mechanism {
	case CramMD5:
		key = sasl.CramKey(prepared)
	case DigestMD5:
		// RFC 2831 section 2.1.2.1: the client mixes in the name as it has it.
		key = sasl.DigestKey(k.Login, m.opt.Realm, prepared)
	default:
		key = sasl.ScramKey(k.Mechanism, sasl.ScramPassword(prepared), k.Salt, k.Iterations)
	}
	return slices.IndexFunc(k.List, func(have sasl.Key) bool { return string(have.Stored) == string(key.Stored) })
}

// Decoy returns a key that nobody has the password of, the same for a login each time and
// like those of accounts.
func (m *Maker) Decoy(mechanism, login string) Key {
	part := func(name string, octets int) []byte { return m.mac(name, mechanism, login)[:octets] }
	switch mechanism {
	case CramMD5:
		return Key{Key: sasl.Key{Stored: part("inner", 16), Server: part("outer", 16)}}
	case DigestMD5:
		return Key{Key: sasl.Key{Stored: part("stored", 16)}}
	}
	size := digestSize(mechanism)
	k := Key{Key: sasl.Key{Stored: part("stored", size), Server: part("server", size)}, Salt: m.salt(mechanism, login), Iterations: m.opt.Iterations}
	// As many of the unknown have each of the former numbers as have the present one.
	which := int(binary.BigEndian.Uint32(m.mac("iterations", login))) % (1 + len(m.opt.FormerIterations))
	if which > 0 {
		k.Iterations = m.opt.FormerIterations[which-1]
	}
	return k
}

// KeyIn names the mechanism for which a password hash that another system has made is a
// key too; "" for none. Those of fewer or more iterations than clients are asked for are
// none: the first login with the password makes others.
func KeyIn(h hash.Hash) string {
	keys, ok := h.SCRAM()
	switch {
	case !ok || keys.Iterations < sasl.MinIterations || keys.Iterations > sasl.MaxIterations || len(keys.Salt) > sasl.MaxSalt:
		return ""
	case keys.Digest == crypto.SHA1:
		return sasl.ScramSHA1
	}
	return sasl.ScramSHA256
}

// salt is the salt of SCRAM's keys of a login, whether there is such an account or not.
func (m *Maker) salt(mechanism, login string) []byte { return m.mac("salt", mechanism, login)[:16] }

// Lasting returns 32 octets that are the same for the same names on all gates of the store,
// and that nobody without its salt can compute. The first name has no NUL in it.
func (m *Maker) Lasting(names ...string) []byte { return m.mac(names...) }

// mac is a keyed digest of some names; the first has no NUL in it.
func (m *Maker) mac(names ...string) []byte {
	mac := hmac.New(sha256.New, m.opt.Salt)
	mac.Write([]byte(strings.Join(names, "\x00")))
	return mac.Sum(nil)
}

func isScram(mechanism string) bool {
	return mechanism == sasl.ScramSHA1 || mechanism == sasl.ScramSHA256
}

// digestSize is the size of SCRAM's keys.
func digestSize(mechanism string) int {
	if mechanism == sasl.ScramSHA1 {
		return sha1.Size
	}
	return sha256.Size
}

// scram returns SCRAM's form of a key, which parseScram reads: "iterations,salt,stored,server", and
// ",stored,server" of the other one where there is that; all but the first in base64.
func (k Key) scram() string {
	text := k.first()
	for _, other := range k.Others {
		b := base64.StdEncoding.EncodeToString
		text += "," + b(other.Stored) + "," + b(other.Server)
	}
	return text
}

// first is scram without Others, as hashes have it.
func (k Key) first() string {
	b := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%d,%s,%s,%s", k.Iterations, b(k.Salt), b(k.Stored), b(k.Server))
}

// parseScram reads the key of a mechanism, and takes none that an exchange of it could
// not use.
func parseScram(mechanism, text string) (k Key, err error) {
	damaged := fault.New("secrets.key", fault.Corrupt, "a key of %s is damaged", mechanism)
	parts := strings.Split(text, ",")
	if len(parts) != 4 && len(parts) != 6 {
		return k, damaged
	}
	k.Iterations, err = strconv.Atoi(parts[0])
	var other sasl.Key
	for i, to := range []*[]byte{&k.Salt, &k.Stored, &k.Server, &other.Stored, &other.Server}[:len(parts)-1] {
		if err == nil {
			*to, err = base64.StdEncoding.DecodeString(parts[i+1])
		}
	}
	size := digestSize(mechanism)
	if len(parts) == 6 {
		if len(other.Stored) != size || len(other.Server) != size {
			return Key{}, damaged
		}
		k.Others = []sasl.Key{other}
	}
	if err != nil || len(k.Stored) != size || len(k.Server) != size || len(k.Salt) == 0 || len(k.Salt) > sasl.MaxSalt ||
		k.Iterations < sasl.MinIterations || k.Iterations > sasl.MaxIterations {
		return Key{}, damaged
	}
	return k, nil
}
