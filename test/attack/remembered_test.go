package attack

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"countersign/internal/loadgen"
	"countersign/test/harness"
)

// What a run of BenchmarkOneMessageEach is: so many connections at once of so many accounts, and the goal.
const (
	eachMessages    = 10_000
	eachConnections = 32
	eachAccounts    = 8
	eachGoal        = 500 // messages per second
)

// BenchmarkOneMessageEach measures one message for each connection, with a full handshake and a login, against
// accounts of a directory that has bcrypt hashes of cost 10. Their passwords are remembered for as long as they are by
// default, and neither signing nor delivery takes part.
func BenchmarkOneMessageEach(b *testing.B) {
	if b.N != 1 {
		b.Fatal("this is for -benchtime 1x")
	}
	withoutDetector(b)
	gate := harness.Serve(b, "127.0.0.1:9", fmt.Sprintf(
		"[dkim]\nsign = false\n[delivery]\nenabled = false\n[session]\nmax_connections_per_prefix = 5000\n%s", bcrypts(b)))
	results := make([]loadgen.Result, eachAccounts)
	began := time.Now()
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			load := gate.Load(eachMessages/eachAccounts, eachConnections/eachAccounts)
			load.Login, load.From = elsewhere(i), elsewhere(i)
			load.PerConnection, load.Size = 1, 1024
			var err error
			if results[i], err = loadgen.Run(b.Context(), load); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	accepted := 0
	for i, r := range results {
		if accepted += r.Accepted; r.Failed > 0 || len(r.Rejections) > 0 {
			b.Errorf("%s: %+v", elsewhere(i), r)
		}
	}
	perSecond := float64(accepted) / time.Since(began).Seconds()
	word := "met"
	if perSecond < eachGoal {
		word = "MISSED"
	}
	fmt.Printf("%d messages, each by a connection and a login of its own, %d at a time, bcrypt 10 in a directory: %.0f/s; goal %d/s: %s\n",
		accepted, eachConnections, perSecond, eachGoal, word)
	b.ReportMetric(perSecond, "messages/s")
	b.ReportMetric(0, "ns/op") // means nothing here
}

// elsewhere is the login of the i-th account of the directory.
func elsewhere(i int) string { return fmt.Sprintf("user%d@far.example", i) }

// bcrypts is the table of a directory that has those accounts.
func bcrypts(b *testing.B) string {
	b.Helper()
	hashes := map[string]string{}
	for i := range eachAccounts {
		hashes[elsewhere(i)] = bcryptOf(b, 10)
	}
	return panel(b, hashes, "bcrypt:10")
}

// bcryptOf is a hash of the harness's password.
func bcryptOf(b *testing.B, cost int) string {
	b.Helper()
	text, err := bcrypt.GenerateFromPassword([]byte(harness.Password), cost)
	if err != nil {
		b.Fatal(err)
	}
	return "{BLF-CRYPT}" + string(text)
}
