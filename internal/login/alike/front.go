package alike

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"slices"
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
	// maxShapes is how many shapes are kept of a directory, keepShape for how long one of
	// which nothing is seen any more.
	maxShapes = 8
	keepShape = 24 * time.Hour
)

// usual is what a Dovecot makes where nobody has said otherwise.
var usual = Shape{Salt: 16, Iterations: 4096}

// Front stands before a directory in one mechanism of SCRAM. It is safe for concurrent use.
type Front struct {
	lasting   Lasting
	mechanism string

	now func() time.Time

	mu sync.Mutex // guards what follows
	// shapes are those that accounts are known to show; guess is one that was seen of which
	// is not known yet whether its salt stays.
	shapes []kept
	guess  Shape
	names  names
	// times are how long the latest challenges took, in a ring; the next is put at turn.
	times [8]time.Duration
	took  int
	turn  int
}

// kept is a shape that was seen last at some time; theirs says that an account of the
// directory has shown it, not only one of the store.
type kept struct {
	Shape
	seen   time.Time
	theirs bool
}

// Dress makes the keys of a login, given as accounts are kept, look as those that the
// directory shows. own says that they are real ones, which say what accounts of the store
// look like beside it.
func (f *Front) Dress(k *sasl.Keys, login string, own bool) {
	k.Nonce = Nonce()
	if own {
		f.LearnOwn(len(k.Salt), k.Iterations)
		return
	}
	k.Salt, k.Iterations = f.Salt(login)
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
	switch f.names.see(login, salt, s, f.now()) {
	case stays:
		f.add(s, true)
	case renews:
		s.Fresh = true
		f.add(s, true)
	case changes: // of one name alone: its owner may be at play, unless no other's stay
		if !f.shown(s) {
			s.Fresh = true
			f.add(s, true)
		}
	}
}

// LearnOwn takes note of the keys of an account of the store that stand in the directory's
// domain, as a client is shown them.
func (f *Front) LearnOwn(salt, iterations int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(Shape{Salt: salt, Iterations: iterations}, false)
}

// add keeps a shape, while there is room, and forgets those that nobody shows any more.
func (f *Front) add(s Shape, theirs bool) {
	now := f.now()
	f.shapes = slices.DeleteFunc(f.shapes, func(k kept) bool { return now.Sub(k.seen) > keepShape })
	for i := range f.shapes {
		if have := &f.shapes[i]; have.Shape == s {
			have.seen, have.theirs = now, have.theirs || theirs
			return
		}
	}
	if len(f.shapes) < maxShapes {
		f.shapes = append(f.shapes, kept{s, now, theirs})
	}
}

// shown reports whether accounts of the directory show a shape.
func (f *Front) shown(s Shape) bool {
	return slices.ContainsFunc(f.shapes, func(k kept) bool { return k.Shape == s && k.theirs })
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
// has no keys, or whose challenge is late: what the directory has shown for it, where it was
// seen; else a salt and a number of iterations as accounts have them, each of their kinds
// for as many names as any other, and for one name the same each time. Until an account
// has been seen they are what a Dovecot makes by itself.
func (f *Front) Salt(login string) (salt []byte, iterations int) {
	s, salt := f.shapeOf(login)
	if salt != nil {
		return salt, s.Iterations
	}
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

// shapeOf returns the shape of a name, and the salt that the directory has shown for it
// where that stays, else nil.
func (f *Front) shapeOf(login string) (Shape, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have, known := f.names.of(login)
	if !known {
		return f.draw(login), nil
	}
	fresh := Shape{Salt: len(have.salt), Iterations: have.iterations, Fresh: true}
	if !have.stays && f.shown(fresh) {
		return fresh, nil
	}
	fresh.Fresh = false
	return fresh, have.salt
}

// draw draws the shape of a name: that for which its lot is the greatest, so that a shape
// that comes later changes those of few names.
func (f *Front) draw(login string) Shape {
	if len(f.shapes) == 0 {
		if f.guess != (Shape{}) {
			return f.guess
		}
		return usual
	}
	var drawn Shape
	var greatest []byte
	for _, k := range f.shapes {
		s := k.Shape
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
