// Package soundness says what a store may be found to be wrong with, and keeps what
// a check has found. It checks nothing: package inspection has what the SQL engines
// share, each engine has the rest.
//
// Main types: Kind, Meaning, Report, Findings.
package soundness

import (
	"slices"
)

// Kind names what is wrong. If you add one, add it to Kinds.
type Kind string

// The kinds of findings.
const (
	LostMail       Kind = "lost-mail"
	Unread         Kind = "unread"
	DamagedPages   Kind = "damaged-pages"
	NoContent      Kind = "no-content"
	BodyMissing    Kind = "body-missing"
	BodySize       Kind = "body-size"
	BodyUnreadable Kind = "body-unreadable"
	NoSubmission   Kind = "no-submission"
	NoDelivery     Kind = "no-delivery"
	NoNode         Kind = "no-node"
	EndlessLease   Kind = "endless-lease"
	NeverDue       Kind = "never-due"
	WaitsThough    Kind = "waits-though-final"
	NoAcceptance   Kind = "no-acceptance"
	OutcomeAlone   Kind = "outcome-alone"
	OtherNumber    Kind = "other-number"
	Totals         Kind = "totals"
	UnknownObject  Kind = "unknown-object"
	OwnAddress     Kind = "own-address"
	ForeignAddress Kind = "foreign-address"
	UnusedContent  Kind = "unused-content"
	UnusedReliance Kind = "unused-reliance"
	UnusedBody     Kind = "unused-body"
	Unheld         Kind = "unheld-mail"
	SharedSubject  Kind = "shared-subject"
	UnusedUse      Kind = "unused-use"
	LimitOfNothing Kind = "limit-of-nothing"
	// EntryOfNothing: an entry of an access list is for something that does not exist.
	EntryOfNothing Kind = "entry-of-nothing"
)

// Meaning is one row of the catalogue of findings.
type Meaning struct {
	Kind Kind
	// What says in one sentence what is wrong, Do what to do about it.
	What, Do string
	// InRows is what to do instead where large bodies are rows of the database, ""
	// where that makes no difference.
	InRows string
	// Remark says that it does no harm: a store with it is sound.
	Remark bool
}

// Kinds lists every kind with its meaning, the gravest first.
func Kinds() []Meaning {
	const (
		fromBackup = "restore the latest backup that is sound"
		drop       = "\"countersign queue drop ID\" with the id of the submission, and tell the sender, whom \"countersign trace ID\" names"
		putBack    = "copy the file from a backup, where it has the same name in bodies/, and give it to the user of the service, mode 0600; where no backup has it, " + drop
		notCutOff  = "; nothing leaves cut off meanwhile"
	)
	return []Meaning{
		{Kind: LostMail, What: "a recipient was accepted and neither waits nor has an outcome in the record: this message is lost", Do: "tell the sender, whom \"countersign trace ID\" names, and send it again; please report it, with the record of that id"},
		{Kind: DamagedPages, What: "the database file is damaged", Do: "stop the server, look at the disk, " + fromBackup},
		{Kind: Unread, What: "a part of the store could not be read, so it was not checked", Do: "look at the disk and at the other findings; " + fromBackup},
		{Kind: NoContent, What: "a waiting submission has no content: it cannot be delivered", Do: drop},
		{Kind: BodyMissing, What: "the large body of a waiting message is not there", Do: putBack, InRows: drop},
		{Kind: BodySize, What: "the large body of a waiting message is not as long as it was", Do: putBack + notCutOff, InRows: drop + notCutOff},
		{Kind: BodyUnreadable, What: "the large body of a waiting message cannot be read", Do: "give the file to the user of the service, mode 0600; where that is not it, look at the disk and " + putBack},
		{Kind: NoSubmission, What: "a delivery waits whose submission is not there: it cannot be delivered", Do: "\"countersign trace ID\" names sender and recipient: tell the sender; " + fromBackup},
		{Kind: NoDelivery, What: "a submission is kept of which nothing waits", Do: "\"countersign trace ID\" says whether all its recipients have an outcome; then it only takes room"},
		{Kind: NoNode, What: "a delivery belongs to a node that does not exist: nobody delivers it", Do: "UPDATE delivery SET node = 'ID' WHERE node = 'THAT ONE', with a node that \"countersign node list\" names"},
		{Kind: EndlessLease, What: "a node has a lease that ends later than any does, and does not renew it: nobody takes over what it has", Do: "UPDATE node SET lease_until = 1 WHERE id = 'ID', in the database; the other nodes share out what it has, or it does itself when it is started"},
		{Kind: NeverDue, What: "a delivery waits for a time long after its end: nobody delivers it, or tells its sender", Do: "\"countersign queue hold ID\", then \"countersign queue release ID\": it is due at once then; look at the clock of the machine that accepted it"},
		{Kind: Unheld, What: "a delivery waits that came under a credential which is no more or recalls it, and nobody released it: it would go out", Do: "\"countersign queue hold ID\", then \"countersign queue show ID\" shows whose it is"},
		{Kind: SharedSubject, What: "two credentials are proved by the same: who has it may be taken for either account", Do: "\"countersign credential revoke\" the one that is wrong"},
		{Kind: WaitsThough, What: "a delivery waits although the record has its outcome: it would be delivered again", Do: "\"countersign queue show ID\", then \"countersign queue drop ID/N\" unless it is to be sent again"},
		{Kind: NoAcceptance, What: "a submission waits that the record does not know", Do: "\"countersign queue show ID\" shows whose it is; the record has been changed by somebody"},
		{Kind: OutcomeAlone, What: "the record has the outcome of a delivery of a submission whose acceptance it does not have", Do: "the record has been changed by somebody; nothing has to be done for the mail"},
		{Kind: OtherNumber, What: "a delivery has another number than its submission: it is never found to be due", Do: "UPDATE delivery SET content = (SELECT s.content FROM submission s WHERE s.id = delivery.submission), in the database"},
		{Kind: Totals, What: "the counted totals of the queue are not what waits", Do: "the figures of metrics and \"countersign node list\" are wrong, deliveries are not; " + fromBackup + " where it matters"},
		{Kind: UnknownObject, What: "an object names another that does not exist", Do: "add the missing object again with \"countersign plan, customer, domain or account add\""},
		{Kind: OwnAddress, What: "an account's own address does not lead to it, so that it cannot send", Do: "\"countersign account remove\" and add it again"},
		{Kind: ForeignAddress, What: "an alias or a grant is for a domain that is not its customer's", Do: "\"countersign account set\" with --remove-alias or --revoke"},
		{Kind: UnusedContent, What: "content is kept that no submission has", Do: "it only takes room; if it grows, please report it"},
		{Kind: UnusedReliance, What: "a reliance on a domain is kept that no submission has", Do: "it only takes room; if it grows, please report it"},
		{Kind: UnusedUse, What: "the last use is kept of a credential that its account does not have", Do: "it only takes room; if it grows, please report it"},
		{Kind: EntryOfNothing, What: "an entry of an access list is for something that does not exist: what is added under that name would have it", Do: "\"countersign access remove ID\"; a gate of an earlier release leaves it where it removes what an entry is for", Remark: true},
		{Kind: LimitOfNothing, What: "a limit is set for something that does not exist: what is added under that name would have it", Do: "\"countersign limit lift ID\"; a gate of an earlier release leaves it where it removes what a limit is for", Remark: true},
		{Kind: UnusedBody, What: "a large body is kept that nothing names", Do: "nothing: the server removes it when it starts next", InRows: "nothing: it takes room until its rows in body and body_chunk are deleted", Remark: true},
	}
}

// MaxExamples is how many of one kind are named; all are counted.
const MaxExamples = 10

// Finding is one kind of thing that is wrong.
type Finding struct {
	Kind Kind   `json:"kind"`
	What string `json:"what"`
	Do   string `json:"do"`
	// Remark says that it does no harm.
	Remark bool `json:"remark"`
	// Count is how many there are; Where names the first of them, ids mostly.
	Count int64    `json:"count"`
	Where []string `json:"where"`
}

// Report is the result of a check.
type Report struct {
	// Findings are the gravest first; empty where there is nothing to say.
	Findings []Finding `json:"findings"`
	// Deliveries and Events are how many were looked at.
	Deliveries int64 `json:"deliveries"`
	Events     int64 `json:"events"`
	// RecordBegins says, in microseconds since 1970, how far the record reaches
	// back where its beginning has been removed; 0 where it is whole. What was
	// accepted before is not followed.
	RecordBegins int64 `json:"record_begins"`
}

// Sound reports whether nothing is wrong; remarks do not count.
func (r *Report) Sound() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.Remark })
}

// Findings gathers what a check finds. It is used by one goroutine.
type Findings struct {
	Report
	// BodiesInRows says that large bodies are rows of the database, not files.
	BodiesInRows bool
	found        map[Kind]*Finding
}

// Add notes one thing that is wrong; where names it.
func (f *Findings) Add(k Kind, where string) {
	if f.found == nil {
		f.found = map[Kind]*Finding{}
	}
	one := f.found[k]
	if one == nil {
		one = &Finding{Kind: k}
		f.found[k] = one
	}
	one.Count++
	if len(one.Where) < MaxExamples {
		one.Where = append(one.Where, where)
	}
}

// Result returns what was found, the gravest first.
func (f *Findings) Result() *Report {
	r := f.Report
	r.Findings = []Finding{}
	for _, m := range Kinds() {
		if one := f.found[m.Kind]; one != nil {
			one.What, one.Do, one.Remark = m.What, m.Do, m.Remark
			if f.BodiesInRows && m.InRows != "" {
				one.Do = m.InRows
			}
			r.Findings = append(r.Findings, *one)
		}
	}
	return &r
}
