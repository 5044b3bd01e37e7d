// Package shapes is what an engine must do about what the challenges of directories look
// like: the contract of shape.Store, as tests. An engine calls Run from a test of its own.
//
// Main types: Run.
package shapes

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"countersign/internal/fault"
	"countersign/internal/login/shape"
	"countersign/internal/store/storetest/expect"
)

// Run runs the cases, each with an empty store that open makes.
func Run(t *testing.T, open func(t *testing.T) shape.Store) {
	for name, run := range map[string]func(*story){
		"shapes come back by their place":               comeBack,
		"what no challenge looks like is refused":       formIsChecked,
		"what hashes cost stands beside challenges":     costs,
		"the first guess stays, and is one":             guessOnce,
		"there is room for a few":                       room,
		"what nobody shows any more goes":               forgotten,
		"of what many see at once, no more is kept":     atOnce,
		"what was seen again later lasts from then on":  seenAgain,
		"the clock of another gate takes nothing early": clocks,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run(&story{t, open(t), ctx, time.Now().UTC().Truncate(time.Second)})
		})
	}
}

// story is one case.
type story struct {
	*testing.T
	s   shape.Store
	ctx context.Context
	now time.Time
}

var (
	tower = shape.Place{Directory: "tower", Mechanism: "SCRAM-SHA-256"}
	other = shape.Place{Directory: "tower", Mechanism: "SCRAM-SHA-1"}
)

func (y *story) keep(p shape.Place, list ...shape.Shape) {
	y.Helper()
	for _, s := range list {
		expect.Must(y, y.s.KeepShape(y.ctx, p, s, y.now))
	}
}

func (y *story) has(p shape.Place, want ...shape.Shape) {
	y.Helper()
	got, err := y.s.Shapes(y.ctx, p)
	expect.Must(y, err)
	if !slices.Equal(got, want) {
		y.Fatalf("%v has\n%v\nwant\n%v", p, got, want)
	}
}

func comeBack(y *story) {
	y.has(tower)
	a, b := shape.Shape{Kind: shape.Stays, Salt: 24, Iterations: 4096}, shape.Shape{Kind: shape.Stays, Salt: 16, Iterations: 10_000}
	f, own, guessed := shape.Shape{Kind: shape.Fresh, Salt: 16, Iterations: 4096}, shape.Shape{Kind: shape.Own, Salt: 16, Iterations: 4096}, shape.Shape{Kind: shape.Guessed, Salt: 256, Iterations: 1_000_000}
	y.keep(tower, guessed, a, b, f, own, a, own)
	y.keep(other, a)
	y.has(tower, f, guessed, own, b, a)
	y.has(other, a)
	y.has(shape.Place{Directory: "Tower", Mechanism: "SCRAM-SHA-256"})
}

func formIsChecked(y *story) {
	for _, s := range []shape.Shape{
		{}, {Kind: "else", Salt: 16, Iterations: 4096}, {Kind: shape.Own, Iterations: 4096}, {Kind: shape.Own, Salt: 16},
		{Kind: shape.Own, Salt: shape.MaxSalt + 1, Iterations: 4096}, {Kind: shape.Own, Salt: -1, Iterations: 4096},
	} {
		if err := y.s.KeepShape(y.ctx, tower, s, y.now); !fault.Is(err, fault.Invalid) {
			y.Errorf("%+v: %v", s, err)
		}
	}
	if err := y.s.KeepShape(y.ctx, shape.Place{}, shape.Shape{Kind: shape.Own, Salt: 16, Iterations: 4096}, y.now); !fault.Is(err, fault.Invalid) {
		y.Errorf("nowhere: %v", err)
	}
	y.has(tower)
}

func costs(y *story) {
	hashes := shape.Place{Directory: "tower", Mechanism: shape.Hashes}
	a, b := shape.OfCost("bcrypt 12"), shape.OfCost("argon2id m=19456,t=2,p=1")
	stays := full()[0]
	y.keep(hashes, a, b, a)
	y.keep(tower, stays)
	y.has(hashes, b, a)
	y.has(tower, stays)
	for p, s := range map[shape.Place]shape.Shape{hashes: stays, tower: a} {
		if err := y.s.KeepShape(y.ctx, p, s, y.now); !fault.Is(err, fault.Invalid) {
			y.Errorf("%+v at %v: %v", s, p, err)
		}
	}
	y.now = y.now.Add(a.Lasts() - time.Minute)
	y.keep(hashes, a)
	y.now = y.now.Add(2 * time.Minute)
	y.keep(hashes, a)
	y.has(hashes, a)
	for i := range shape.Most {
		y.keep(hashes, shape.OfCost(fmt.Sprintf("bcrypt %d", 20+i)))
	}
	list, err := y.s.Shapes(y.ctx, hashes)
	expect.Must(y, err)
	if len(list) != shape.Most || list[0] != a {
		y.Errorf("kept %v", list)
	}
	for _, wrong := range []shape.Shape{shape.OfCost(""), shape.OfCost("argon2id m=19456,t=2,p=1 argon2id m=19456,t=2,p=1"), {Kind: "bcrypt 12", Salt: 2, Iterations: 1}} {
		if err := y.s.KeepShape(y.ctx, hashes, wrong, y.now); !fault.Is(err, fault.Invalid) {
			y.Errorf("%+v: %v", wrong, err)
		}
	}
}

func guessOnce(y *story) {
	first, second := shape.Shape{Kind: shape.Guessed, Salt: 16, Iterations: 4096}, shape.Shape{Kind: shape.Guessed, Salt: 16, Iterations: 5000}
	y.keep(tower, first, second)
	y.has(tower, first)
	stays := shape.Shape{Kind: shape.Stays, Salt: 16, Iterations: 5000}
	y.keep(other, stays, first)
	y.has(other, stays)
}

// full are as many as there is room for.
func full() (list []shape.Shape) {
	for i := range shape.Most {
		list = append(list, shape.Shape{Kind: shape.Stays, Salt: 16, Iterations: 5000 + i})
	}
	return list
}

func room(y *story) {
	guessed := shape.Shape{Kind: shape.Guessed, Salt: 16, Iterations: 4096}
	y.keep(tower, guessed)
	y.keep(tower, full()...)
	y.keep(tower, shape.Shape{Kind: shape.Own, Salt: 16, Iterations: 4096}, full()[3])
	y.has(tower, append([]shape.Shape{guessed}, full()...)...)
}

func forgotten(y *story) {
	fresh, stays := shape.Shape{Kind: shape.Fresh, Salt: 16, Iterations: 4096}, full()[0]
	y.keep(tower, fresh, stays)
	y.keep(other, fresh)
	y.now = y.now.Add(fresh.Lasts() + time.Second)
	y.has(tower, fresh, stays) // nobody has looked
	y.keep(tower, full()[1])
	y.has(tower, full()[:2]...)
	y.has(other, fresh)
	y.now = y.now.Add(stays.Lasts() + time.Second)
	y.keep(tower, full()...)
	y.has(tower, full()...)
	y.now = y.now.Add(stays.Lasts() + time.Second)
	last := shape.Shape{Kind: shape.Stays, Salt: 9, Iterations: 9000}
	y.keep(tower, last) // in place of all that are old
	y.has(tower, last)
}

func atOnce(y *story) {
	var keeping sync.WaitGroup
	for i := range 20 {
		keeping.Go(func() {
			for _, kind := range []shape.Kind{shape.Guessed, shape.Stays} {
				if err := y.s.KeepShape(y.ctx, tower, shape.Shape{Kind: kind, Salt: 16, Iterations: 5000 + i}, y.now); err != nil {
					y.Error(err)
				}
			}
		})
	}
	keeping.Wait()
	list, err := y.s.Shapes(y.ctx, tower)
	expect.Must(y, err)
	guessed := 0
	for _, s := range list {
		if s.Kind == shape.Guessed {
			guessed++
		}
	}
	if len(list)-guessed != shape.Most || guessed != 1 {
		y.Errorf("%d are kept, %d of them guessed", len(list), guessed)
	}
}

func seenAgain(y *story) {
	fresh := shape.Shape{Kind: shape.Fresh, Salt: 16, Iterations: 4096}
	y.keep(tower, fresh)
	y.now = y.now.Add(fresh.Lasts() - time.Minute)
	y.keep(tower, fresh)
	y.now = y.now.Add(fresh.Lasts() - time.Minute)
	y.keep(tower, full()[0])
	y.has(tower, fresh, full()[0])
}

func clocks(y *story) {
	fresh := shape.Shape{Kind: shape.Fresh, Salt: 16, Iterations: 4096}
	y.keep(tower, fresh)
	late := y.now
	y.now = y.now.Add(-fresh.Lasts())
	y.keep(tower, fresh, full()[0]) // by a gate whose clock is behind
	y.now = late.Add(fresh.Lasts() - time.Minute)
	y.keep(tower, full()[1])
	y.has(tower, fresh, full()[0], full()[1])
}
