package bodies

import (
	"context"
	"io"

	"countersign/internal/mail"
	"countersign/internal/store/postgres/server"
)

// together is how many pieces are stored in one transaction.
const together = 8

const (
	clearSQL  = "DELETE FROM body_chunk WHERE body = $1"
	importSQL = "INSERT INTO body (id, size, state, changed) VALUES ($1, $2, 3, " + server.ClockSQL + ") ON CONFLICT (id) DO UPDATE SET size = excluded.size, state = 3, changed = excluded.changed"
)

// Import stores a body that another store has under its id, as one of a stored
// submission, in place of a part of it that may be there. Errors: fault.Full,
// fault.Unavailable, and those of from.
func (b *Folder) Import(ctx context.Context, id mail.ID, from io.Reader) error {
	const op = "body.import"
	err := b.db.Send(ctx, op, func(p *server.Pipe) { p.Exec(clearSQL, id) })
	buffer := make([]byte, together*chunkSize)
	size, pieces, n := int64(0), 0, len(buffer)
	for err == nil && n == len(buffer) {
		n, err = io.ReadFull(from, buffer)
		// The two as they are say that the content ends here; wrapped, one says that
		// a part of it is missing.
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		size += int64(n)
		err = b.db.Send(ctx, op, func(p *server.Pipe) {
			for at := 0; at < n; at += chunkSize {
				p.Exec(chunkSQL, id, pieces+at/chunkSize, buffer[at:min(at+chunkSize, n)])
			}
			if n < len(buffer) {
				p.Exec(importSQL, id, size)
			}
		})
		pieces += together
	}
	return err
}
