package cli

import "fmt"

// asJSON is the flag that every listing has.
type asJSON struct {
	JSON bool `help:"Print JSON."`
}

// orServer prints a limit; 0 is that of the server.
func orServer(limit int64) string {
	if limit == 0 {
		return "the server's"
	}
	return fmt.Sprint(limit)
}

// views turns objects into what is printed of them.
func views[T, V any](objects []T, view func(T) V) []V {
	out := make([]V, 0, len(objects))
	for _, o := range objects {
		out = append(out, view(o))
	}
	return out
}
