package sasl

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// inputs are what somebody without the secret may have: what a client said in an
// exchange that succeeded, what the server said in it, and what a client would say to
// the challenge that stands, with another password.
type inputs struct {
	mechanism string
	recorded  [][]byte
	challenge []byte
	wrong     client
}

// record overhears a login that succeeds, by a mechanism of which that gives nothing away.
func record(t *rapid.T, mechanism string) [][]byte {
	m, _ := Lookup(mechanism)
	if m.ClearSecret || m.Certificate {
		return [][]byte{{}}
	}
	c := clientOf(mechanism, "pencil", "")
	var heard [][]byte
	_, done, err := talk(m.New(connOf(newBook())), func(challenge []byte) []byte {
		response := c(challenge)
		heard = append(heard, bytes.Clone(challenge), bytes.Clone(response))
		return response
	}, nil)
	if !done {
		t.Fatal(err)
	}
	return heard
}

// draw chooses one input.
func (in *inputs) draw(t *rapid.T) []byte {
	switch rapid.SampledFrom([]string{"nothing", "empty", "recorded", "challenge", "wrong", "mixed", "any"}).Draw(t, "input") {
	case "nothing":
		return nil
	case "recorded":
		return rapid.SampledFrom(in.recorded).Draw(t, "recorded")
	case "challenge": // reflection
		return in.challenge
	case "wrong":
		if in.challenge == nil {
			return in.wrong(nil)
		}
		return in.answer()
	case "mixed":
		old := rapid.SampledFrom(in.recorded).Draw(t, "recorded")
		cut := rapid.IntRange(0, len(old)).Draw(t, "cut")
		return append(bytes.Clone(old[:cut]), in.challenge[min(cut, len(in.challenge)):]...)
	case "any":
		return rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "octets")
	}
	return []byte{}
}

// answer is what the client with a wrong password makes of the challenge, if it is one for it.
func (in *inputs) answer() (response []byte) {
	if strings.HasPrefix(in.mechanism, "SCRAM") && !bytes.HasPrefix(in.challenge, []byte("r=")) {
		return in.wrong(nil)
	}
	return in.wrong(in.challenge)
}

// No order of inputs reaches success without the right secret.
func TestNoOrderOfInputsSucceeds(t *testing.T) {
	for _, m := range Mechanisms() {
		t.Run(m.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				b := newBook()
				b.subject = ""
				x := m.New(connOf(b))
				in := &inputs{mechanism: m.Name, recorded: record(t, m.Name), wrong: clientOf(m.Name, "d3Jvbmc=", "")}
				for range rapid.IntRange(1, 6).Draw(t, "length") {
					challenge, done, err := x.Next(context.Background(), in.draw(t))
					if done || b.proved > 0 {
						t.Fatalf("done %v, %v, asked %q", done, err, b.asked)
					}
					if err == nil {
						in.challenge = challenge
					}
				}
			})
		})
	}
}

// A recorded exchange is worth nothing in a new one, where the mechanism sends no secret.
func TestReplayFails(t *testing.T) {
	for _, m := range Mechanisms() {
		if m.ClearSecret || m.Certificate {
			continue
		}
		b := newBook()
		recorded, done, err := talk(m.New(connOf(b)), clientOf(m.Name, "pencil", ""), nil)
		if !done {
			t.Fatal(m.Name, err)
		}
		n := 0
		_, done, err = talk(m.New(connOf(b)), func([]byte) []byte { n++; return recorded[n-1] }, nil)
		if done || err == nil || b.proved != 1 {
			t.Errorf("%s: %v, %v, %q", m.Name, done, err, b.asked)
		}
	}
}

// Two exchanges of one connection do not know each other: the first's challenge is worth nothing
// in the second.
func TestChallengesAreOfOneExchange(t *testing.T) {
	for _, mechanism := range []string{"CRAM-MD5", "DIGEST-MD5"} {
		c := connOf(newBook())
		first, second := start(t, mechanism, c), start(t, mechanism, c)
		challenge, _, _ := first.Next(context.Background(), nil)
		if _, _, err := second.Next(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		response := clientOf(mechanism, "pencil", "")(challenge)
		if _, done, err := second.Next(context.Background(), response); done || err == nil {
			t.Errorf("%s: the other's answer is taken", mechanism)
		}
	}
}

// A bit flipped anywhere in what a client says makes the exchange fail, unless it says the
// same in another way.
func TestFlippedBitsFail(t *testing.T) {
	for _, m := range Mechanisms() {
		t.Run(m.Name, func(t *testing.T) {
			b := newBook()
			said, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secretOf(m), "user"), nil)
			if !done {
				t.Fatal(err)
			}
			for n := range said {
				for bit := range 8 * len(said[n]) {
					flip(t, m, n, bit)
				}
			}
		})
	}
}

// flip runs an exchange with one bit of the nth response flipped.
func flip(t *testing.T, m Mechanism, n, bit int) {
	t.Helper()
	b := newBook()
	var before, after []byte
	_, done, err := talk(m.New(connOf(b)), clientOf(m.Name, secretOf(m), "user"), func(i int, response []byte) []byte {
		if i == n && bit/8 < len(response) {
			before = bytes.Clone(response)
			response[bit/8] ^= 1 << (bit % 8)
			after = response
		}
		return response
	})
	if !done && err == nil {
		t.Errorf("bit %d of response %d: no end", bit, n)
	}
	if (done || b.proved > 0) && !alike(m.Name, before, after) {
		t.Errorf("bit %d of response %d: %q instead of %q is a success", bit, n, after, before)
	}
}

// alike reports whether two responses say the same by the rules of a mechanism: in another
// case, or with other things that are ignored.
func alike(mechanism string, a, b []byte) bool {
	switch mechanism {
	case "CRAM-MD5": // the digest
		return bytes.Equal(a[:5], b[:5]) && bytes.EqualFold(a, b)
	case "DIGEST-MD5": // names of directives, and charset's value
		r, err := parseDigest(a)
		s, err2 := parseDigest(b)
		return err == nil && err2 == nil && r == s && (bytes.EqualFold(a, b) || ignores(a, b))
	case "OAUTHBEARER", "XOAUTH2": // the scheme
		return bytes.EqualFold(a, b) && bytes.Equal(cut(a), cut(b))
	}
	return false
}

// ignores reports whether two digest-responses differ in the name alone of a directive that need
// not be there: qop, as "auth" is what it stands for, and charset, as ASCII is the same in both.
func ignores(a, b []byte) bool {
	for _, name := range []string{"qop=", "charset="} {
		at := bytes.Index(a, []byte(name))
		if at >= 0 && bytes.Equal(a[:at], b[:at]) && bytes.Equal(a[at+len(name)-1:], b[at+len(name)-1:]) {
			return true
		}
	}
	return false
}

// cut takes the scheme out of a response.
func cut(response []byte) []byte {
	i := bytes.Index(response, []byte("auth="))
	if i < 0 {
		return []byte(fmt.Sprintf("no auth in %q", response))
	}
	return append(bytes.Clone(response[:i+5]), response[i+5+len("Bearer"):]...)
}
