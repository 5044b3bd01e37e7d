package submission

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/queue"
	"countersign/internal/smtp"
)

// limited is a Space of so many octets.
type limited struct{ atomic.Int64 }

func (l *limited) Fits(octets int64, _ bool) error {
	if octets >= l.Load() {
		return fault.Refuse("test", fault.Full, string(smtp.EStoreFull))
	}
	return nil
}

func (l *limited) Take(octets int64, file bool) error {
	err := l.Fits(octets, file)
	if err == nil {
		l.Add(-octets)
	}
	return err
}

// TestNoRoom: mail is refused at MAIL where there is no room for it, and
// before anything is written of what turns out too large; nothing is left.
func TestNoRoom(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t)
	space := &limited{}
	f.gate.opt.Space = space
	from := address(t, testLogin)
	wantReason(t, f.login().Mail(ctx, mail.Envelope{From: from}), smtp.EStoreFull)
	space.Store(1000)
	wantReason(t, f.login().Mail(ctx, mail.Envelope{From: from, Size: 1000}), smtp.EStoreFull)
	f.must(f.login().Mail(ctx, mail.Envelope{From: from, Size: 999}))

	line := strings.Repeat("x", 98) + "\r\n"
	for name, c := range map[string]struct {
		body string
		room int64
		fits bool
	}{
		"small":             {strings.Repeat(line, 10), 1000, false},
		"small, in time":    {strings.Repeat(line, 10), 1001, true},
		"large":             {strings.Repeat(line, 3000), 50_000, false},
		"large, in parts":   {strings.Repeat(line, 3000), 290_000, false},
		"large, just":       {strings.Repeat(line, 3000), 300_001, true},
		"large, on the dot": {strings.Repeat(line, 3000), 300_000, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			space := &limited{}
			space.Store(c.room)
			f.gate.opt.Space = space
			head, _, _ := strings.Cut(plainMail, "\r\n\r\n")
			_, err := f.submit(f.login(), testLogin, strings.NewReader(head+"\r\n\r\n"+c.body), "b@example.com")
			items, listErr := f.store.List(ctx, queue.Filter{})
			f.must(listErr)
			if c.fits {
				f.must(err)
			} else {
				wantReason(t, err, smtp.EStoreFull)
			}
			if (len(items) == 1) != c.fits {
				t.Errorf("%d deliveries", len(items))
			}
			files, err := filepath.Glob(filepath.Join(f.dir, "bodies", "*", "*"))
			f.must(err)
			if len(files) > 0 != (c.fits && len(c.body) > queue.InlineMax) {
				t.Errorf("body files: %q", files)
			}
			if _, err := os.Stat(filepath.Join(f.dir, "test.db")); err != nil {
				t.Error(err)
			}
		})
	}
}
