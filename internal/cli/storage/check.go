package storage

import (
	"fmt"
	"time"

	"countersign/internal/app/upkeep"
	"countersign/internal/cli/table"
	"countersign/internal/soundness"
)

// Check is "countersign store check".
type Check struct {
	JSON bool `name:"json" help:"Print JSON."`
}

// Help is what "store check --help" says beside the flags.
func (*Check) Help() string {
	return "Looks at one moment of the store, without changing it or keeping anybody from it: at the pages of a SQLite file, at rows that belong to none, " +
		"at large bodies and totals, and follows every submission of the record to its ends. Whatever was accepted has to wait or to have an outcome. " +
		"The exit status is 0 for a sound store and 1 for one that is not."
}

// Run does it.
func (cmd *Check) Run(s *Site) error {
	cfg, err := s.Config()
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	r, err := upkeep.Check(ctx, cfg, s.Now)
	if err != nil {
		return err
	}
	if cmd.JSON {
		err = table.JSON(s.Stdout, struct {
			Sound bool `json:"sound"`
			*soundness.Report
		}{r.Sound(), r})
	} else {
		err = s.show(r)
	}
	if err == nil && !r.Sound() {
		err = fmt.Errorf("the store is not sound")
	}
	return err
}

// show prints a report for people.
func (s *Site) show(r *soundness.Report) error {
	for _, f := range r.Findings {
		remark := ""
		if f.Remark {
			remark = " (does no harm)"
		}
		if err := s.say("%s, %d times%s: %s", f.Kind, f.Count, remark, f.What); err != nil {
			return err
		}
		for _, where := range f.Where {
			if err := s.say("    %s", table.Clean(where)); err != nil {
				return err
			}
		}
		if more := f.Count - int64(len(f.Where)); more > 0 {
			if err := s.say("    and %d more", more); err != nil {
				return err
			}
		}
		if err := s.say("  what to do: %s", f.Do); err != nil {
			return err
		}
	}
	if r.RecordBegins != 0 {
		if err := s.say("the record begins at %s; what was accepted before was not followed", table.Stamp(time.UnixMicro(r.RecordBegins))); err != nil {
			return err
		}
	}
	verdict := "sound"
	if !r.Sound() {
		verdict = "not sound"
	}
	return s.say("%s: %s, %s looked at", verdict, plural(r.Deliveries, "delivery that waits", "deliveries that wait"), plural(r.Events, "event", "events"))
}
