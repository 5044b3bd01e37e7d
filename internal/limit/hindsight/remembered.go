package hindsight

import (
	"cmp"
	"hash/maphash"
	"slices"

	"countersign/internal/mail"
)

// remembered is what has to be known of single messages of the past, of which there may be a million: so
// one is known by 8 octets of a digest instead of its ID, which two of them share once in some million
// records of that size. The zero value is not ready; newRemembered makes one.
type remembered struct {
	seed maphash.Seed
	// went are whom messages went to, where that is asked for, sorted once sorted says so.
	went   []went
	sorted bool
	// failing are the messages of which something has failed, where that is asked for.
	failing map[uint64]sent
	// credentials are those of failing, each once, numbers where each is.
	credentials []string
	numbers     map[string]uint32
}

// went is a recipient of a message.
type went struct {
	message   uint64
	recipient int64
}

// sent is what has to be known of a message that fails.
type sent struct {
	// credential is its number among remembered.credentials, less one; 0 where nothing is known.
	credential uint32
	// automatic is without a sender, whose failures do not count.
	automatic bool
}

func newRemembered() remembered {
	return remembered{seed: maphash.MakeSeed(), failing: map[uint64]sent{}, numbers: map[string]uint32{}}
}

func (r *remembered) digest(id mail.ID) uint64 { return maphash.String(r.seed, string(id)) }

// to notes a recipient of a message, and returns how many are noted.
func (r *remembered) to(id mail.ID, recipient int64) int {
	r.went, r.sorted = append(r.went, went{r.digest(id), recipient}), false
	return len(r.went)
}

// contacts returns the recipients of a message, each once.
func (r *remembered) contacts(id mail.ID) (list []int64) {
	if len(r.went) == 0 {
		return nil
	}
	if !r.sorted {
		slices.SortFunc(r.went, func(a, b went) int {
			return cmp.Or(cmp.Compare(a.message, b.message), cmp.Compare(a.recipient, b.recipient))
		})
		r.went, r.sorted = slices.Compact(r.went), true
	}
	message := r.digest(id)
	at, _ := slices.BinarySearchFunc(r.went, message, func(w went, m uint64) int { return cmp.Compare(w.message, m) })
	for ; at < len(r.went) && r.went[at].message == message; at++ {
		list = append(list, r.went[at].recipient)
	}
	return list
}

// fails notes that something of a message has failed, and returns of how many that is so.
func (r *remembered) fails(id mail.ID) int {
	r.failing[r.digest(id)] = sent{}
	return len(r.failing)
}

// failed reports whether something of a message has failed, and whose it was, once sentBy has said it.
func (r *remembered) failed(id mail.ID) (credential string, automatic, fails bool) {
	m, fails := r.failing[r.digest(id)]
	if m.credential > 0 {
		credential = r.credentials[m.credential-1]
	}
	return credential, m.automatic, fails
}

// sentBy notes whose a message is that fails; of others it notes nothing.
func (r *remembered) sentBy(id mail.ID, credential string, automatic bool) (fails bool) {
	message := r.digest(id)
	if _, fails = r.failing[message]; !fails {
		return false
	}
	number := r.numbers[credential]
	if number == 0 {
		r.credentials = append(r.credentials, credential)
		number = uint32(len(r.credentials))
		r.numbers[credential] = number
	}
	r.failing[message] = sent{number, automatic}
	return true
}
