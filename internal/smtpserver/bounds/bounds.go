// Package bounds says how much an SMTP server takes: of connections, of what one
// session may do wrong, of messages and their lines, and how long it waits.
//
// It counts nothing itself. Packages smtpserver and crowd do, and what an account may
// send is for package limit.
package bounds

import (
	"cmp"
	"strconv"
	"time"

	"countersign/internal/crowd"
	"countersign/internal/smtp/strict"
)

// Limits are the budgets of the server and of each session. A count of 0 means
// no limit; a time or prefix length of 0 means the one of Default.
type Limits struct {
	// Timeouts bound how long the server waits for a client.
	Timeouts Timeouts

	// MaxConnections is how many sessions are open at the same time, on all
	// listeners together. Beyond it, one that has not logged in makes room for a
	// newcomer where its wide network has more of that sort than the newcomer's.
	MaxConnections int
	// MaxPerPrefix is how many of them come from one client network, whose
	// size is PrefixV4 (1 to 32) or PrefixV6 (1 to 128) bits.
	MaxPerPrefix       int
	PrefixV4, PrefixV6 int
	// MaxPerWide is how many of them come from one wide network, of crowd.WideIPv4
	// or crowd.WideIPv6 bits.
	MaxPerWide int

	// MaxErrors is how many commands that are unknown, malformed or out of order a
	// session may send, MaxAuthFailures how many AUTH may be refused, and
	// MaxRefusedRecipients how many RCPT may be refused for good. At the last
	// one the session is ended with 421.
	MaxErrors            int
	MaxAuthFailures      int
	MaxRefusedRecipients int

	// MaxRecipients bounds one transaction, MaxMessages the transactions of one
	// session. Both are offered by RFC 9422.
	MaxRecipients int
	MaxMessages   int
	// MaxMessageBytes is the largest message in octets, as offered by SIZE.
	MaxMessageBytes int64
	// MaxLine is the longest line of a message in octets without CRLF; 0 means
	// strict.MaxTextLine. LongLines lets longer ones pass.
	MaxLine   int
	LongLines bool
}

// Timeouts are the times of a session. 0 means the one of Default.
type Timeouts struct {
	// EarlyTalk is how long the greeting is held back to see whether the client
	// speaks first; negative means not at all.
	EarlyTalk time.Duration
	// Greeting is the time for the first command, and for a PROXY header.
	Greeting time.Duration
	// Handshake is the time for a TLS handshake.
	Handshake time.Duration
	// Command is the time for each whole command line after that, and for the
	// client to take a reply.
	Command time.Duration
	// Login is the time for everything until AUTH has succeeded, from when the
	// connection was accepted.
	Login time.Duration
	// DataProgress is how long a message may stand still.
	DataProgress time.Duration
	// DataTotal is the time for a whole message.
	DataTotal time.Duration
}

// Default returns limits that suit a small provider. Command and
// DataProgress are those of RFC 5321 sections 4.5.3.2.7 and 4.5.3.2.5.
func Default() Limits {
	return Limits{
		Timeouts: Timeouts{
			EarlyTalk:    5 * time.Millisecond,
			Greeting:     time.Minute,
			Handshake:    30 * time.Second,
			Command:      5 * time.Minute,
			Login:        3 * time.Minute,
			DataProgress: 3 * time.Minute,
			DataTotal:    30 * time.Minute,
		},
		MaxConnections:       5000,
		MaxPerPrefix:         50,
		MaxPerWide:           1250,
		PrefixV4:             32,
		PrefixV6:             64,
		MaxErrors:            10,
		MaxAuthFailures:      3,
		MaxRefusedRecipients: 20,
		MaxRecipients:        100,
		MaxMessages:          1000,
		MaxMessageBytes:      50 << 20,
		MaxLine:              strict.MaxTextLine,
	}
}

// Complete fills in what is 0 and may not be.
func (l Limits) Complete() *Limits {
	d, t := Default(), &l.Timeouts
	t.EarlyTalk = cmp.Or(t.EarlyTalk, d.Timeouts.EarlyTalk)
	t.Greeting = cmp.Or(t.Greeting, d.Timeouts.Greeting)
	t.Handshake = cmp.Or(t.Handshake, d.Timeouts.Handshake)
	t.Command = cmp.Or(t.Command, d.Timeouts.Command)
	t.Login = cmp.Or(t.Login, d.Timeouts.Login)
	t.DataProgress = cmp.Or(t.DataProgress, d.Timeouts.DataProgress)
	t.DataTotal = cmp.Or(t.DataTotal, d.Timeouts.DataTotal)
	l.PrefixV4 = cmp.Or(l.PrefixV4, d.PrefixV4)
	l.PrefixV6 = cmp.Or(l.PrefixV6, d.PrefixV6)
	l.MaxLine = cmp.Or(l.MaxLine, d.MaxLine)
	return &l
}

// Places returns the bounds of how many sessions there are.
func (l *Limits) Places() crowd.Limits {
	return crowd.Limits{
		All: l.MaxConnections, PerNarrow: l.MaxPerPrefix, PerWide: l.MaxPerWide,
		NarrowIPv4: l.PrefixV4, NarrowIPv6: l.PrefixV6,
	}
}

// DrainSlack is how far beyond its size limit a refused message is read before
// the session is ended, in octets.
const DrainSlack = 1 << 20

// Content returns the bounds of a message's content.
func (l *Limits) Content() strict.DataOptions {
	o := strict.DataOptions{MaxBytes: l.MaxMessageBytes, MaxLine: l.MaxLine}
	if l.LongLines {
		o.MaxLine = 0
	}
	if l.MaxMessageBytes > 0 {
		o.MaxDrain = l.MaxMessageBytes + DrainSlack
	}
	return o
}

// Announce returns the LIMITS line (RFC 9422 section 3), "" where there is
// nothing to say.
func (l *Limits) Announce() string {
	text := ""
	if l.MaxMessages > 0 {
		text += " MAILMAX=" + strconv.Itoa(l.MaxMessages)
	}
	if l.MaxRecipients > 0 {
		text += " RCPTMAX=" + strconv.Itoa(l.MaxRecipients)
	}
	if text == "" {
		return ""
	}
	return "LIMITS" + text
}
