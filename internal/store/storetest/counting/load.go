package counting

import (
	"fmt"

	"countersign/internal/limit"
)

// Loaded is what the n-th message of a busy gate is judged by: an hour and a day of its
// account, one of 100,000, a day of its domain, one of 10,000, an hour of its customer and
// of its client's network, and what the gate may send in all.
func Loaded(n int) *limit.Question {
	account := n * 7919 % 100_000
	return &limit.Question{
		Warn: 80, Want: limit.Amounts{limit.Messages: 1, limit.Recipients: 1, limit.Bytes: 5000},
		Levels: []limit.Level{
			level(limit.Subject{Kind: limit.Account, Name: fmt.Sprintf("user%d@d%d.example", account, account/10)}, limit.Defer, "recipients/hour=100000", "messages/day=2000000"),
			level(limit.Subject{Kind: limit.Domain, Name: fmt.Sprintf("d%d.example", account/10)}, limit.Defer, "recipients/day=1000000"),
			level(limit.Subject{Kind: limit.Customer, Name: fmt.Sprintf("customer%d", account/100)}, limit.Hold, "messages/hour=1000000"),
			level(limit.Subject{Kind: limit.Network, Name: fmt.Sprintf("192.0.%d.%d", n%20, n%250)}, limit.Defer, "messages/hour=1000000"),
			level(all, limit.Slow, "messages/hour=100000000"),
		},
	}
}
