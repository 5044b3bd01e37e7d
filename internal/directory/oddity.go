package directory

import (
	"time"

	"countersign/internal/mail"
)

// Oddity is an answer that makes no sense, or a question that a directory could not take: its
// login gets a temporary refusal until somebody puts the directory right.
type Oddity struct {
	// Login is whom the question was about, "" where nobody knows. What is no address is
	// not told: people type their password into the wrong field.
	Login string
	// At is when it was, Err says what is wrong, without the answer itself.
	At  time.Time
	Err error
	// Untold is how many there were that nobody was told of, since the last one that was
	// told; of one that is not told it is 0.
	Untold uint64
}

// tellAgain is how long after one oddity the next one is told.
const tellAgain = time.Minute

// note keeps an oddity, and tells of it where it is time.
func (g *Guard) note(login string, err error) {
	o := Oddity{At: g.opt.Now(), Err: err}
	if a, bad := mail.ParseAddress(login); bad == nil {
		o.Login = a.Key()
	}
	g.mu.Lock()
	due := g.told.IsZero() || o.At.Sub(g.told) >= tellAgain
	if due {
		o.Untold, g.told, g.untold = g.untold, o.At, 0
	} else {
		g.untold++
	}
	g.odd = o
	g.mu.Unlock()
	if due && g.opt.Odd != nil {
		g.opt.Odd(o)
	}
}
