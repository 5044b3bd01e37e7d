// Package bodies keeps large message bodies in rows of 256 KiB, so that every
// node can deliver them.
//
// Pieces are stored without waiting for the disk, as is the mark that a body is
// whole: the commit that accepts its message flushes the log up to itself, and
// with it all that was written before. A server that crashes in between loses the
// end of the log: then the mark is missing, and the message is not accepted.
//
// A finished body is only marked, and removed a while later by the server's clock,
// so that whoever reads it can go on. One of which a piece is missing is not read to
// an end.
//
// Main types: Folder, File (a body being written), Stored.
package bodies

import (
	"context"
	"io"
	"time"

	"countersign/internal/fault"
	"countersign/internal/mail"
	"countersign/internal/store/postgres/server"
	"countersign/internal/store/sqlkit"
)

// chunkSize is the octets of all pieces but the last.
const chunkSize = 256 << 10

// How long a body is kept that no submission has: one that is being written or
// was left by a process that ended, and one whose submission is finished, which
// somebody may still read.
const (
	keepUnused   = 24 * time.Hour
	keepFinished = time.Hour
)

// stateFinished is the state of a body whose submission is; see the schema.
const stateFinished = 4

// Folder is where bodies are kept. Its methods are safe for concurrent use.
type Folder struct {
	db  *server.DB
	ids mail.IDSource
}

// New returns the bodies in a database.
func New(db *server.DB) *Folder { return &Folder{db: db} }

// Create begins a body. The database is asked only when there is something to
// store. ctx lends its values, not its end.
func (b *Folder) Create(ctx context.Context) *File {
	return &File{folder: b, id: b.ids.New(), ctx: context.WithoutCancel(ctx)}
}

const (
	// laxSQL lets a transaction end without waiting for the disk.
	laxSQL = "SELECT set_config('synchronous_commit', 'off', true)"

	createSQL = "INSERT INTO body (id, size, state, changed) VALUES ($1, 0, 1, " + server.ClockSQL + ") ON CONFLICT (id) DO NOTHING"
	chunkSQL  = "INSERT INTO body_chunk (body, n, data) VALUES ($1, $2, $3) ON CONFLICT (body, n) DO NOTHING"

	sealSQL = `UPDATE body SET size = $2, state = 2, changed = ` + server.ClockSQL + ` WHERE id = $1 AND state < 3
    AND (SELECT count(*) FROM body_chunk WHERE body = $1) = $3`

	discardSQL = "DELETE FROM body WHERE id = $1 AND state < 3"
	dropSQL    = "DELETE FROM body_chunk WHERE body = $1 AND NOT EXISTS (SELECT 1 FROM body WHERE id = $1)"

	// openSQL counts what is there without reading it, and readSQL reads one piece; a
	// body that is finished is not opened any more.
	openSQL = "SELECT state, (SELECT coalesce(sum(octet_length(data)), 0)::bigint FROM body_chunk WHERE body = $1) FROM body WHERE id = $1"
	readSQL = "SELECT data FROM body_chunk WHERE body = $1 AND n = $2"

	// sweepSQL goes by the clock that changed was taken from: that of a node may be
	// wrong by a minute, or be set while it runs.
	sweepSQL = `WITH clock AS MATERIALIZED (SELECT ` + server.ClockSQL + ` AS now),
        old AS (DELETE FROM body USING clock WHERE state <> 3 AND changed < now - $1::bigint AND (state = 4 OR changed < now - $2::bigint) RETURNING id)
    DELETE FROM body_chunk c USING old WHERE c.body = old.id`
)

// Sweep removes bodies that nobody needs any more.
func (b *Folder) Sweep(ctx context.Context) error {
	return b.db.Send(ctx, "body.sweep", func(p *server.Pipe) {
		p.Exec(sweepSQL, keepFinished.Microseconds(), keepUnused.Microseconds())
	})
}

// File is a body being written; it implements queue.BodyFile. It is used by one
// goroutine.
type File struct {
	folder *Folder
	id     mail.ID
	ctx    context.Context
	// piece is what is not stored yet, less than chunkSize.
	piece  []byte
	chunks int
	size   int64
	sealed bool
	// taken says that a stored submission owns the body now.
	taken bool
}

// Write implements io.Writer. Errors: fault.Full, fault.Unavailable.
func (f *File) Write(p []byte) (int, error) {
	if f.sealed {
		return 0, fault.New("body.write", fault.Invalid, "the body is sealed")
	}
	written := 0
	for len(p) > 0 {
		n := min(len(p), chunkSize-len(f.piece))
		f.piece = append(f.piece, p[:n]...)
		p = p[n:]
		if len(f.piece) == chunkSize {
			if err := f.store(nil); err != nil {
				return written, err
			}
		}
		written += n
		f.size += int64(n)
	}
	return written, nil
}

// store stores the piece, where there is one, and runs what comes after it in the
// same transaction.
func (f *File) store(after func(*server.Pipe)) error {
	err := f.folder.db.Send(f.ctx, "body.write", func(p *server.Pipe) {
		p.Exec(laxSQL)
		if f.chunks == 0 {
			p.Exec(createSQL, f.id)
		}
		if len(f.piece) > 0 {
			p.Exec(chunkSQL, f.id, f.chunks, f.piece)
		}
		if after != nil {
			after(p)
		}
	})
	if err == nil && len(f.piece) > 0 {
		f.chunks++
		f.piece = f.piece[:0]
	}
	return err
}

// Seal implements queue.BodyFile: the body is as durable as the acceptance that
// takes it.
func (f *File) Seal() error {
	if f.sealed {
		return nil
	}
	chunks := f.chunks
	if len(f.piece) > 0 {
		chunks++
	}
	var sealed int64
	err := f.store(func(p *server.Pipe) {
		p.Count(&sealed, sealSQL, f.id, f.size, chunks)
	})
	if err == nil && sealed == 0 {
		err = fault.New("body.seal", fault.Unavailable, "parts of the body were lost when the database restarted")
	}
	f.sealed = err == nil
	if f.sealed {
		f.piece = nil
	}
	return err
}

// Discard implements queue.BodyFile. What it cannot remove, Sweep does.
func (f *File) Discard() {
	if f.taken || f.chunks == 0 {
		return
	}
	_ = f.folder.db.Send(f.ctx, "body.discard", func(p *server.Pipe) {
		p.Exec(discardSQL, f.id)
		p.Exec(dropSQL, f.id)
	})
}

// Ready reports whether a submission of the store that b belongs to may take
// the body: it is sealed and no other submission has it.
func (f *File) Ready(b *Folder) bool { return f.folder == b && f.sealed && !f.taken }

// Take gives the body to a stored submission: Discard does nothing any more.
func (f *File) Take() { f.taken = true }

// ID names the body.
func (f *File) ID() mail.ID { return f.id }

// Size implements queue.LargeBody.
func (f *File) Size() int64 { return f.size }

// Open implements queue.LargeBody. Before Seal part of the body is missing.
func (f *File) Open() (io.ReadCloser, error) { return f.folder.open(f.id, f.size) }

// Stored returns a body that was stored before.
func (b *Folder) Stored(id mail.ID, size int64) Stored { return Stored{b, id, size} }

// Stored is the large body of a stored submission.
type Stored struct {
	folder *Folder
	id     mail.ID
	size   int64
}

// Size implements queue.LargeBody.
func (s Stored) Size() int64 { return s.size }

// Open implements queue.LargeBody.
func (s Stored) Open() (io.ReadCloser, error) { return s.folder.open(s.id, s.size) }

func (b *Folder) open(id mail.ID, size int64) (io.ReadCloser, error) {
	state, have := 0, int64(0)
	err := b.db.Read(context.Background(), "body.open", func(c *server.Conn) error {
		return c.RawQuery(context.Background(), openSQL, []any{id}, func(r *sqlkit.Row) error {
			state, have = r.Int(), r.Int64()
			return nil
		})
	})
	if err == nil && (state == 0 || state == stateFinished) {
		err = fault.New("body.open", fault.NotFound, "the body %s is gone", id)
	}
	if err == nil {
		err = sqlkit.CheckBody(id, have, size)
	}
	if err != nil {
		return nil, err
	}
	return sqlkit.Whole(id, size, &reader{folder: b, id: id}), nil
}

// reader reads a body piece by piece.
type reader struct {
	folder *Folder
	id     mail.ID
	next   int
	piece  []byte
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if len(r.piece) == 0 {
		if err := r.fetch(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// fetch gets the next piece, io.EOF behind the last.
func (r *reader) fetch() error {
	err := r.folder.db.Read(context.Background(), "body.read", func(c *server.Conn) error {
		r.piece = nil
		return c.RawQuery(context.Background(), readSQL, []any{r.id, r.next}, func(row *sqlkit.Row) error {
			r.piece = row.Blob()
			return nil
		})
	})
	if err == nil && len(r.piece) == 0 {
		err = io.EOF
	}
	r.next++
	return err
}

// Close implements io.Closer.
func (r *reader) Close() error { return nil }
