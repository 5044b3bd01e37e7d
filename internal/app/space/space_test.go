package space

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/fault"
	"countersign/internal/obs"
	"countersign/internal/smtp"
)

const mib = 1 << 20

// watchOf returns a watch with a reserve of 160 MiB over what *r says.
func watchOf(r *Room, err *error) (w *Watch, told *[]string) {
	told = new([]string)
	w = New(Options{
		Measure: func(context.Context) (Room, error) { return *r, *err },
		Changed: func(low bool, r Room, reserve int64) {
			*told = append(*told, fmt.Sprint(low, " ", r.Free/mib, " ", reserve/mib))
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	w.SetReserve(160 * mib)
	return w, told
}

func TestSpaceFits(t *testing.T) {
	cases := map[string]struct {
		room      Room
		octets    int64
		row, file bool
	}{
		"plenty":                      {Room{Free: 900 * mib, Files: 5000}, 50 * mib, true, true},
		"files are not counted":       {Room{Free: 900 * mib, Files: -1}, 50 * mib, true, true},
		"exactly":                     {Room{Free: 160 * mib, Files: -1}, 0, true, true},
		"one octet too many":          {Room{Free: 160 * mib, Files: -1}, 1, false, false},
		"spare counts":                {Room{Free: 100 * mib, Spare: 61 * mib, Files: -1}, mib, true, true},
		"spare does not hold files":   {Room{Free: 60 * mib, Spare: 900 * mib, Files: -1}, 21 * mib, false, false},
		"a quarter is free":           {Room{Free: 60 * mib, Spare: 900 * mib, Files: -1}, 20 * mib, true, true},
		"spare does not suffice":      {Room{Free: 100 * mib, Spare: 59 * mib, Files: -1}, 0, false, false},
		"nothing left for the log":    {Room{Free: 39 * mib, Spare: 900 * mib, Files: -1}, 0, false, false},
		"few files left":              {Room{Free: 900 * mib, Files: 999}, 0, true, false},
		"full":                        {Room{Files: 0}, 0, false, false},
		"more than there is in total": {Room{Free: 900 * mib, Files: -1}, 741 * mib, false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w, _ := watchOf(&c.room, new(error))
			w.Look(t.Context())
			for file, want := range map[bool]bool{false: c.row, true: c.file} {
				err := w.Fits(c.octets, file)
				if (err == nil) != want {
					t.Errorf("file %v: %v", file, err)
				}
				if err != nil && (smtp.ReplyFor(err).Code != 452 || fault.ReasonOf(err) != string(smtp.EStoreFull)) {
					t.Errorf("%v is answered %v", err, smtp.ReplyFor(err))
				}
			}
			w.SetReserve(0)
			if err := errors.Join(w.Fits(c.octets, true), w.Fits(c.octets, false)); err != nil {
				t.Errorf("without reserve: %v", err)
			}
		})
	}
}

// TestSpaceCountsWhatItLetIn: between two looks the reserve cannot be overrun.
func TestSpaceCountsWhatItLetIn(t *testing.T) {
	r := Room{Free: 163 * mib, Files: -1}
	w, _ := watchOf(&r, new(error))
	w.Look(t.Context())
	for i := range 3 {
		if err := w.Take(mib, i == 0); err != nil {
			t.Fatal(err)
		}
	}
	if w.Take(1, true) == nil || w.Take(1, false) == nil {
		t.Error("more was let in than there is")
	}
	w.Look(t.Context())
	if err := w.Take(mib, true); err != nil {
		t.Error("what was let in before the last look is counted twice")
	}
}

// TestSpaceTellsOfChanges: beginning and end are told once each, whatever the
// disk does at the brink.
func TestSpaceTellsOfChanges(t *testing.T) {
	r, failure := Room{Files: -1}, error(nil)
	w, told := watchOf(&r, &failure)
	for _, free := range []int64{200, 160, 159, 160, 159, 169, 170, 160, 159} {
		r.Free = free * mib
		w.Look(t.Context())
		err := w.Health(t.Context())
		if (err != nil) != (free < 160) || err != nil && !errors.As(err, new(obs.Warning)) {
			t.Errorf("with %d MiB the health check says %v", free, err)
		}
	}
	if got := strings.Join(*told, ", "); got != "true 159 160, false 170 160, true 159 160" {
		t.Errorf("told %s", got)
	}
	failure = errors.New("no file system")
	w.Look(t.Context())
	if w.Fits(mib, true) != nil || w.Health(t.Context()) != nil || w.Free() != 0 {
		t.Error("what cannot be measured refuses mail")
	}
}

func TestSpaceLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		w := New(Options{Measure: func(context.Context) (Room, error) { looks++; return Room{Free: mib, Files: -1}, nil }})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		w.Run(ctx)
		for range 1000 {
			w.Fits(1, true)
		}
		if looks != 10 {
			t.Errorf("%d looks in ten seconds", looks)
		}
	})
}

func TestFileSystemOfNothing(t *testing.T) {
	if _, err := FileSystem(t.TempDir() + "/none"); err == nil {
		t.Error("a folder that is missing has room")
	}
}
