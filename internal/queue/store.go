package queue

import (
	"context"
	"io"
	"time"

	"countersign/internal/audit"
	"countersign/internal/mail"
)

// Store keeps the queue. Each method is one transaction; all are safe for
// concurrent use. A store that several nodes share belongs to one of them: what it
// accepts is that node's to deliver, and Due, Waiting and the outcomes of Report see
// no other deliveries. All else sees the queue of every node. Errors: fault.Full where there is no space, fault.Unavailable
// where the database cannot be reached, fault.NotFound for an unknown id,
// fault.Fenced in Accept and Report where the node has lost its lease or left.
type Store interface {
	// NewBody begins a body file for content over InlineMax octets.
	NewBody(ctx context.Context) (BodyFile, error)
	// Accept stores everything of a, or nothing; it is durable when it
	// returns nil. If the account generation is no longer a.Generation, it
	// looks again: where the account or what is above it is no longer active,
	// the answer is fault.Denied with reason "account-suspended"; where the
	// account's revision is another, or one of a.Domains is not an active
	// domain of the same customer any more, nor one that a grant of the account reaches, it is fault.Busy with reason
	// "account-changed-now", and the decision has to be made anew. Content.Large
	// must be nil or a sealed BodyFile of this store.
	//
	// Then a.Limits are judged (limit.Decide) against what all messages before it, of every
	// node, have counted, by the clock of the store. A message that passes is counted. One
	// that is over a limit is fault.Busy with reason "limit-reached", or fault.Denied with
	// "limit-refused", or is stored as held (HoldLimit), or as due later (Slowed), which
	// a.Deliveries then say.
	Accept(ctx context.Context, a *Acceptance) error
	// Due lists waiting deliveries (Queued, Deferred) with Next <= now, by
	// Next, Submission, N, starting behind after; at most limit. What a
	// suspension is about to hold (see package account) is not among them. Its
	// snapshot may be older than a Report that returns while it runs.
	Due(ctx context.Context, now time.Time, after Position, limit int) ([]Item, error)
	// Waiting reports for each of keys, in their order, whether that delivery
	// is still to be attempted: it is in the queue, Queued or Deferred, whatever
	// its Next, and no suspension is about to hold it. All answers are of one
	// moment. It is cheap, so that whoever has deliveries in memory or under way
	// may ask for hundreds of them several times a second.
	Waiting(ctx context.Context, keys []Key) ([]bool, error)
	// Content returns the stored message.
	Content(ctx context.Context, id mail.ID) (*Content, error)
	// Report stores the outcomes, their events and the reports to the sender. Final
	// deliveries leave the queue; with its last one the submission and its
	// content go. An outcome for a delivery that is no longer there is ignored, but its
	// event is kept. A Deferred outcome for a delivery that was held meanwhile
	// leaves it held. With r.Again nothing is stored where one of the deliveries is no
	// longer there, or another node's: fault.NotFound.
	Report(ctx context.Context, r *Report) error
	// Stats counts what waits.
	Stats(ctx context.Context) (Stats, error)
}

// BodyFile is a body being written to a file of its own. It is used by one
// goroutine.
type BodyFile interface {
	io.Writer
	LargeBody
	// Seal flushes the file and its folder to the disk. No Write after it.
	Seal() error
	// Discard removes it. A call after Accept took it does nothing.
	Discard()
}

// InlineMax is the most octets of a body that Content.Body may hold.
const InlineMax = 64 << 10

// Stats counts waiting deliveries by state, and the oldest.
type Stats struct {
	Queued, Deferred, Held int
	Oldest                 time.Time
}

// Filter selects deliveries for administration. Zero fields do not restrict.
type Filter struct {
	Submission mail.ID
	// N restricts to one recipient of Submission.
	N      int
	Login  string
	Domain mail.Domain
	// Destination is the recipients' domain.
	Destination mail.Domain
	// To is one recipient; the case of ASCII letters does not matter.
	To    mail.Address
	State State
	// Credential is what submissions came under.
	Credential mail.ID
	// CredentialKind is the kind, in the sense of package account, of the credential that
	// submissions came under, as far as that is still there.
	CredentialKind string
	// Why is the reason that deliveries are held or slowed down for, to the letter.
	Why string
	// Standing restricts to what is of senders who stand so.
	Standing Standing
	// After continues a listing; Limit bounds it, 0 means 1000.
	After Position
	Limit int
}

// Standing is whether the sender of a submission may send, in the sense of package
// account: whether the account is there, active with all above it, and each further
// domain that the submission relies on an active one of the same customer. What became
// of the credential does not count. Reports of our own stand.
type Standing string

// The standings; the zero one is any.
const (
	Stands  Standing = "stands"
	Stopped Standing = "stopped"
)

// AdminStore is what administration asks of the queue. The changes store one event for
// each delivery changed, made from e and with the recipient as "to" in its Data, and
// return their number.
type AdminStore interface {
	// List returns waiting deliveries by Submission and N.
	List(ctx context.Context, f Filter) ([]Item, error)
	// Hold stops waiting deliveries; reason is kept.
	Hold(ctx context.Context, f Filter, reason string, e audit.Event) (int, error)
	// Release puts held ones back, due now, also those of a sender who is Stopped unless
	// f.Standing leaves them out, which is judged in the transaction that releases. What
	// is released is excused from all credentials that were taken away or recall it by
	// then; a later recall or change that suspends holds it again. Other recipients of
	// such a submission, which stay held, get the reason HoldLeft.
	Release(ctx context.Context, f Filter, e audit.Event) (int, error)
	// Retry makes deferred ones due now, and those that wait for their turn (Slowed).
	Retry(ctx context.Context, f Filter, e audit.Event) (int, error)
	// Drop removes waiting deliveries; nobody is told.
	Drop(ctx context.Context, f Filter, e audit.Event) (int, error)
}

// Came is a submission of which something waits, with the certificate that it came with.
type Came struct {
	Submission mail.ID
	// Path is what the event of its acceptance has as CertificatePath; never "".
	Path string
	// Deliveries is how many wait to be attempted.
	Deliveries int
}

// CertifiedStore lets what waits follow the lists of revocations of client certificates.
type CertifiedStore interface {
	// Certified calls each with portions of the submissions that came with a certificate, under
	// a credential of one of kinds (in the sense of package account) that is still there, and
	// of which something is to be attempted and nothing was held for HoldCertificate before.
	// Each comes once, in no order that counts; what is accepted meanwhile may be left out.
	// It ends with an error of each.
	Certified(ctx context.Context, kinds []string, each func([]Came) error) error
	// HoldCertified holds what is to be attempted of these submissions, of any node, for
	// HoldCertificate, in one transaction, but of none that was held for it before: what an
	// administrator has released since stays so. It stores one event for each delivery, as
	// AdminStore.Hold does, and returns their number.
	HoldCertified(ctx context.Context, submissions []mail.ID, e audit.Event) (int, error)
}
