package queue

import (
	"fmt"
	"io"
	"time"

	"countersign/internal/audit"
	"countersign/internal/limit"
	"countersign/internal/mail"
)

// State is where a delivery stands.
type State string

// The states. Queued, Deferred and Held are waiting; the others are final and
// leave the queue. That a delivery is being attempted (leased) is known to the
// node that does it alone, and ends with it.
const (
	Queued    State = "queued"
	Deferred  State = "deferred"
	Held      State = "held"
	Delivered State = "delivered"
	Failed    State = "failed"
	Dropped   State = "dropped"
)

// Final reports whether a delivery in this state is finished.
func (s State) Final() bool { return s == Delivered || s == Failed || s == Dropped }

// The hold reasons of deliveries that may not go any more, in the sense of package
// account. Of several the first one counts; it changes with what stands in the way.
const (
	// HoldRemoved: the account is no more.
	HoldRemoved = "removed"
	// HoldSuspended: the account, its domain, customer or plan is suspended, or a
	// domain that the submission relies on is, or is no longer the same customer's.
	HoldSuspended = "suspended"
	// HoldRevoked: the credential that it came under is no more.
	HoldRevoked = "credential-revoked"
	// HoldPassword: it came under a password that was changed since.
	HoldPassword = "password-changed"
	// HoldEnvelope: it came under a credential whose envelope would forbid it now.
	HoldEnvelope = "envelope-changed"
)

// HoldsByChange lists the hold reasons that changes of accounts give and take.
func HoldsByChange() []string {
	return []string{HoldRemoved, HoldSuspended, HoldRevoked, HoldPassword, HoldEnvelope}
}

// HoldCertificate is the hold reason of what came with a certificate that is on a list of
// revocations since. It stays until it is released, and does not come back then.
const HoldCertificate = "certificate-revoked"

// CertificatePath is where the data of the event of an acceptance has client.Identity.Path of
// the certificate that it was proved by, be that a credential or not.
const CertificatePath = "certificate_path"

// HoldLimit is the hold reason of deliveries that came over a limit which holds what is over
// it: an administrator lets them go. Slowed is the one of deliveries that wait, queued, for
// their turn under a limit which slows down.
const (
	HoldLimit = "over-limit"
	Slowed    = "slowed"
)

// HoldLeft is the hold reason of deliveries that may not go without an administrator,
// who has released other recipients of the same submission and not these: nothing but
// another release lets them go.
const HoldLeft = "left-held"

// HoldAlignment is the hold reason of deliveries that were accepted and will fail DMARC at
// their receivers, where the operator wants such mail held. An administrator releases it.
const HoldAlignment = "dmarc-will-fail"

// HoldFilter is the hold reason of deliveries that were accepted and that a content filter
// wants held, or that it could not be asked about where such mail is held. An administrator
// releases it.
const HoldFilter = "filter"

// HoldRule is the hold reason of deliveries that a rule of the operator holds. An administrator
// releases them.
const HoldRule = "rule"

// HoldRestored is the hold reason of deliveries that waited in a backup which was restored.
const HoldRestored = "restored from a backup"

// Reasons lists the reasons that deliveries are held or slowed down for by the program itself.
// Administrators give others, in their own words.
func Reasons() []string {
	return append(HoldsByChange(), HoldCertificate, HoldLeft, HoldLimit, HoldAlignment, HoldFilter, HoldRule, HoldRestored, Slowed)
}

// Submission is one accepted message.
type Submission struct {
	ID mail.ID
	// Session is the session that brought it; "" for a report of our own.
	Session mail.ID
	// Account, Login, Domain and Customer are whom it is attributed to. A
	// report of our own has a Cause instead of the first three, and the
	// Customer of that, as it takes from that one's share of delivery.
	Account  mail.ID
	Login    string
	Domain   mail.Domain
	Customer string
	// Credential is what they proved themselves with; "" for a report of our own.
	Credential mail.ID
	// Cause is the submission that a report of our own is about.
	Cause mail.ID
	At    time.Time
	// Expires is when deliveries that still wait fail for good.
	Expires  time.Time
	Envelope mail.Envelope
	// Size is the octets of the stored content, head and body.
	Size int64
}

// Result is how an attempt ended.
type Result struct {
	At time.Time
	// Code and Enhanced are the remote reply's, or ours where there was none.
	Code     int
	Enhanced string
	// Text is one line, free of control characters.
	Text string
	// Remote names the server: "mx.example.org [192.0.2.1]"; "" for none.
	Remote string
}

// Delivery is one recipient of one submission.
type Delivery struct {
	Submission mail.ID
	// N numbers the recipients of a submission from 1.
	N         int
	Recipient mail.Recipient
	State     State
	Attempts  int
	// Next is when the next attempt is due.
	Next time.Time
	// Last is how the last attempt ended; zero before the first.
	Last Result
	// HoldReason says why it is held; Slowed where it waits for its first turn.
	HoldReason string
	// DelayReported says that the sender was told of the delay.
	DelayReported bool
}

// Key names a delivery.
type Key struct {
	Submission mail.ID
	N          int
}

// Content is a stored message: Head is the header block with its blank line as it leaves (signatures
// included); the body is either Body or, when large, in Large.
type Content struct {
	Head []byte
	Body []byte
	// Large is nil for a body kept in Body.
	Large LargeBody
}

// LargeBody is a body kept in a file of its own.
type LargeBody interface {
	// Size is its octets.
	Size() int64
	// Open returns a reader from the start. The body stays readable until
	// closed, also when the submission is finished meanwhile. It never is taken
	// for whole where it is not: where there are fewer than Size octets, as
	// before Seal, Open or the reader fails with fault.Corrupt and
	// io.ErrUnexpectedEOF in its chain. fault.NotFound where it is gone.
	Open() (io.ReadCloser, error)
}

// Acceptance is what Accept stores in one transaction.
type Acceptance struct {
	Submission Submission
	Deliveries []Delivery
	Content    Content
	Events     []audit.Event
	// Generation is the account generation that the decision was made at.
	Generation uint64
	// Revision is the account's at that time, and Domains are those that the
	// decision relies on: of the envelope sender and of every header identity.
	// Accept looks at them only when the generation is another by now; a store
	// keeps the domains, as the deliveries wait while one is suspended.
	Revision int64
	Domains  []mail.Domain
	// Others says that the header names an address of the account that the envelope
	// sender is not. A store keeps it, and Revision: what is recalled of the mail of a
	// credential is found by them.
	Others bool
	// Limits are held against what was counted, and the message is counted in all of them or
	// in none; nil for none. Decision is what came of it, set by Accept where it passes.
	Limits   *limit.Question
	Decision limit.Decision
	// Notices are stored with the message where their limits are near (Decision.Near), in the same
	// transaction; they have no limits of their own. With Warns, Accept fails with a *NearError where
	// a limit is near about which there is none.
	Notices []Notice
	Warns   bool
}

// Notice is what is written to people about a limit; no messages where nobody is.
type Notice struct {
	About    limit.Key
	Messages []Acceptance
}

// NearError says that limits are near with a message, and that nobody has written about them
// yet. Nothing was stored or counted.
type NearError struct{ Near []limit.Breach }

// Error says how many.
func (e *NearError) Error() string {
	return fmt.Sprintf("%d limits are near with this message", len(e.Near))
}

// Item is a due delivery with its submission.
type Item struct {
	Delivery   Delivery
	Submission *Submission
}

// Outcome is what an attempt did to one delivery.
type Outcome struct {
	N int
	// State is Delivered, Failed, Deferred or Held.
	State      State
	Result     Result
	Next       time.Time // for Deferred
	HoldReason string    // for Held
	// DelayReported is set when a delay report is among the Reports.
	DelayReported bool
}

// Report is the outcome of one attempt for deliveries of one submission, each named once,
// with the reports to its sender that follow from it.
type Report struct {
	Submission mail.ID
	Outcomes   []Outcome
	Reports    []Acceptance
	Events     []audit.Event
	// Again says that it may have been stored already, or that the lease under
	// which the attempt was made may be over; see Store.Report.
	Again bool
	// Counted is counted with it, whatever the limits; nil for nothing.
	Counted *limit.Question
}

// Position marks a place in the order in which Due lists.
type Position struct {
	Next       time.Time
	Submission mail.ID
	N          int
}
