package breached

import (
	"bufio"
	"container/heap"
	"io"
)

// minRunBuffer is the least that a run is read by, in octets.
const minRunBuffer = 4 << 10

// merger merges sorted runs. The zero value has none.
type merger struct{ heads runHeads }

// runHead is a run with its first hash that has not been taken.
type runHead struct {
	hash Hash
	rest *reader
}

// runHeads is a heap, the least hash first.
type runHeads []runHead

func (h runHeads) Len() int           { return len(h) }
func (h runHeads) Less(i, j int) bool { return compare(h[i].hash, h[j].hash) < 0 }
func (h runHeads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *runHeads) Push(x any)        { *h = append(*h, x.(runHead)) }
func (h *runHeads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// add adds a run, which is not empty, with a buffer of that many octets at most.
func (m *merger) add(r io.Reader, buffer int) error {
	buffer = min(max(buffer, minRunBuffer), bufferBytes)
	head := runHead{rest: &reader{in: bufio.NewReaderSize(r, buffer)}}
	var err error
	if head.hash, err = head.rest.next(); err != nil {
		return noEOF(err)
	}
	heap.Push(&m.heads, head)
	return nil
}

// next takes the least hash, with all that are the same; io.EOF behind the last.
func (m *merger) next() (Hash, error) {
	if len(m.heads) == 0 {
		return Hash{}, io.EOF
	}
	least := m.heads[0].hash
	for len(m.heads) > 0 && m.heads[0].hash == least {
		h, err := m.heads[0].rest.next()
		switch {
		case err == io.EOF:
			heap.Pop(&m.heads)
		case err != nil:
			return Hash{}, err
		default:
			m.heads[0].hash = h
			heap.Fix(&m.heads, 0)
		}
	}
	return least, nil
}
