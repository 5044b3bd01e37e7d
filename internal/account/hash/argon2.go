package hash

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"countersign/internal/account/phc"
)

// Lengths in octets that an argon2 hash of others may have.
const (
	minArgon2Salt = 8
	minArgon2Key  = 16
	maxArgon2     = 64 // of salt and key
)

// argon2Hash is "$argon2id$v=19$m=19456,t=2,p=1$salt$key", or argon2i, in the
// PHC form, version 0x13 (RFC 9106 section 3.1).
type argon2Hash struct {
	variant   string // workArgon2id or workArgon2i
	params    Params
	salt, key []byte
}

// parseArgon2 reads the PHC form after its id.
func parseArgon2(variant, text string) (stored, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 {
		return nil, fmt.Errorf("it has not the six parts of the PHC form")
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, fmt.Errorf("it is not of version %d", argon2.Version)
	}
	params, err := phc.ParseParams(parts[3])
	if err != nil {
		return nil, fmt.Errorf("its parameters: %w", err)
	}
	salt, err := decodeLength(base64.RawStdEncoding, parts[4], minArgon2Salt, maxArgon2)
	if err != nil {
		return nil, fmt.Errorf("its salt is %w", err)
	}
	key, err := decodeLength(base64.RawStdEncoding, parts[5], minArgon2Key, maxArgon2)
	if err != nil {
		return nil, fmt.Errorf("its key is %w", err)
	}
	return argon2Hash{variant: variant, params: params, salt: salt, key: key}, nil
}

func (h argon2Hash) derive(password string) []byte {
	kdf := argon2.IDKey
	if h.variant == workArgon2i {
		kdf = argon2.Key
	}
	return kdf([]byte(password), h.salt, h.params.Iterations, h.params.MemoryKiB, h.params.Parallelism, uint32(len(h.key)))
}

func (h argon2Hash) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.derive(password), h.key) == 1
}

func (h argon2Hash) cost() Cost     { return argon2Cost(h.variant, h.params) }
func (h argon2Hash) scheme() string { return h.variant }

func (h argon2Hash) text() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$%s$v=%d$%s$%s$%s", h.variant, argon2.Version, h.params, enc.EncodeToString(h.salt), enc.EncodeToString(h.key))
}

// decodeLength reads strict base64 (RFC 4648 section 3.5) of a length in octets
// within bounds. A hash holds no line ends, which the decoder would pass over.
func decodeLength(enc *base64.Encoding, text string, least, most int) ([]byte, error) {
	b, err := enc.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not proper base64")
	}
	if len(b) < least || len(b) > most {
		return nil, fmt.Errorf("%d octets long, %d to %d are allowed", len(b), least, most)
	}
	return b, nil
}
