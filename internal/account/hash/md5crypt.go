package hash

import (
	"crypto/md5"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/go-crypt/x/base64"
)

// Of MD5-crypt, whose rounds are always the same.
const (
	md5CryptMagic   = "$1$"
	apr1Magic       = "$apr1$"
	maxMD5CryptSalt = 8 // characters
	md5CryptKey     = 22
	md5CryptRounds  = 1000
)

// md5CryptHash is "$1$salt$key", or "$apr1$salt$key" of Apache, which differs
// in that prefix alone, as it is hashed too.
type md5CryptHash struct {
	magic, salt, key string
}

func parseMD5Crypt(magic, text string) (stored, error) {
	salt, key, _ := strings.Cut(strings.TrimPrefix(text, magic), "$")
	if len(salt) == 0 || len(salt) > maxMD5CryptSalt {
		return nil, fmt.Errorf("its salt has %d characters, 1 to %d are allowed", len(salt), maxMD5CryptSalt)
	}
	if len(key) != md5CryptKey || !cryptText(key) {
		return nil, fmt.Errorf("its key has not %d characters", md5CryptKey)
	}
	return md5CryptHash{magic: magic, salt: salt, key: key}, nil
}

// derive is MD5-crypt. The library that has the other kinds of crypt(3) knows
// no prefix but "$1$".
func (h md5CryptHash) derive(password string) []byte {
	inner := md5.Sum([]byte(password + h.salt + password))
	first := []byte(password + h.magic + h.salt)
	for n := len(password); n > 0; n -= md5.Size {
		first = append(first, inner[:min(n, md5.Size)]...)
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			first = append(first, 0)
		} else {
			first = append(first, password[0])
		}
	}
	sum := md5.Sum(first)
	round := make([]byte, 0, 2*len(password)+maxMD5CryptSalt+md5.Size)
	for i := range md5CryptRounds {
		round = round[:0]
		if i%2 == 1 {
			round = append(round, password...)
		} else {
			round = append(round, sum[:]...)
		}
		if i%3 != 0 {
			round = append(round, h.salt...)
		}
		if i%7 != 0 {
			round = append(round, password...)
		}
		if i%2 == 1 {
			round = append(round, sum[:]...)
		} else {
			round = append(round, password...)
		}
		sum = md5.Sum(round)
	}
	ordered := make([]byte, 0, md5.Size)
	for _, i := range [md5.Size]int{12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11} {
		ordered = append(ordered, sum[i])
	}
	return base64.EncodeCrypt(ordered)
}

func (h md5CryptHash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), []byte(h.key)) == 1
}

func (h md5CryptHash) cost() Cost { return Cost{work: workMD5Crypt} }

func (h md5CryptHash) scheme() string {
	if h.magic == apr1Magic {
		return "apr1"
	}
	return workMD5Crypt
}

func (h md5CryptHash) text() string { return h.magic + h.salt + "$" + h.key }
