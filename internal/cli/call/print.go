package call

import (
	"errors"
	"fmt"
	"strings"

	"countersign/internal/cli/table"
	"countersign/internal/fault"
	"countersign/internal/shown"
)

// AsJSON is the flag that every listing has.
type AsJSON struct {
	JSON bool `help:"Print JSON."`
}

// List prints what find returns, each seen as view makes it and printed as
// cells under heads.
func List[T, V any](c *Call, flag AsJSON, heads []string, view func(T) V, cells func(V) []string, find func(Store) ([]T, error)) error {
	return c.With(func(o *Opened) error {
		objects, err := find(o.Store)
		if err != nil {
			return err
		}
		return table.List(c.Stdout, flag.JSON, shown.Each(objects, view), heads, cells)
	})
}

// Show prints one object, which adds a row for each thing there is to say.
func (c *Call) Show(flag AsJSON, v interface{ Details(table.Table) }) error {
	if flag.JSON {
		return table.JSON(c.Stdout, v)
	}
	t := table.New(c.Stdout)
	v.Details(t)
	return t.Flush()
}

// Missing names the object that a store did not find.
func Missing(err error, object string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New("cli.show", fault.NotFound, "%s does not exist", object)
	}
	return err
}

// UsageError is a mistake in the arguments that is found only after parsing.
type UsageError struct{ error }

// Usage makes a UsageError.
func Usage(format string, args ...any) error {
	return UsageError{fmt.Errorf(format, args...)}
}

// pointed adds to the refusal of an object that does not exist where those are
// listed that do.
func pointed(err error) error {
	var e *fault.Error
	if !fault.Is(err, fault.NotFound) || !errors.As(err, &e) || !strings.HasSuffix(e.Detail, " does not exist") {
		return err
	}
	kind, _, _ := strings.Cut(e.Detail, " ")
	return fault.New("cli", fault.NotFound, "%s; see \"countersign %s list\"", e.Detail, kind)
}
