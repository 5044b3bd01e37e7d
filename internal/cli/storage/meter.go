package storage

import (
	"fmt"
	"io"
	"time"

	"countersign/internal/store/transfer"
)

// meter prints how far the work is: when a table begins, and then once in
// a while.
type meter struct {
	out io.Writer
	now func() time.Time
	// began is when the phase did, printed when a line was.
	began, printed time.Time
	last           transfer.Progress
	// said says that last is on a line.
	said bool
}

// every is how often a line is printed.
const every = 2 * time.Second

// show takes the news.
func (m *meter) show(p transfer.Progress) {
	now := m.now()
	if p.Phase != m.last.Phase {
		m.end()
		m.began, m.printed = now, time.Time{}
	}
	m.last, m.said = p, false
	if now.Sub(m.printed) >= every {
		m.printed = now
		m.print(now)
	}
}

// end prints the last news, where nobody has seen them.
func (m *meter) end() {
	if m.last.Phase != "" && !m.said {
		m.print(m.now())
	}
}

func (m *meter) print(now time.Time) {
	m.said = true
	const mega = 1 << 20
	rate := float64(m.last.Bytes) / mega / max(now.Sub(m.began).Seconds(), 0.001)
	what := m.last.Table
	if m.last.Store != "" {
		what = "the " + m.last.Store + ", " + what
	}
	fmt.Fprintf(m.out, "%s %s: %d of %d rows, %d MiB, %.0f MiB/s\n", m.last.Phase, what, m.last.Rows, m.last.Total, m.last.Bytes/mega, rate)
}
