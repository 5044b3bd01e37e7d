package hash

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what PBKDF2 derives.
const (
	maxPBKDF2Iterations = 2_000_000 // below two seconds
	maxPBKDF2Salt       = 64        // octets
)

// pbkdf2Hash is a key of PBKDF2 (RFC 8018 section 5.2), as long as its digest,
// in one of the forms of others.
type pbkdf2Hash struct {
	full      string
	rounds    Cost
	salt, key []byte
}

// digestOf is the hash function that a work of PBKDF2 is named after.
func digestOf(work string) crypto.Hash {
	switch work {
	case workPBKDF2SHA1:
		return crypto.SHA1
	case workPBKDF2SHA256:
		return crypto.SHA256
	}
	return crypto.SHA512
}

func checkPBKDF2(work string, iterations int) (Cost, error) {
	if err := within("iterations", iterations, 1, maxPBKDF2Iterations); err != nil {
		return Cost{}, err
	}
	return Cost{work: work, first: uint32(iterations)}, nil
}

// pbkdf2Parts are what all the forms have.
type pbkdf2Parts struct {
	work, iterations string
	salt, key        []byte
}

// newPBKDF2 checks the parts of text. A key of another length than the digest's
// would cost more or mean less.
func newPBKDF2(text string, p pbkdf2Parts) (stored, error) {
	cost, err := checkPBKDF2(p.work, number(p.iterations))
	if err != nil {
		return nil, err
	}
	if len(p.salt) == 0 || len(p.salt) > maxPBKDF2Salt {
		return nil, fmt.Errorf("its salt cannot be read or has not 1 to %d octets", maxPBKDF2Salt)
	}
	if size := digestOf(p.work).Size(); len(p.key) != size {
		return nil, fmt.Errorf("its key cannot be read or has not %d octets", size)
	}
	return pbkdf2Hash{full: text, rounds: cost, salt: p.salt, key: p.key}, nil
}

// parseDovecotPBKDF2 reads "$1$salt$iterations$hex" of SHA-1.
func parseDovecotPBKDF2(body string) (stored, error) {
	parts := strings.Split(body, "$")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "1" {
		return nil, fmt.Errorf("it has not the form $1$salt$iterations$key")
	}
	key, _ := hex.DecodeString(parts[4])
	return newPBKDF2("{PBKDF2}"+body, pbkdf2Parts{workPBKDF2SHA1, parts[3], []byte(parts[2]), key})
}

// parsePasslibPBKDF2 reads "$pbkdf2-sha256$iterations$salt$key", in base64
// without padding and with "." for "+".
func parsePasslibPBKDF2(work, text string) (stored, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 || strings.Contains(text, "+") {
		return nil, fmt.Errorf("it has not the form $pbkdf2-…$iterations$salt$key")
	}
	salt, _ := decodeLength(base64.RawStdEncoding, strings.ReplaceAll(parts[3], ".", "+"), 1, maxPBKDF2Salt)
	key, _ := decodeLength(base64.RawStdEncoding, strings.ReplaceAll(parts[4], ".", "+"), 1, maxPBKDF2Salt)
	return newPBKDF2(text, pbkdf2Parts{work, parts[2], salt, key})
}

// parseDjangoPBKDF2 reads "pbkdf2_sha256$iterations$salt$key", where the salt
// stands as it is.
func parseDjangoPBKDF2(work, text string) (stored, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 {
		return nil, fmt.Errorf("it has not the form pbkdf2_…$iterations$salt$key")
	}
	key, _ := decodeLength(base64.StdEncoding, parts[3], 1, maxPBKDF2Salt)
	return newPBKDF2(text, pbkdf2Parts{work, parts[1], []byte(parts[2]), key})
}

func (h pbkdf2Hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(derivePBKDF2(h.rounds, password, h.salt), h.key) == 1
}

// derivePBKDF2 returns nil, which equals no key, where the standard library
// refuses.
func derivePBKDF2(c Cost, password string, salt []byte) []byte {
	digest := digestOf(c.work)
	key, err := pbkdf2.Key(digest.New, password, salt, int(c.first), digest.Size())
	if err != nil {
		return nil
	}
	return key
}

func (h pbkdf2Hash) cost() Cost     { return h.rounds }
func (h pbkdf2Hash) scheme() string { return h.rounds.work }
func (h pbkdf2Hash) text() string   { return h.full }

// SCRAM is what a server keeps for SCRAM (RFC 5802 section 3). Whoever has
// StoredKey and sees one exchange can log in: it is a secret.
type SCRAM struct {
	// Digest is crypto.SHA1 or crypto.SHA256 (RFC 7677).
	Digest crypto.Hash
	// Iterations are 1 to 2,000,000; RFC 7677 section 4 wants at least 4096.
	Iterations int
	// Salt has 1 to 64 octets.
	Salt []byte
	// StoredKey and ServerKey are as long as the digest.
	StoredKey, ServerKey []byte
}

// SCRAM returns the keys of a hash that is made of them, and whether it is.
func (h Hash) SCRAM() (SCRAM, bool) {
	s, ok := h.stored.(scramHash)
	if !ok {
		return SCRAM{}, false
	}
	keys := s.keys
	keys.Salt, keys.StoredKey, keys.ServerKey = bytes.Clone(keys.Salt), bytes.Clone(keys.StoredKey), bytes.Clone(keys.ServerKey)
	return keys, true
}

// scramHash is Dovecot's "iterations,salt,stored,server", in base64.
type scramHash struct {
	rounds Cost
	keys   SCRAM
}

func parseSCRAM(work, body string) (stored, error) {
	parts := strings.Split(body, ",")
	if len(parts) != 4 {
		return nil, fmt.Errorf("it has not the form iterations,salt,stored key,server key")
	}
	cost, err := checkPBKDF2(work, number(parts[0]))
	if err != nil {
		return nil, err
	}
	keys := SCRAM{Digest: digestOf(work), Iterations: int(cost.first)}
	size := keys.Digest.Size()
	if keys.Salt, err = decodeLength(base64.StdEncoding, parts[1], 1, maxPBKDF2Salt); err != nil {
		return nil, fmt.Errorf("its salt is %w", err)
	}
	if keys.StoredKey, err = decodeLength(base64.StdEncoding, parts[2], size, size); err != nil {
		return nil, fmt.Errorf("its stored key is %w", err)
	}
	if keys.ServerKey, err = decodeLength(base64.StdEncoding, parts[3], size, size); err != nil {
		return nil, fmt.Errorf("its server key is %w", err)
	}
	return scramHash{rounds: cost, keys: keys}, nil
}

// matches derives both keys, so that a hash with one wrong key matches nothing.
func (h scramHash) matches(password string) bool {
	// RFC 5802 section 3: SaltedPassword := Hi(Normalize(password), salt, i),
	// ClientKey := HMAC(SaltedPassword, "Client Key"), StoredKey := H(ClientKey),
	// ServerKey := HMAC(SaltedPassword, "Server Key").
	salted := derivePBKDF2(h.rounds, password, h.keys.Salt)
	stored := h.keys.Digest.New()
	stored.Write(h.mac(salted, "Client Key"))
	same := subtle.ConstantTimeCompare(stored.Sum(nil), h.keys.StoredKey)
	same &= subtle.ConstantTimeCompare(h.mac(salted, "Server Key"), h.keys.ServerKey)
	return same == 1 && salted != nil
}

func (h scramHash) mac(key []byte, text string) []byte {
	m := hmac.New(h.keys.Digest.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (h scramHash) cost() Cost { return h.rounds }

func (h scramHash) scheme() string {
	if h.keys.Digest == crypto.SHA1 {
		return "SCRAM-SHA-1"
	}
	return "SCRAM-SHA-256"
}

func (h scramHash) text() string {
	enc := base64.StdEncoding.EncodeToString
	return "{" + h.scheme() + "}" + strings.Join([]string{
		strconv.Itoa(h.keys.Iterations), enc(h.keys.Salt), enc(h.keys.StoredKey), enc(h.keys.ServerKey),
	}, ",")
}
