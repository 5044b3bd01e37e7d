package ration

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
)

// spendMany asks n times and returns how many may be recorded.
func spendMany(r *Rations, network string, kind audit.Kind, n int) int {
	allowed := 0
	for range n {
		if r.Spend(netip.MustParsePrefix(network), kind) {
			allowed++
		}
	}
	return allowed
}

// inRations runs f in fake time with rations whose summaries go into told.
func inRations(t *testing.T, f func(t *testing.T, r *Rations, told *[]audit.Event)) {
	synctest.Test(t, func(t *testing.T) {
		var told []audit.Event
		r := New(time.Now, func(e audit.Event) { told = append(told, e) })
		f(t, r, &told)
		r.Close()
	})
}

// pass lets fake time pass.
func pass(d time.Duration) { <-time.After(d) }

func TestRationOfANetwork(t *testing.T) {
	inRations(t, func(t *testing.T, r *Rations, told *[]audit.Event) {
		const flood, quiet = "2001:db8:1::/48", "192.0.2.0/24"
		wants := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %d, want %d", what, got, want)
			}
		}
		wants("at once", spendMany(r, flood, audit.SessionOpened, 1000), NetworkEvents)
		wants("of another network", spendMany(r, quiet, audit.SessionOpened, 20), 20)
		wants("failed logins", spendMany(r, flood, audit.AuthFailed, 5000), networkLogins)
		r.Refund(netip.MustParsePrefix(flood), 7)
		wants("given back", spendMany(r, flood, audit.SessionOpened, 100), 7)
		pass(rationTime / 2)
		wants("after half a minute", spendMany(r, flood, audit.SessionHello, 1000), NetworkEvents/2)
		pass(rationTime/2 + time.Second)
		synctest.Wait()
		if len(*told) != 1 {
			t.Fatalf("told %+v", *told)
		}
		e := (*told)[0]
		if e.Kind != audit.EventsOmitted || e.Data["network"] != flood || e.Data["events"] != strconv.Itoa(700+93+850) || e.Data["logins"] != "2000" || e.Data["connections"] != strconv.Itoa(700+93) {
			t.Errorf("told %+v", e)
		}
		pass(time.Hour)
		synctest.Wait()
		wants("summaries after a quiet hour", len(*told), 1)
		wants("an hour later", spendMany(r, flood, audit.SessionHello, NetworkEvents+1), NetworkEvents)
		r.Close()
		if len(*told) != 2 || (*told)[1].Data["events"] != "1" {
			t.Errorf("told at the end: %+v", *told)
		}
	})
}

// TestRationsOfManyNetworks is a crowd of more networks than are told apart: neither
// memory nor the record grows with it.
func TestRationsOfManyNetworks(t *testing.T) {
	inRations(t, func(t *testing.T, r *Rations, told *[]audit.Event) {
		network := func(i int) string { return fmt.Sprintf("2001:db8:%x::/48", i) }
		allowed := 0
		for i := range 3 * maxNetworks {
			allowed += spendMany(r, network(i), audit.SessionOpened, 10)
		}
		if allowed != allEvents || len(r.networks) > maxNetworks {
			t.Errorf("%d events recorded of %d networks", allowed, len(r.networks))
		}
		pass(rationTime + time.Second)
		synctest.Wait()
		omitted := 0
		for _, e := range *told {
			n, _ := strconv.Atoi(e.Data["events"])
			omitted += n
		}
		if omitted != 30*maxNetworks-allEvents || len(*told) > maxNetworks+1 {
			t.Errorf("%d summaries tell of %d events", len(*told), omitted)
		}
		pass(rationTime)
		if got := spendMany(r, network(4*maxNetworks), audit.SessionOpened, 1); got != 1 || len(r.networks) != 1 {
			t.Errorf("after the flood %d networks are kept, %d recorded", len(r.networks), got)
		}
	})
}
