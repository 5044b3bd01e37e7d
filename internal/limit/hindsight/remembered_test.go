package hindsight

import (
	"slices"
	"testing"

	"countersign/internal/mail"
)

// TestRemembered: whom messages went to is told for each by itself, each once, in whatever order it was
// noted; of what fails it is known whose it was.
func TestRemembered(t *testing.T) {
	r := newRemembered()
	for _, id := range []mail.ID{"c", "a", "b", "a"} {
		for _, to := range []int64{9, -3, 9} {
			r.to(id, to)
		}
	}
	for _, id := range []mail.ID{"a", "b", "c"} {
		if got := r.contacts(id); !slices.Equal(got, []int64{-3, 9}) {
			t.Errorf("%s went to %v", id, got)
		}
	}
	if got := r.contacts("d"); got != nil {
		t.Errorf("a message of which nothing is noted went to %v", got)
	}
	r.to("d", 1)
	if got := r.contacts("d"); !slices.Equal(got, []int64{1}) {
		t.Errorf("what was noted after a look: %v", got)
	}

	if n := r.fails("a"); n != 1 {
		t.Errorf("%d fail", n)
	}
	if n := r.fails("a") + r.fails("b"); n != 1+2 {
		t.Errorf("one message is counted twice")
	}
	for id, credential := range map[mail.ID]string{"a": "", "b": "phone", "c": "phone"} {
		if fails := r.sentBy(id, credential, id == "b"); fails != (id != "c") {
			t.Errorf("%s fails: %v", id, fails)
		}
		if got, automatic, fails := r.failed(id); fails && (got != credential || automatic != (id == "b")) {
			t.Errorf("%s is of %q, automatic %v", id, got, automatic)
		}
	}
}
