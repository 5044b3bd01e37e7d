package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
)

// step is how long one work takes, in fake time.
const step = 30 * time.Millisecond

// do brings work that takes one step.
func do(ctx context.Context, p *Pool, keys ...string) error {
	return p.Do(ctx, Ticket{Keys: keys}, func() { time.Sleep(step) })
}

// crowd keeps n callers busy, the i-th with the keys of key(i), each of which
// comes again as soon as it is answered, until the returned function is called.
func crowd(p *Pool, n int, key func(i int) []string) (stop func()) {
	var all sync.WaitGroup
	var over atomic.Bool
	for i := range n {
		all.Go(func() {
			for !over.Load() {
				if err := do(context.Background(), p, key(i)...); err != nil {
					time.Sleep(100 * step) // refused: try again later
				}
			}
		})
	}
	synctest.Wait()
	return func() { over.Store(true); all.Wait() }
}

// TestWhoeverIsAloneInAnyRespectIsServedSoon is what the pool exists for.
func TestWhoeverIsAloneInAnyRespectIsServedSoon(t *testing.T) {
	honest := []string{"wide", "narrow", "login"}
	for name, c := range map[string]struct {
		key func(i int) []string
		// turns is the most that a newcomer may have to wait, in steps of
		// two workers.
		turns int
	}{
		"one network, one login":            {func(int) []string { return []string{"w", "n", "l"} }, 2},
		"one network, the newcomer's login": {func(int) []string { return []string{"w", "n", "login"} }, 2},
		"one network, any logins":           {func(i int) []string { return []string{"w", "n", fmt.Sprint(i)} }, 2},
		"the newcomer's wide network":       {func(i int) []string { return []string{"wide", "n", fmt.Sprint(i)} }, 3},
		"any networks, one login":           {func(i int) []string { return []string{fmt.Sprint(i), fmt.Sprint(i), "l"} }, 3},
		"50 networks, any logins":           {func(i int) []string { return []string{fmt.Sprint(i % 50), fmt.Sprint(i % 50), fmt.Sprint(i)} }, 80},
		"50 networks, the newcomer's login": {func(i int) []string { return []string{fmt.Sprint(i % 50), fmt.Sprint(i % 50), "login"} }, 80},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{Workers: 2, Waiting: 256, Respects: 3})
				stop := crowd(p, 1000, c.key)
				defer stop()
				for n := range 8 { // at any moment of the crowd's round
					began := time.Now()
					if err := do(t.Context(), p, honest...); err != nil {
						t.Fatalf("try %d: %v", n, err)
					}
					if waited := time.Since(began) - step; waited > time.Duration(c.turns)*step {
						t.Fatalf("try %d waited %v, at most %d steps of %v are fair", n, waited, c.turns, step)
					}
					time.Sleep(7 * time.Millisecond)
				}
				if running, waiting := p.Load(); running != 2 || waiting < 200 {
					t.Errorf("%d run and %d wait: the crowd is not one", running, waiting)
				}
			})
		})
	}
}

// TestWorkersAreSharedOut counts the turns of a source that brings much and of
// one that brings little.
func TestWorkersAreSharedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Workers: 2, Waiting: 100, Respects: 2})
		var turns [2]atomic.Int32
		work := func(who, login int) {
			_ = p.Do(t.Context(), Ticket{Keys: []string{fmt.Sprint(who), fmt.Sprint(login)}}, func() {
				turns[who].Add(1)
				time.Sleep(step)
			})
		}
		var all sync.WaitGroup
		for i := range 90 {
			all.Go(func() { work(0, i) })
		}
		synctest.Wait()
		for i := range 10 {
			all.Go(func() { work(1, 1000+i) })
		}
		synctest.Wait()
		time.Sleep(10*step + 1) // twenty turns, of which the second has all ten
		if many, few := turns[0].Load(), turns[1].Load(); few < 7 || many < 10 {
			t.Errorf("%d turns for 90, %d for 10", many, few)
		}
		all.Wait()
		if many, few := turns[0].Load(), turns[1].Load(); many != 90 || few != 10 {
			t.Errorf("%d and %d turns in the end", many, few)
		}
	})
}

func TestWhoGivesWay(t *testing.T) {
	many := func(key ...string) [][]string { return slices.Repeat([][]string{key}, 3) }
	for name, c := range map[string]struct {
		waiting  [][]string
		newcomer []string
		loser    int // place in waiting; its length is the newcomer
	}{
		"the newest of the crowd":                 {many("a", "x"), []string{"b", "y"}, 2},
		"the newcomer where it is of the crowd":   {many("a", "x"), []string{"a", "x"}, 3},
		"the crowd, not who shares its network":   {many("a", "x"), []string{"a", "y"}, 2},
		"the crowd, not whose login it tries":     {many("a", "x"), []string{"b", "x"}, 2},
		"a crowd of networks after one login":     {[][]string{{"a", "x"}, {"b", "x"}, {"c", "x"}}, []string{"d", "y"}, 2},
		"the crowd, not an office of many logins": {[][]string{{"o", "1"}, {"o", "2"}, {"a", "x"}, {"b", "x"}, {"c", "x"}, {"d", "x"}}, []string{"o", "3"}, 5},
		"the newcomer where all are alike":        {[][]string{{"a", "1"}, {"b", "2"}, {"c", "3"}}, []string{"d", "4"}, 3},
		"the one with more company besides, also": {[][]string{{"a", "x"}, {"a", "y"}, {"b", "y"}}, []string{"c", "z"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{Workers: 1, Waiting: len(c.waiting), Respects: 2})
				var all sync.WaitGroup
				all.Go(func() { _ = p.Do(t.Context(), Ticket{Keys: []string{"first"}}, func() { time.Sleep(time.Second) }) })
				synctest.Wait()
				answers := make([]error, len(c.waiting)+1)
				for i, keys := range append(slices.Clone(c.waiting), c.newcomer) {
					all.Go(func() { answers[i] = do(t.Context(), p, keys...) })
					synctest.Wait()
				}
				if _, waiting := p.Load(); waiting != len(c.waiting) {
					t.Errorf("%d wait, %d may", waiting, len(c.waiting))
				}
				all.Wait()
				for i, err := range answers {
					if (err != nil) != (i == c.loser) || err != nil && !fault.Is(err, fault.Busy) {
						t.Errorf("number %d: %v; %d was to give way", i, err, c.loser)
					}
				}
			})
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Workers: 1, Waiting: 2, Respects: 1})
		var first sync.WaitGroup
		first.Go(func() { _ = p.Do(t.Context(), Ticket{Keys: []string{"a"}}, func() { time.Sleep(time.Hour) }) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := do(ctx, p, "b"); !fault.Is(err, fault.Canceled) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if _, waiting := p.Load(); waiting != 0 || len(p.lines[second].rings[0].groups) != 0 || p.lines[second].rings[0].order.Len() != 0 {
			t.Errorf("%d wait in %d groups; the one that gave up is still there", waiting, len(p.lines[second].rings[0].groups))
		}
		first.Wait()
		if err := do(t.Context(), p, "c"); err != nil {
			t.Errorf("the worker is lost: %v", err)
		}
		if err := do(ctx, p, "c"); !fault.Is(err, fault.Canceled) {
			t.Errorf("work began for nobody: %v", err)
		}
		if running, waiting := p.Load(); running+waiting != 0 {
			t.Errorf("%d run and %d wait afterwards", running, waiting)
		}
	})
}

// TestCalledAtTheMomentOfGivingUp hands a worker to one whose context has
// ended: the worker must not be lost, whichever of the two is seen first.
func TestCalledAtTheMomentOfGivingUp(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p := New(Options{Workers: 1, Waiting: 1, Respects: 2})
	for range 100 {
		if p.enter(Ticket{}) != nil {
			t.Fatal("no worker is free")
		}
		waiting := p.enter(Ticket{})
		p.leave()
		if err := p.await(over, waiting); err != nil {
			t.Fatalf("called, and yet %v: nobody gives the worker back", err)
		}
		p.leave()
	}
	if running, waiting := p.Load(); running+waiting != 0 || len(p.lines[second].rings[1].groups) != 0 {
		t.Errorf("%d run and %d wait in %d groups afterwards", running, waiting, len(p.lines[second].rings[1].groups))
	}
}

func TestPanickingWorkGivesItsWorkerBack(t *testing.T) {
	p := New(Options{Workers: 1, Respects: 1})
	func() {
		defer func() { _ = recover() }()
		_ = p.Do(t.Context(), Ticket{}, func() { panic("x") })
	}()
	if running, _ := p.Load(); running != 0 {
		t.Errorf("%d run", running)
	}
}

// Who is known goes first, and the others still get a turn of four.
func TestTheFirstLineGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Workers: 1, Waiting: 100, Respects: 1})
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		run := func(name string, first bool) {
			all.Go(func() {
				_ = p.Do(t.Context(), Ticket{Keys: []string{name}, First: first}, func() {
					mu.Lock()
					order = append(order, name)
					mu.Unlock()
					time.Sleep(time.Second)
				})
			})
			synctest.Wait()
		}
		run("running", false)
		for range 8 {
			run("stranger", false)
		}
		for range 6 {
			run("friend", true)
		}
		all.Wait()
		want := "running friend friend stranger friend friend friend stranger friend stranger stranger stranger stranger stranger stranger"
		if got := strings.Join(order, " "); got != want {
			t.Errorf("the order is\n%s, want\n%s", got, want)
		}
	})
}

// Where too much waits, strangers give way before anybody who is known.
func TestTheSecondLineGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Workers: 1, Waiting: 2, Respects: 1})
		lost := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		run := func(name string, first bool) {
			all.Go(func() {
				err := p.Do(t.Context(), Ticket{Keys: []string{name}, First: first}, func() { time.Sleep(time.Second) })
				if err != nil {
					mu.Lock()
					lost[name]++
					mu.Unlock()
				}
			})
			synctest.Wait()
		}
		run("running", true)
		run("friend", true)
		run("friend", true) // more company than any stranger has
		for i := range 5 {
			run(fmt.Sprint("stranger", i), false)
		}
		all.Wait()
		if len(lost) != 5 || lost["friend"] != 0 {
			t.Errorf("gave way: %v", lost)
		}
	})
}

// Who is known once, and brings a crowd, pushes nobody out of the second line.
func TestTheFirstLineTakesNoCrowd(t *testing.T) {
	crowds := map[string]func(i int) []string{
		"one login":              func(i int) []string { return []string{fmt.Sprint(i), fmt.Sprint(i), "login"} },
		"one network":            func(i int) []string { return []string{"wide", "narrow", fmt.Sprint(i)} },
		"one login, one network": func(int) []string { return []string{"wide", "narrow", "login"} },
	}
	for name, keys := range crowds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{Workers: 1, Waiting: 64, Respects: 3})
				var all sync.WaitGroup
				run := func(ticket Ticket, answer *error) {
					all.Go(func() { *answer = p.Do(t.Context(), ticket, func() { time.Sleep(step) }) })
					synctest.Wait()
				}
				answers := make([]error, 201)
				for i := range 100 {
					run(Ticket{Keys: keys(i), First: true}, &answers[i])
				}
				if n := p.lines[first].waiting; n != maxCompany {
					t.Errorf("%d of a crowd wait in the first line, %d may", n, maxCompany)
				}
				run(Ticket{Keys: []string{"a", "b", "stranger"}}, &answers[200])
				for i := range 100 {
					run(Ticket{Keys: keys(i), First: true}, &answers[100+i])
				}
				all.Wait()
				if answers[200] != nil {
					t.Errorf("a stranger gave way to a crowd: %v", answers[200])
				}
			})
		})
	}
}

// Who has failed lately goes last, gives way first, and gets a turn all the same.
func TestTheLastLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Workers: 1, Waiting: 12, Respects: 1})
		var mu sync.Mutex
		var order, lost []string
		var all sync.WaitGroup
		run := func(name string, whose Ticket) {
			whose.Keys = []string{name}
			all.Go(func() {
				err := p.Do(t.Context(), whose, func() {
					mu.Lock()
					order = append(order, name)
					mu.Unlock()
					time.Sleep(time.Second)
				})
				if err != nil {
					mu.Lock()
					lost = append(lost, name)
					mu.Unlock()
				}
			})
			synctest.Wait()
		}
		run("running", Ticket{})
		for i := range 4 {
			run(fmt.Sprint("guesser", i), Ticket{Last: true})
		}
		for range 4 {
			run("stranger", Ticket{})
		}
		for range 5 {
			run("friend", Ticket{First: true})
		}
		all.Wait()
		want := "running friend friend stranger friend friend friend stranger guesser0 stranger stranger guesser1 guesser2"
		if got := strings.Join(order, " "); got != want || !slices.Equal(lost, []string{"guesser3"}) {
			t.Errorf("the order is\n%s, want\n%s; gave way: %v", got, want, lost)
		}
	})
}
