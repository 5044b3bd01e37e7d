package shape

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a Store of one process, which a restart empties. Its zero value is empty.
type Memory struct {
	mu sync.Mutex // guards each
	// each has what is kept of a place.
	each map[Place][]Seen
}

// Shapes implements Store.
func (m *Memory) Shapes(_ context.Context, p Place) (list []Shape, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.each[p] {
		list = append(list, s.Shape)
	}
	Sort(list)
	return list, nil
}

// KeepShape implements Store.
func (m *Memory) KeepShape(_ context.Context, p Place, s Shape, at time.Time) error {
	if err := Check(p, s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	gone, keep := Judge(m.each[p], s, at)
	left := slices.DeleteFunc(m.each[p], func(o Seen) bool {
		if o.Shape == s {
			at = later(at, o.At)
			return true
		}
		return slices.Contains(gone, o.Shape)
	})
	if keep {
		left = append(left, Seen{s, at})
	}
	if m.each == nil {
		m.each = map[Place][]Seen{}
	}
	m.each[p] = left
	return nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
