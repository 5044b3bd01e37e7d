package hash

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"countersign/internal/account/phc"
	"countersign/internal/fault"
)

// What is done when a password is tried, by the names that stand in a cost.
const (
	workArgon2id     = "argon2id"
	workArgon2i      = "argon2i"
	workBcrypt       = "bcrypt"
	workSHA256Crypt  = "sha256-crypt"
	workSHA512Crypt  = "sha512-crypt"
	workMD5Crypt     = "md5-crypt"
	workYescrypt     = "yescrypt"
	workPBKDF2SHA1   = "pbkdf2-sha1"
	workPBKDF2SHA256 = "pbkdf2-sha256"
	workPBKDF2SHA512 = "pbkdf2-sha512"
	workDigest       = "digest" // one digest, whichever: about a microsecond
)

// MaxCostText bounds the octets of what Cost.String returns.
const MaxCostText = 40

// Cost is what trying one password against a hash takes. Costs of the same
// work are equal with ==. The zero Cost is nothing.
type Cost struct {
	work string
	// first to third are the numbers of the work in the order of String.
	first, second, third uint32
}

// CostOf returns the cost of a hash that New makes with p.
func CostOf(p Params) Cost { return argon2Cost(workArgon2id, p) }

// argon2Cost is the cost of either variant.
func argon2Cost(variant string, p Params) Cost {
	return Cost{variant, p.MemoryKiB, p.Iterations, uint32(p.Parallelism)}
}

// params returns the numbers of an argon2 cost.
func (c Cost) params() Params {
	return Params{MemoryKiB: c.first, Iterations: c.second, Parallelism: uint8(c.third)}
}

// String returns the cost in a form that ParseCost reads: "argon2id
// m=19456,t=2,p=1", "bcrypt 10", "sha512-crypt 5000" (with ",salt=8" where the
// salt has not 16 characters, as each round reads it), "yescrypt N=4096,r=32",
// "pbkdf2-sha256 600000", "md5-crypt", "digest". It is the same for all hashes
// of the same cost, has at most MaxCostText octets, and tells nothing of the
// hash. That of the zero Cost is "".
func (c Cost) String() string {
	switch c.work {
	case workArgon2id, workArgon2i:
		return c.work + " " + c.params().String()
	case workSHA256Crypt, workSHA512Crypt:
		text := fmt.Sprintf("%s %d", c.work, c.first)
		if c.second != maxSHACryptSalt {
			text += fmt.Sprintf(",salt=%d", c.second)
		}
		return text
	case workYescrypt:
		return fmt.Sprintf("%s N=%d,r=%d", c.work, c.first, c.second)
	case "", workMD5Crypt, workDigest:
		return c.work
	}
	return fmt.Sprintf("%s %d", c.work, c.first)
}

// Cheap reports whether it is next to nothing: a digest or two.
func (c Cost) Cheap() bool { return c.work == workDigest }

// Estimate returns roughly how long a core of today takes for it, so that costs of different
// works can be compared; 0 for the zero Cost. No machine is asked.
func (c Cost) Estimate() time.Duration {
	n, m := time.Duration(c.first), time.Duration(c.second)
	switch c.work {
	case workArgon2id, workArgon2i: // a pass over a KiB
		return n * m * time.Microsecond
	case workBcrypt:
		return 50 * time.Microsecond << min(c.first, 31)
	case workSHA256Crypt, workSHA512Crypt: // a round
		return n * time.Microsecond
	case workYescrypt: // a block of 128 octets
		return n * m * 100 * time.Nanosecond
	case workPBKDF2SHA1, workPBKDF2SHA256, workPBKDF2SHA512: // an iteration
		return n * 400 * time.Nanosecond
	case workMD5Crypt:
		return time.Millisecond
	case workDigest:
		return time.Microsecond
	}
	return 0
}

// ParseCost reads what Cost.String writes, with the bounds of Parse, and
// nothing else; the empty text is the zero Cost. Errors are fault.Invalid.
func ParseCost(text string) (Cost, error) {
	c, err := parseCost(text)
	if err == nil && c.String() != text {
		err = fmt.Errorf("it is not written as the gate writes it")
	}
	if err != nil {
		return Cost{}, fault.New("hash.cost", fault.Invalid, "the text is not the cost of a password hash: %v", err)
	}
	return c, nil
}

// parseCost reads a cost leniently; its caller compares what comes of it.
func parseCost(text string) (Cost, error) {
	if text == "" {
		return Cost{}, nil
	}
	work, numbers, _ := strings.Cut(text, " ")
	switch work {
	case workMD5Crypt, workDigest:
		return Cost{work: work}, nil
	case workArgon2id, workArgon2i:
		p, err := phc.ParseParams(numbers)
		return argon2Cost(work, p), err
	case workYescrypt:
		n, r, _ := strings.Cut(strings.TrimPrefix(numbers, "N="), ",r=")
		return checkYescrypt(number(n), number(r))
	case workSHA256Crypt, workSHA512Crypt:
		rounds, salt, short := strings.Cut(numbers, ",salt=")
		if !short {
			salt = strconv.Itoa(maxSHACryptSalt)
		}
		return checkSHACrypt(work, number(rounds), number(salt))
	case workBcrypt:
		return checkBcrypt(number(numbers))
	case workPBKDF2SHA1, workPBKDF2SHA256, workPBKDF2SHA512:
		return checkPBKDF2(work, number(numbers))
	}
	return Cost{}, fmt.Errorf("no such work is known")
}

// Spend does the same work as Hash.Matches on a hash of this cost, in vain, for
// failures that must take as long.
func (c Cost) Spend(password string) {
	if s := c.decoy(); s != nil {
		try(s, password)
	}
}

// decoy makes a hash of this cost, whose salt and key are nothing.
func (c Cost) decoy() stored {
	switch c.work {
	case workArgon2id, workArgon2i:
		return argon2Hash{variant: c.work, params: c.params(), salt: make([]byte, phc.SaltLength), key: make([]byte, phc.KeyLength)}
	case workBcrypt:
		return bcryptHash{full: fmt.Sprintf("$2b$%02d$%s", c.first, strings.Repeat(".", bcryptSalt+bcryptKey)), rounds: c}
	case workSHA256Crypt, workSHA512Crypt:
		return shaCryptHash{rounds: c, salt: strings.Repeat(".", int(c.second))}
	case workMD5Crypt:
		return md5CryptHash{magic: md5CryptMagic, salt: strings.Repeat(".", maxMD5CryptSalt)}
	case workYescrypt:
		return yescryptHash{rounds: c, salt: make([]byte, 16), key: make([]byte, yescryptKey)}
	case workPBKDF2SHA1, workPBKDF2SHA256, workPBKDF2SHA512:
		return pbkdf2Hash{rounds: c, salt: make([]byte, 16)}
	case workDigest:
		return digestHash{kind: kindSSHA512, salt: make([]byte, 4)}
	}
	return nil
}

// number reads a plain decimal number without sign or leading zero, of 9 digits
// at most; it returns -1 for anything else.
func number(digits string) int {
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || len(digits) > 9 || strconv.FormatUint(n, 10) != digits {
		return -1
	}
	return int(n)
}

// within says which of what a hash asks for is out of bounds; a number that
// cannot be read is -1.
func within(what string, n, least, most int) error {
	switch {
	case n < 0:
		return fmt.Errorf("its %s cannot be read or are far too many", what)
	case n < least || n > most:
		return fmt.Errorf("it asks for %d %s, %d to %d are allowed", n, what, least, most)
	}
	return nil
}
