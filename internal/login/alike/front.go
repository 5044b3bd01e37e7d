package alike

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/internal/sasl"
)

// Shape is what a challenge of SCRAM shows of the keys behind it.
type Shape struct {
	// Salt is its length in octets.
	Salt int
	// Iterations is how often the key was derived.
	Iterations int
	// Fresh says that the salt is another one each time: a directory that has the password
	// itself makes the keys anew for each exchange.
	Fresh bool
}

const (
	// maxShapes is how many shapes are kept of a directory, maxNames of how many names it
	// is known what they showed last.
	maxShapes, maxNames = 8, 256
)

// usual is what a Dovecot makes where nobody has said otherwise.
var usual = Shape{Salt: 16, Iterations: 4096}

// Front stands before a directory in one mechanism of SCRAM. It is safe for concurrent use.
type Front struct {
	lasting   Lasting
	mechanism string

	mu sync.Mutex // guards what follows
	// shapes are those that accounts are known to show; guess is one that was seen of which
	// is not known yet whether its salt stays.
	shapes []Shape
	guess  Shape
	// names are what was shown for names lately, the next to be forgotten at next.
	names []shown
	next  int
	// times are how long the latest challenges took, in a ring; the next is put at turn.
	times [8]time.Duration
	took  int
	turn  int
}

// shown is the salt that a name has shown last.
type shown struct {
	name, salt [sha256.Size]byte
	// changed counts in how many challenges in a row it was another one than before.
	changed int
}

// Learn takes note of a challenge that the directory itself has made for a login, and of how
// long it took. A text that is no challenge teaches nothing but that.
func (f *Front) Learn(login string, challenge []byte, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keepTime(took)
	salt, iterations, ok := parse(challenge)
	if !ok {
		return
	}
	s := Shape{Salt: len(salt), Iterations: iterations}
	f.guess = s
	switch n := f.see(login, salt); {
	case n == 0:
		f.add(s)
	case n > 1: // once may be a new password
		s.Fresh = true
		f.add(s)
	}
}

// LearnOwn takes note of the keys of an account of the store that stand in the directory's
// domain, as a client is shown them.
func (f *Front) LearnOwn(salt, iterations int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(Shape{Salt: salt, Iterations: iterations})
}

// add keeps a shape that is new, while there is room.
func (f *Front) add(s Shape) {
	for _, have := range f.shapes {
		if have == s {
			return
		}
	}
	if len(f.shapes) < maxShapes {
		f.shapes = append(f.shapes, s)
	}
}

// see notes the salt of a name, and returns in how many challenges in a row it was another
// one than before; -1 for a name that is new.
func (f *Front) see(login string, salt []byte) int {
	s := shown{name: sha256.Sum256([]byte(login)), salt: sha256.Sum256(salt)}
	for i := range f.names {
		if have := &f.names[i]; have.name == s.name {
			if have.salt == s.salt {
				have.changed = 0
				return 0
			}
			have.salt = s.salt
			have.changed++
			return have.changed
		}
	}
	if len(f.names) < maxNames {
		f.names = append(f.names, s)
		return -1
	}
	f.names[f.next] = s
	f.next = (f.next + 1) % maxNames
	return -1
}

// parse reads the server's first message (RFC 5802 section 7), and takes none that an
// exchange of ours could not show.
func parse(challenge []byte) (salt []byte, iterations int, ok bool) {
	parts := strings.Split(string(challenge), ",")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], "r=") {
		return nil, 0, false
	}
	text, hasSalt := strings.CutPrefix(parts[1], "s=")
	number, hasNumber := strings.CutPrefix(parts[2], "i=")
	salt, err := base64.StdEncoding.DecodeString(text)
	iterations, bad := strconv.Atoi(number)
	ok = hasSalt && hasNumber && err == nil && bad == nil && len(salt) > 0 && len(salt) <= sasl.MaxSalt &&
		iterations >= sasl.MinIterations && iterations <= sasl.MaxIterations
	return salt, iterations, ok
}

// Salt returns what a challenge shows for a name that the directory does not have, or that
// has no keys: a salt and a number of iterations as accounts have them, each of their kinds
// for as many names as any other, and for one name the same each time. Until an account
// has been seen they are what a Dovecot makes by itself.
func (f *Front) Salt(login string) (salt []byte, iterations int) {
	s := f.shapeOf(login)
	if s.Fresh {
		salt = make([]byte, s.Salt)
		_, _ = rand.Read(salt) // which never fails
		return salt, s.Iterations
	}
	for n := 0; len(salt) < s.Salt; n++ {
		names := []string{"salt", f.mechanism, login}
		if n > 0 { // the first part is the salt that an account of that name has in the store
			names = append(names, strconv.Itoa(n))
		}
		salt = append(salt, f.lasting(names...)[:16]...)
	}
	return salt[:s.Salt], s.Iterations
}

// shapeOf draws the shape of a name: that for which its lot is the greatest, so that a shape
// that comes later changes those of few names.
func (f *Front) shapeOf(login string) Shape {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.shapes) == 0 {
		if f.guess != (Shape{}) {
			return f.guess
		}
		return usual
	}
	var drawn Shape
	var greatest []byte
	for _, s := range f.shapes {
		var text [17]byte
		binary.BigEndian.PutUint64(text[:], uint64(s.Salt))
		binary.BigEndian.PutUint64(text[8:], uint64(s.Iterations))
		if s.Fresh {
			text[16] = 1
		}
		if lot := f.lasting("shape", login, string(text[:])); greatest == nil || bytes.Compare(lot, greatest) > 0 {
			drawn, greatest = s, lot
		}
	}
	return drawn
}
