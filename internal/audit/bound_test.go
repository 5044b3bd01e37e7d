package audit

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEveryFieldIsBounded makes each text of an event, one after the other, far
// too long, and wants neither store nor log to get it. A field that is added
// to Event is in it.
func TestEveryFieldIsBounded(t *testing.T) {
	long := strings.Repeat("ä", 30_000)
	fields := reflect.TypeFor[Event]()
	for i := range fields.NumField() {
		var e Event
		switch f := reflect.ValueOf(&e).Elem().Field(i); {
		case f.Kind() == reflect.String:
			f.SetString(long)
		case f.Type() == reflect.TypeFor[map[string]string]():
			f.Set(reflect.ValueOf(map[string]string{"a": long, "b": "short"}))
		default:
			continue
		}
		t.Run(fields.Field(i).Name, func(t *testing.T) {
			var log bytes.Buffer
			store := &tape{}
			r := NewRecorder(store, RecorderOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			r.Record(e)
			r.Log(e)
			if err := r.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if log.Len() > 2*(MaxText+200) {
				t.Errorf("two lines of log have %d octets", log.Len())
			}
			stored := reflect.ValueOf(store.batches[0][0]).Field(i)
			texts := []string{stored.String()}
			if stored.Kind() == reflect.Map {
				data := stored.Interface().(map[string]string)
				texts = []string{data["a"]}
				if data["b"] != "short" || e.Data["a"] != long {
					t.Errorf("data is %.40q, the caller's %.40q", data, e.Data)
				}
			}
			for _, text := range texts {
				if len(text) > MaxText || len(text) < MaxText-4 || !strings.HasSuffix(text, "ä…") || !utf8.ValidString(text) {
					t.Errorf("%d octets stored, ending in %q", len(text), text[max(0, len(text)-8):])
				}
			}
		})
	}
}

func TestBoundedCutsOnlyWhatIsTooLong(t *testing.T) {
	fits := strings.Repeat("x", MaxText)
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{fits, fits},
		{fits + "x", fits[:MaxText-len(cutMark)] + cutMark},
		{strings.Repeat("\x80", MaxText+1), strings.Repeat("\x80", MaxText-len(cutMark)-3) + cutMark}, // no characters at all
	} {
		if got := Bounded(Event{Text: tt.text}).Text; got != tt.want {
			t.Errorf("%d octets became %d: %.20q", len(tt.text), len(got), got)
		}
	}
}
