package alike

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"countersign/internal/login/shape"
	"countersign/internal/sasl"
)

// usual is what a Dovecot makes where nobody has said otherwise.
var usual = shape.Shape{Salt: 16, Iterations: 4096}

// Front stands before a directory in one mechanism of SCRAM. It is safe for concurrent use.
type Front struct {
	fronts *Fronts
	place  shape.Place

	mu    sync.Mutex // guards what follows
	names names
	// noted says when a shape was handed on to be kept.
	noted map[shape.Shape]time.Time
	// times are how long the latest challenges took, in a ring; the next is put at turn.
	times [8]time.Duration
	took  int
	turn  int
}

// View is what a Front knows at one moment of one exchange.
type View struct {
	*Front
	// shapes are those that the store has.
	shapes []shape.Shape
}

// View asks the store what the directory's challenges look like. It is asked each time, so
// that all gates show one thing for a name from the moment that anything was kept. Errors are
// those of shape.Store.
func (f *Front) View(ctx context.Context) (*View, error) {
	list, err := f.fronts.store.Shapes(ctx, f.place)
	return &View{f, list}, err
}

// Dress makes the keys of a login, given as accounts are kept, look as those that the
// directory shows. own says that they are real ones, which say what accounts of the store
// look like beside it.
func (v *View) Dress(k *sasl.Keys, login string, own bool) {
	k.Nonce = Nonce()
	if own {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.note(shape.Shape{Kind: shape.Own, Salt: len(k.Salt), Iterations: k.Iterations})
		return
	}
	k.Salt, k.Iterations = v.Salt(login)
}

// Learn takes note of a challenge that the directory itself has made for a login, and of how
// long it took. A text that is no challenge teaches nothing but that. What it teaches is shown
// once it is kept (Fronts.Run).
func (v *View) Learn(login string, challenge []byte, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keepTime(took)
	salt, iterations, ok := parse(challenge)
	if !ok {
		return
	}
	s := shape.Shape{Kind: shape.Guessed, Salt: len(salt), Iterations: iterations}
	seen := v.names.see(login, salt, s, v.fronts.now())
	stays, fresh := s, s
	stays.Kind, fresh.Kind = shape.Stays, shape.Fresh
	switch {
	case seen == stay:
		v.note(stays)
	// Where those of others stay, owners may be at play who give their own accounts new
	// passwords, however many these are.
	case (seen == renew || seen == change) && !v.shows(stays):
		v.note(fresh)
	case len(v.shapes) == 0:
		v.note(s)
	}
}

const (
	// noteAgain is how long after a shape was handed on it is again, so that the store knows
	// that it is still seen.
	noteAgain = time.Hour
	// maxNoted is how many shapes are noted of a directory, which may say what it likes.
	maxNoted = 64
)

// note hands a shape on to be kept, seldom. The caller has locked f.
func (f *Front) note(s shape.Shape) {
	now := f.fronts.now()
	maps.DeleteFunc(f.noted, func(_ shape.Shape, at time.Time) bool { return now.Sub(at) > noteAgain })
	if _, lately := f.noted[s]; lately || len(f.noted) == maxNoted {
		return
	}
	if f.noted == nil {
		f.noted = map[shape.Shape]time.Time{}
	}
	f.noted[s] = now
	f.fronts.wait(f.place, s, now)
}

// shows reports whether accounts of the directory are known to show a shape.
func (v *View) shows(s shape.Shape) bool { return slices.Contains(v.shapes, s) }

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
func (v *View) Salt(login string) (salt []byte, iterations int) {
	s, salt := v.shapeOf(login)
	if salt != nil {
		return salt, s.Iterations
	}
	if s.Kind == shape.Fresh {
		salt = make([]byte, s.Salt)
		_, _ = rand.Read(salt) // which never fails
		return salt, s.Iterations
	}
	for n := 0; len(salt) < s.Salt; n++ {
		names := []string{"salt", v.place.Mechanism, login}
		if n > 0 { // the first part is the salt that an account of that name has in the store
			names = append(names, strconv.Itoa(n))
		}
		salt = append(salt, v.fronts.lasting(names...)[:16]...)
	}
	return salt[:s.Salt], s.Iterations
}

// shapeOf returns the shape of a name, and the salt that the directory has shown for it
// where that stays, else nil.
func (v *View) shapeOf(login string) (shape.Shape, []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	have, known := v.names.of(login)
	if !known {
		return v.draw(login), nil
	}
	s := shape.Shape{Kind: shape.Fresh, Salt: len(have.salt), Iterations: have.iterations}
	if !have.stays && v.shows(s) {
		return s, nil
	}
	s.Kind = shape.Stays
	return s, have.salt
}

// draw draws the shape of a name: that for which its lot is the greatest, so that a shape
// that comes later changes those of few names. What is guessed is one while there is no other.
func (v *View) draw(login string) shape.Shape {
	drawn, certain := usual, false
	var greatest []byte
	for _, s := range v.shapes {
		if s.Kind == shape.Guessed {
			if !certain {
				drawn = s
			}
			continue
		}
		var text [17]byte
		binary.BigEndian.PutUint64(text[:], uint64(s.Salt))
		binary.BigEndian.PutUint64(text[8:], uint64(s.Iterations))
		if s.Kind == shape.Fresh {
			text[16] = 1
		}
		if lot := v.fronts.lasting("shape", login, string(text[:])); greatest == nil || bytes.Compare(lot, greatest) > 0 {
			drawn, greatest, certain = s, lot, true
		}
	}
	return drawn
}
