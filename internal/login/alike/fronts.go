package alike

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

// Lasting makes 32 octets of names: the same for the same names on all gates of a store and
// after a restart, and nothing that a stranger could compute.
type Lasting func(names ...string) []byte

// Fronts are what stands before strangers in place of directories: a Front for each
// directory and mechanism, made when it is asked for first. They are safe for concurrent
// use.
type Fronts struct {
	lasting Lasting
	now     func() time.Time

	mu   sync.Mutex // guards each
	each map[[2]string]*Front
}

// NewFronts returns Fronts that know nothing yet; now is the clock.
func NewFronts(lasting Lasting, now func() time.Time) *Fronts {
	return &Fronts{lasting: lasting, now: now, each: map[[2]string]*Front{}}
}

// Of returns the Front of a directory in a mechanism of SCRAM. Both are names of the
// configuration or of a table, never of a client's making: each is kept.
func (f *Fronts) Of(directory, mechanism string) *Front {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := [2]string{directory, mechanism}
	front := f.each[name]
	if front == nil {
		front = &Front{lasting: f.lasting, now: f.now, mechanism: mechanism}
		f.each[name] = front
	}
	return front
}

// Nobody returns a name that nobody has, in the domain of a login, and a password. A
// directory that is asked for them does what it does for any name that it does not know.
// The name is the same each time for the same login, as a directory may remember names that
// it does not know; the password is new each time. Neither tells anything of the login.
func (f *Fronts) Nobody(login string) (name, password string) {
	const octets = 10 // 80 bits: no account has such a name by chance
	domain := login[strings.LastIndexByte(login, '@')+1:]
	return "nobody-" + hex.EncodeToString(f.lasting("nobody", login)[:octets]) + "@" + domain, rand.Text()
}
