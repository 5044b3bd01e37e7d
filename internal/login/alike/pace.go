package alike

import (
	"crypto/rand"
	"time"
)

const (
	// leastPace is the shortest time after which a challenge is shown, and firstPace the
	// time before any challenge was measured.
	leastPace, firstPace = 100 * time.Millisecond, 500 * time.Millisecond
	// slack is how many times as long as the slowest of the latest challenges is waited.
	slack = 2
)

// Pace is how long after a client has said its name it is shown a challenge, whoever makes
// it: the directory tells at once that it knows a name, and after seconds only that it does
// not. It is twice what the slowest of the directory's latest eight challenges took, 100 ms
// at least; one that took far longer than all others counts as twice the pace of its day,
// so that a hiccup is not felt for long, and a directory that is slow for good is waited for
// after a few.
func (f *Front) Pace() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pace()
}

func (f *Front) pace() time.Duration {
	if f.took == 0 {
		return firstPace
	}
	var slowest time.Duration
	for _, t := range f.times[:f.took] {
		slowest = max(slowest, t)
	}
	return max(slack*slowest, leastPace)
}

// keepTime notes how long a challenge took.
func (f *Front) keepTime(took time.Duration) {
	took = min(took, slack*f.pace())
	f.times[f.turn] = took
	f.turn = (f.turn + 1) % len(f.times)
	f.took = min(f.took+1, len(f.times))
}

// nonceLetters is the length of a Dovecot's part of a nonce.
const nonceLetters = 64

// Nonce returns the server's part of a nonce in the form that a Dovecot gives it: 64
// printable characters without a comma, of RFC 5802 section 7, with a little more than 6
// bits of randomness each.
func Nonce() string {
	raw := make([]byte, nonceLetters)
	_, _ = rand.Read(raw)     // which never fails
	const letters = '~' - '!' // 93, and the last stands for the comma
	for i, b := range raw {
		raw[i] = b%letters + '!'
		if raw[i] == ',' {
			raw[i] = '~'
		}
	}
	return string(raw)
}
