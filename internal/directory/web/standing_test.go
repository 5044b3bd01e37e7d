package web

import (
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"countersign/internal/directory"
	"countersign/internal/fault"
)

// TestStanding: the question says what it is about, and has no password.
func TestStanding(t *testing.T) {
	var seen string
	w := callback(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = string(body)
		says(`{"result":"found","login":"a@example.org","disabled":true,"plan":"p","networks":["192.0.2.0/24"]}`)(w, r)
	})
	s, err := w.Standing(t.Context(), ask)
	if err != nil || !reflect.DeepEqual(s, directory.Standing{Login: "a@example.org", Disabled: true, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}) || !w.Witnesses() {
		t.Errorf("%+v, %v", s, err)
	}
	if want := `{"version":1,"login":"a@example.org","client":"192.0.2.1","session":"01J9","mechanism":"PLAIN","standing":true}`; seen != want {
		t.Errorf("asked %s\nwant  %s", seen, want)
	}
	if _, err := w.Ask(t.Context(), ask); err != nil || strings.Contains(seen, "standing") {
		t.Errorf("another question has it too: %s, %v", seen, err)
	}
	for body, kind := range map[string]fault.Kind{
		`{"result":"unknown"}`: fault.NotFound,
		`{"result":"refused"}`: fault.Unauthenticated,
		`{"result":"found","login":"a@example.org","verified":true}`: fault.Corrupt,
		`{"result":"maybe"}`: fault.Corrupt,
	} {
		if _, err := callback(t, says(body)).Standing(t.Context(), ask); !fault.Is(err, kind) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := callback(t, says(`{"result":"unknown"}`)).Check(t.Context()); err != nil {
		t.Error(err)
	}
	for body, part := range map[string]string{
		`{"result":"found","login":"countersign-check@nobody.invalid"}`: "which nobody has",
		`{"result":"refused"}`: `"unknown" is wanted`,
	} {
		if err := callback(t, says(body)).Check(t.Context()); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := callback(t, http.NotFound).Check(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "status 404") {
		t.Error(err)
	}
}
