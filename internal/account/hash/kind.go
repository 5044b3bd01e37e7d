package hash

import (
	"fmt"
	"slices"
	"strings"

	"countersign/internal/fault"
)

// kindWorks are the names of kinds of hashes in lower case: those of Dovecot's schemes that are
// of one work, and those of the works themselves.
var kindWorks = map[string]string{
	"argon2id":      workArgon2id,
	"argon2i":       workArgon2i,
	"bcrypt":        workBcrypt,
	"blf-crypt":     workBcrypt,
	"sha256-crypt":  workSHA256Crypt,
	"sha512-crypt":  workSHA512Crypt,
	"md5-crypt":     workMD5Crypt,
	"yescrypt":      workYescrypt,
	"pbkdf2":        workPBKDF2SHA1, // Dovecot's
	"pbkdf2-sha1":   workPBKDF2SHA1,
	"pbkdf2-sha256": workPBKDF2SHA256,
	"pbkdf2-sha512": workPBKDF2SHA512,
	"scram-sha-1":   workPBKDF2SHA1,
	"scram-sha-256": workPBKDF2SHA256,
	"digest":        workDigest,
}

// kindNumbers are examples of what has to stand behind the name of a work.
var kindNumbers = map[string]string{
	workArgon2id:     "m=65536,t=3,p=1",
	workArgon2i:      "m=65536,t=3,p=1",
	workBcrypt:       "10",
	workYescrypt:     "N=4096,r=32",
	workPBKDF2SHA1:   "5000",
	workPBKDF2SHA256: "600000",
	workPBKDF2SHA512: "210000",
}

// ParseKind reads how people name a kind of hash: by Dovecot's scheme or the name of its work,
// whatever the case, and behind a colon the numbers of what it costs, as Cost.String has them:
// "bcrypt:10", "BLF-CRYPT:10", "ARGON2ID:m=65536,t=3,p=1", "PBKDF2-SHA256:600000",
// "yescrypt:N=4096,r=32", "SSHA512". Without numbers SHA512-CRYPT and SHA256-CRYPT have 5,000
// rounds, as their hashes have where these say nothing; "SHA512-CRYPT:5000,salt=8" is one with
// a salt of 8 characters. Errors are fault.Invalid with a sentence that says what to write. The
// text is taken for no secret.
func ParseKind(text string) (Cost, error) {
	c, err := parseKind(text)
	if err != nil {
		return Cost{}, fault.New("hash.kind", fault.Invalid, "%v", err)
	}
	return c, nil
}

func parseKind(text string) (Cost, error) {
	name, numbers, numbered := strings.Cut(text, ":")
	work := workOf(name)
	switch {
	case work == "":
		return Cost{}, fmt.Errorf("no kind of hash has that name; known are %s", strings.Join(KindNames(), ", "))
	case work == workMD5Crypt || work == workDigest:
		if numbered {
			return Cost{}, fmt.Errorf("hashes of that kind all cost the same; write %s alone", name)
		}
		return Cost{work: work}, nil
	case !numbered && (work == workSHA256Crypt || work == workSHA512Crypt):
		numbers = fmt.Sprint(defaultSHACryptRounds)
	case !numbered:
		return Cost{}, fmt.Errorf("what hashes of that kind cost stands in each of them; write it behind a colon, as %s:%s", name, kindNumbers[work])
	}
	c, err := parseCost(work + " " + numbers)
	if err == nil && c.Kind() != work+":"+numbers {
		err = fmt.Errorf("its numbers are not written as in %s", c.Kind())
	}
	return c, err
}

// workOf returns the work that a kind of that name does, "" for none. All digests do the same.
func workOf(name string) string {
	scheme, suffix, encoded := strings.Cut(strings.ToUpper(name), ".")
	if kind, ok := digestKinds[scheme]; ok && !kind.plain {
		if _, known := encodingNames[suffix]; known || !encoded {
			return workDigest
		}
	}
	return kindWorks[strings.ToLower(name)]
}

// KindNames returns all names that ParseKind reads, in capitals and sorted.
func KindNames() (names []string) {
	for name := range kindWorks {
		names = append(names, strings.ToUpper(name))
	}
	for name, kind := range digestKinds {
		if !kind.plain {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Kind returns the form of the cost that ParseKind reads: "bcrypt:10". That of the zero Cost is "".
func (c Cost) Kind() string { return strings.Replace(c.String(), " ", ":", 1) }
