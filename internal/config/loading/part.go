package loading

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"countersign/internal/config"
)

// place are the options that say where the store is; every command needs them.
var place = [...]string{"data_dir", "store", "store.url"}

// LoadPart reads the file at path for a command that works on the store and
// needs no more of the file than the store's place and the options or tables
// called needs, such as "dkim.key_file" or "auth". What else is wrong with the
// file does not stop such a command: elsewhere counts those mistakes, and the
// options that they are about have their defaults in c. The error is the one
// of Load, with all that is wrong, as soon as any of it is in what the command
// needs, or may be: an option misspelt beyond recognition at the top of the
// file, or a line that cannot be read and seems to set what is needed.
func LoadPart(path string, needs ...string) (c *config.Config, elsewhere int, err error) {
	d := read(path, time.Now())
	_, err = d.report.Result()
	var wrong *Errors
	if errors.As(err, &wrong) {
		if d.concerns(slices.Concat(place[:], needs), wrong.List) {
			return nil, 0, err
		}
		elsewhere = len(wrong.List)
	}
	d.config.Complete()
	return d.config, elsewhere, nil
}

// concerns reports whether one of the problems is, or may be, about what is
// needed.
func (d *draft) concerns(needs []string, problems []Problem) bool {
	names := slices.Clone(needs)
	for _, need := range needs {
		names = append(names, config.Schema().Names(need)...)
	}
	about := func(p Problem) bool {
		return p.Line == 0 || slices.Contains(names, p.Key) || unknown(p) && mayMean(p, names)
	}
	doubtful := func(name string) bool {
		return d.report.Failed(name) || !d.whole && d.mayBeHidden(name)
	}
	return slices.ContainsFunc(problems, about) || slices.ContainsFunc(names, doubtful)
}

// unknown reports whether p is about an option or table that does not exist.
func unknown(p Problem) bool { return p.Key != "" && len(config.Schema().Names(p.Key)) == 0 }

// mayMean reports whether a key that does not exist may stand for one of
// names: it is one of them in the wrong table, stands in one of these tables,
// or is at the top of the file and like nothing that is known.
func mayMean(p Problem, names []string) bool {
	table, key, nested := strings.Cut(p.Key, ".")
	if !nested {
		key = table
	}
	return !nested && p.Suggestion == "" || slices.ContainsFunc(names, func(name string) bool {
		return lastPart(name) == key || nested && name == table
	})
}

// lastPart returns the name of an option without its table.
func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// mayBeHidden reports whether an option was not found although the text of the
// file mentions it: it may stand in what could not be read.
func (d *draft) mayBeHidden(name string) bool {
	mention := regexp.MustCompile(`(?m)^[^#\n]*\b` + lastPart(name) + `\b`)
	return !d.report.IsSet(name) && mention.Match(d.text)
}
