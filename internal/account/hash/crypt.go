package hash

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"
	"golang.org/x/crypto/bcrypt"
)

// Bounds and lengths of what crypt(3) derives.
const (
	minBcryptCost     = 4
	maxBcryptCost     = 14 // about a second
	maxBcryptPassword = 72 // octets that it reads
	bcryptSalt        = 22 // characters
	bcryptKey         = 31

	minSHACryptRounds     = 1000
	defaultSHACryptRounds = 5000
	maxSHACryptRounds     = 1_000_000
	maxSHACryptSalt       = 16 // characters
	sha256CryptKey        = 43
	sha512CryptKey        = 86

	minYescryptN    = 1 << 10
	maxYescryptN    = 1 << 18
	maxYescryptR    = 32
	maxYescryptKiB  = 256 << 10 // of memory, which is N times r times 128 octets
	maxYescryptSalt = 64        // octets
	yescryptKey     = 32
)

// bcryptHash is "$2b$10$" with 22 characters of salt and 31 of the key; "$2a$"
// and "$2y$" are the same today.
type bcryptHash struct {
	full   string
	rounds Cost
}

func parseBcrypt(_, text string) (stored, error) {
	id, rest, _ := strings.Cut(text[1:], "$")
	digits, tail, _ := strings.Cut(rest, "$")
	// The cost is written with two digits.
	cost, err := checkBcrypt(number(strings.TrimPrefix(digits, "0")))
	if err != nil {
		return nil, err
	}
	if len(id) != 2 || len(digits) != 2 || len(tail) != bcryptSalt+bcryptKey || !cryptText(tail) {
		return nil, fmt.Errorf("it has not the %d characters of salt and key", bcryptSalt+bcryptKey)
	}
	return bcryptHash{full: text, rounds: cost}, nil
}

func checkBcrypt(cost int) (Cost, error) {
	if err := within("doublings of its work", cost, minBcryptCost, maxBcryptCost); err != nil {
		return Cost{}, err
	}
	return Cost{work: workBcrypt, first: uint32(cost)}, nil
}

// matches cuts a password off where bcrypt does (see Hash.Whole). The library
// compares in constant time.
func (h bcryptHash) matches(password string) bool {
	password = password[:min(len(password), maxBcryptPassword)]
	return bcrypt.CompareHashAndPassword([]byte(h.full), []byte(password)) == nil
}

func (h bcryptHash) cost() Cost     { return h.rounds }
func (h bcryptHash) scheme() string { return workBcrypt }
func (h bcryptHash) text() string   { return h.full }

// shaCryptHash is "$6$salt$key" or "$6$rounds=10000$salt$key", or "$5$" of
// SHA-256.
type shaCryptHash struct {
	full      string
	rounds    Cost
	salt, key string
}

func parseSHACrypt(work, text string) (stored, error) {
	parts := strings.Split(text, "$")[2:]
	rounds := defaultSHACryptRounds
	if digits, ok := strings.CutPrefix(parts[0], "rounds="); ok {
		rounds, parts = number(digits), parts[1:]
	}
	if len(parts) != 2 || len(parts[0]) == 0 {
		return nil, fmt.Errorf("it has not the parts salt and key")
	}
	cost, err := checkSHACrypt(work, rounds, len(parts[0]))
	if err != nil {
		return nil, err
	}
	length := sha512CryptKey
	if work == workSHA256Crypt {
		length = sha256CryptKey
	}
	if len(parts[1]) != length || !cryptText(parts[1]) {
		return nil, fmt.Errorf("its key has not %d characters", length)
	}
	return shaCryptHash{full: text, rounds: cost, salt: parts[0], key: parts[1]}, nil
}

func checkSHACrypt(work string, rounds, salt int) (Cost, error) {
	if err := within("rounds", rounds, minSHACryptRounds, maxSHACryptRounds); err != nil {
		return Cost{}, err
	}
	if err := within("characters of salt", salt, 1, maxSHACryptSalt); err != nil {
		return Cost{}, err
	}
	return Cost{work: work, first: uint32(rounds), second: uint32(salt)}, nil
}

func (h shaCryptHash) matches(password string) bool {
	digest := sha512.New
	if h.rounds.work == workSHA256Crypt {
		digest = sha256.New
	}
	key := crypt.KeySHACrypt(digest, []byte(password), []byte(h.salt), int(h.rounds.first))
	return subtle.ConstantTimeCompare(key, []byte(h.key)) == 1
}

func (h shaCryptHash) cost() Cost     { return h.rounds }
func (h shaCryptHash) scheme() string { return h.rounds.work }
func (h shaCryptHash) text() string   { return h.full }

// yescryptHash is "$y$j9T$salt$key": "j" for the flags of today's default, one
// character for the logarithm of N, one for r.
type yescryptHash struct {
	full      string
	rounds    Cost
	salt, key []byte
}

func parseYescrypt(_, text string) (stored, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, fmt.Errorf("it has not the parts parameters, salt and key")
	}
	_, logN, r, err := yescrypt.DecodeSetting([]byte(parts[2]))
	if err != nil || logN > 62 {
		return nil, fmt.Errorf("its parameters are not those that crypt(3) writes")
	}
	cost, err := checkYescrypt(1<<logN, r)
	if err != nil {
		return nil, err
	}
	salt, key := yescrypt.Decode64([]byte(parts[3])), yescrypt.Decode64([]byte(parts[4]))
	if len(salt) == 0 || len(salt) > maxYescryptSalt || len(key) != yescryptKey {
		return nil, fmt.Errorf("its salt or key cannot be read or has the wrong length")
	}
	return yescryptHash{full: text, rounds: cost, salt: salt, key: key}, nil
}

func checkYescrypt(n, r int) (Cost, error) {
	if err := within("blocks (N)", n, minYescryptN, maxYescryptN); err != nil {
		return Cost{}, err
	}
	if err := within("lines a block (r)", r, 1, maxYescryptR); err != nil {
		return Cost{}, err
	}
	if err := within("KiB of memory", n*r/8, 1, maxYescryptKiB); err != nil {
		return Cost{}, err
	}
	if n&(n-1) != 0 {
		return Cost{}, fmt.Errorf("its N is not a power of two")
	}
	return Cost{work: workYescrypt, first: uint32(n), second: uint32(r)}, nil
}

func (h yescryptHash) matches(password string) bool {
	key, err := yescrypt.Key([]byte(password), h.salt, int(h.rounds.first), int(h.rounds.second), 1, yescryptKey)
	return err == nil && subtle.ConstantTimeCompare(key, h.key) == 1
}

func (h yescryptHash) cost() Cost     { return h.rounds }
func (h yescryptHash) scheme() string { return workYescrypt }
func (h yescryptHash) text() string   { return h.full }

// cryptText reports whether text has characters of crypt(3)'s base 64 alone.
func cryptText(text string) bool {
	for _, c := range []byte(text) {
		if (c < '.' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
