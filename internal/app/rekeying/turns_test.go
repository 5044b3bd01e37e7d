package rekeying

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/account"
	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/mx"
	"countersign/internal/policy/turnover"
)

// many is a store of domains with a key that waits, and a DNS that never answers about some.
type many struct {
	Store
	mu sync.Mutex // guards what follows
	// customers has whose each domain is.
	customers map[mail.Domain]string
	// never are customers whose DNS never answers.
	never map[string]bool
	// asked is how often each domain was looked at, running who is being looked at now, and
	// most how many were at once, of each customer and ("") of all.
	asked         map[mail.Domain]int
	running, most map[string]int
}

func (m *many) Turning(context.Context, []string, time.Time) (list []mail.Domain, err error) {
	for name := range m.customers {
		list = append(list, name)
	}
	slices.Sort(list)
	return list, nil
}

func (m *many) Domain(_ context.Context, name mail.Domain) (account.Domain, error) {
	if m.customers[name] == "" {
		return account.Domain{}, fault.New("test", fault.NotFound, "no such domain")
	}
	return account.Domain{Name: name, Customer: m.customers[name], Keys: []account.Key{{Selector: "a", Stage: account.Waiting, Created: time.Now()}}}, nil
}

func (m *many) Ask(ctx context.Context, name string, _ mx.Type) (mx.Answer, error) {
	_, domain, _ := strings.Cut(strings.TrimSuffix(name, "."), "._domainkey.")
	customer := m.customers[mail.Domain(domain)]
	m.mu.Lock()
	m.asked[mail.Domain(domain)]++
	for _, of := range []string{customer, ""} {
		m.running[of]++
		m.most[of] = max(m.most[of], m.running[of])
	}
	m.mu.Unlock()
	if m.never[customer] {
		<-ctx.Done()
	} else {
		time.Sleep(time.Second) // of the bubble
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range []string{customer, ""} {
		m.running[of]--
	}
	return mx.Answer{}, fault.New("test", fault.NotFound, "no such name")
}

// looked counts the domains of a customer that were looked at.
func (m *many) looked(customer string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, times := range m.asked {
		if times > 0 && m.customers[name] == customer {
			n++
		}
	}
	return n
}

// turning has a Turner run on so many domains of each of the customers, those of never among them.
func turning(t *testing.T, each int, customers, never []string) *many {
	m := &many{customers: map[mail.Domain]string{}, never: map[string]bool{}, asked: map[mail.Domain]int{}, running: map[string]int{}, most: map[string]int{}}
	for _, customer := range append(slices.Clone(never), customers...) {
		for i := range each {
			m.customers[mail.Domain(fmt.Sprintf("d%03d.%s.example", i, customer))] = customer
		}
	}
	for _, customer := range never {
		m.never[customer] = true
	}
	turner := New(Options{
		Store: m, Asker: m, Every: 10 * time.Minute, Timing: turnover.Timing{Settle: time.Hour, Keep: time.Hour}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { turner.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return m
}

// TestSlowCustomersKeepNobodyWaiting: of 100 domains of one customer none has DNS that answers; the
// domains of others are looked at meanwhile, no more than so many at once, and of a customer fewer.
func TestSlowCustomersKeepNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := turning(t, 100, []string{"b", "c", "d"}, []string{"a"})
		pass(time.Minute)
		for _, customer := range []string{"b", "c", "d"} {
			if n := m.looked(customer); n != 100 {
				t.Errorf("within a minute %d of 100 domains of %s were looked at", n, customer)
			}
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.most[""] != atOnce || m.most["a"] != ofOne || m.most["b"] != ofOne {
			t.Errorf("at once there were %v, want %d of all and %d of each", m.most, atOnce, ofOne)
		}
	})
}

// TestEveryDomainHasItsTurn: where the time between two rounds is too short for all, those that were
// left out come first in the next one; and many customers with slow DNS keep no other one out.
func TestEveryDomainHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := turning(t, 50, []string{"z"}, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i"})
		pass(10 * time.Minute)
		if n := m.looked("z"); n < 10 {
			t.Errorf("in a round %d of 50 domains were looked at whose DNS answers", n)
		}
		m.mu.Lock()
		for name, n := range m.asked {
			if n > 1 {
				t.Errorf("%s was looked at %d times before others once", name, n)
			}
		}
		m.mu.Unlock()
		pass(90 * time.Minute)
		for customer := range m.never {
			if n := m.looked(customer); n != 50 {
				t.Errorf("in some rounds %d of 50 domains of %s were looked at", n, customer)
			}
		}
	})
}

// TestLatenessIsBounded: of many domains some are named, always the same.
func TestLatenessIsBounded(t *testing.T) {
	var l lateness
	for _, name := range []string{"g", "b", "f", "", "a", "d", "e", "c"} {
		l.add(name)
	}
	l.fail("x")
	l.fail("y")
	if got := l.text(); got != "x; a; b; c; d; e; 2 domains more" {
		t.Errorf("it says %q", got)
	}
	if got := new(lateness).text(); got != "" {
		t.Errorf("of nothing it says %q", got)
	}
}
