package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"countersign/internal/audit"
	"countersign/internal/fault"
	"countersign/internal/obs"
	"countersign/internal/sink"
	"countersign/internal/smtp"
)

const mib = 1 << 20

// watchOf returns a watch with a reserve of 160 MiB over what *r says.
func watchOf(r *room, err *error) (w *spaceWatch, told *[]string) {
	told = new([]string)
	w = &spaceWatch{
		measure: func(context.Context) (room, error) { return *r, *err },
		changed: func(low bool, r room, reserve int64) {
			*told = append(*told, fmt.Sprint(low, " ", r.free/mib, " ", reserve/mib))
		},
		log: slog.New(slog.DiscardHandler),
	}
	w.reserve.Store(160 * mib)
	return w, told
}

func TestSpaceFits(t *testing.T) {
	cases := map[string]struct {
		room      room
		octets    int64
		row, file bool
	}{
		"plenty":                      {room{free: 900 * mib, files: 5000}, 50 * mib, true, true},
		"files are not counted":       {room{free: 900 * mib, files: -1}, 50 * mib, true, true},
		"exactly":                     {room{free: 160 * mib, files: -1}, 0, true, true},
		"one octet too many":          {room{free: 160 * mib, files: -1}, 1, false, false},
		"spare counts":                {room{free: 100 * mib, spare: 61 * mib, files: -1}, mib, true, true},
		"spare does not hold files":   {room{free: 60 * mib, spare: 900 * mib, files: -1}, 21 * mib, false, false},
		"a quarter is free":           {room{free: 60 * mib, spare: 900 * mib, files: -1}, 20 * mib, true, true},
		"spare does not suffice":      {room{free: 100 * mib, spare: 59 * mib, files: -1}, 0, false, false},
		"nothing left for the log":    {room{free: 39 * mib, spare: 900 * mib, files: -1}, 0, false, false},
		"few files left":              {room{free: 900 * mib, files: 999}, 0, true, false},
		"full":                        {room{files: 0}, 0, false, false},
		"more than there is in total": {room{free: 900 * mib, files: -1}, 741 * mib, false, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w, _ := watchOf(&c.room, new(error))
			w.look(t.Context())
			for file, want := range map[bool]bool{false: c.row, true: c.file} {
				err := w.Fits(c.octets, file)
				if (err == nil) != want {
					t.Errorf("file %v: %v", file, err)
				}
				if err != nil && (smtp.ReplyFor(err).Code != 452 || fault.ReasonOf(err) != string(smtp.EStoreFull)) {
					t.Errorf("%v is answered %v", err, smtp.ReplyFor(err))
				}
			}
			w.reserve.Store(0)
			if err := errors.Join(w.Fits(c.octets, true), w.Fits(c.octets, false)); err != nil {
				t.Errorf("without reserve: %v", err)
			}
		})
	}
}

// TestSpaceCountsWhatItLetIn: between two looks the reserve cannot be overrun.
func TestSpaceCountsWhatItLetIn(t *testing.T) {
	r := room{free: 163 * mib, files: -1}
	w, _ := watchOf(&r, new(error))
	w.look(t.Context())
	for i := range 3 {
		if err := w.Take(mib, i == 0); err != nil {
			t.Fatal(err)
		}
	}
	if w.Take(1, true) == nil || w.Take(1, false) == nil {
		t.Error("more was let in than there is")
	}
	w.look(t.Context())
	if err := w.Take(mib, true); err != nil {
		t.Error("what was let in before the last look is counted twice")
	}
}

// TestSpaceTellsOfChanges: beginning and end are told once each, whatever the
// disk does at the brink.
func TestSpaceTellsOfChanges(t *testing.T) {
	r, failure := room{files: -1}, error(nil)
	w, told := watchOf(&r, &failure)
	for _, free := range []int64{200, 160, 159, 160, 159, 169, 170, 160, 159} {
		r.free = free * mib
		w.look(t.Context())
		err := w.check(t.Context())
		if (err != nil) != (free < 160) || err != nil && !errors.As(err, new(obs.Warning)) {
			t.Errorf("with %d MiB the health check says %v", free, err)
		}
	}
	if got := strings.Join(*told, ", "); got != "true 159 160, false 170 160, true 159 160" {
		t.Errorf("told %s", got)
	}
	failure = errors.New("no file system")
	w.look(t.Context())
	if w.Fits(mib, true) != nil || w.check(t.Context()) != nil || w.free() != 0 {
		t.Error("what cannot be measured refuses mail")
	}
}

func TestSpaceLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		w := &spaceWatch{measure: func(context.Context) (room, error) { looks++; return room{free: mib, files: -1}, nil }}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		w.run(ctx)
		for range 1000 {
			w.Fits(1, true)
		}
		if looks != 10 {
			t.Errorf("%d looks in ten seconds", looks)
		}
	})
}

// TestReserveIsReloaded: the reserve is that of the file. One beyond the disk is felt by clients, shown
// by health and metrics and recorded; without it mail goes on.
func TestReserveIsReloaded(t *testing.T) {
	w := startWorld(t, time.Now, "[store]\nreserve = \"1MiB\"\n", func(sink.Message) error { return nil })
	if err := w.app.space.Fits(0, true); err != nil || w.app.space.reserve.Load() != mib {
		t.Fatal(err, w.app.space.reserve.Load())
	}
	reload := func(extra string) {
		t.Helper()
		if restart, err := w.app.Reload(t.Context(), w.configure(extra)); err != nil || len(restart) > 0 {
			t.Fatal(restart, err)
		}
	}
	recorded := func(kind audit.Kind) func() bool {
		return func() bool {
			events, err := w.app.Store().Search(t.Context(), audit.Query{Kind: kind, Limit: 10})
			return err == nil && len(events) == 1
		}
	}
	reload("[store]\nreserve = \"900000GiB\"\n")
	w.until("mail to be refused", func() bool { return w.app.space.Fits(0, false) != nil })
	w.until("the record of it", recorded(audit.StoreLow))
	if err := w.app.health.Run(t.Context())["space"]; !errors.As(err, new(obs.Warning)) {
		t.Errorf("health says %v", err)
	}
	if w.app.space.free() <= 0 {
		t.Error("no free space is shown")
	}
	reload("[store]\nreserve = \"0\"\n")
	w.until("the record of the end", recorded(audit.StoreRegained))
	if err := w.app.space.Fits(1<<50, true); err != nil {
		t.Error(err)
	}
}

func TestFileSystemRoomOfNothing(t *testing.T) {
	if _, err := fileSystemRoom(t.TempDir() + "/none"); err == nil {
		t.Error("a folder that is missing has room")
	}
}
