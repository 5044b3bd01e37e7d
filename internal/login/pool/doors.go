package pool

import "sync"

// Doors are pools by name, each made when it is asked for first: one before each of
// several places that take only so much at once. They are safe for concurrent use.
type Doors struct {
	// Waiting and Respects are as in Options.
	Waiting, Respects int

	mu   sync.Mutex // guards each
	each map[string]*Pool
}

// Of returns the pool of a name; workers is of its first time.
func (d *Doors) Of(name string, workers int) *Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	door := d.each[name]
	if door == nil {
		door = New(Options{Workers: max(workers, 1), Waiting: d.Waiting, Respects: d.Respects})
		if d.each == nil {
			d.each = map[string]*Pool{}
		}
		d.each[name] = door
	}
	return door
}
