package intake

import (
	"testing"

	"countersign/internal/smtp"
)

// TestMoreThanAnnounced: a message may be larger than announced, as programs count line ends
// otherwise, and not by much more.
func TestMoreThanAnnounced(t *testing.T) {
	in := New(Options{Announced: 1000})
	if err := in.check(2000 + announcedSlack); err != nil {
		t.Error(err)
	}
	if err := in.check(2001 + announcedSlack); smtp.ReplyFor(err).Reason != smtp.ESizeExceeded {
		t.Errorf("got %v", err)
	}
}
