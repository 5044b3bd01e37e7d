package mail

// BodyType is the BODY parameter of MAIL (RFC 6152 section 3; RFC 3030 section
// 3 for BINARYMIME, which is not offered).
type BodyType string

// The body types that MAIL may declare; Body7Bit is also what an absent
// parameter means.
const (
	Body7Bit BodyType = "7BIT"
	Body8Bit BodyType = "8BITMIME"
)

// DSNReturn is the RET parameter of MAIL (RFC 3461 section 4.3).
type DSNReturn string

// What a bounce shall carry of the message. ReturnUnset leaves it to us.
const (
	ReturnUnset   DSNReturn = ""
	ReturnFull    DSNReturn = "FULL"
	ReturnHeaders DSNReturn = "HDRS"
)

// Notify is the NOTIFY parameter of RCPT (RFC 3461 section 4.1) as a set.
type Notify uint8

// The members of Notify. NotifyUnset means the default, which is a report on
// failure only; NotifyNever excludes the others.
const (
	NotifyUnset   Notify = 0
	NotifyNever   Notify = 1
	NotifySuccess Notify = 2
	NotifyFailure Notify = 4
	NotifyDelay   Notify = 8
)

// Has reports whether n contains m.
func (n Notify) Has(m Notify) bool { return n&m != 0 }

// OnFailure reports whether a final failure shall be reported to the sender.
func (n Notify) OnFailure() bool { return n == NotifyUnset || n.Has(NotifyFailure) }

// Envelope is what MAIL said (RFC 5321 section 2.3.1) without the recipients.
type Envelope struct {
	// From is the reverse-path; the null address for a bounce.
	From Address
	// Size is the SIZE parameter in octets (RFC 1870 section 4), 0 when absent.
	Size int64
	// Body is the declared body type, Body7Bit when absent.
	Body BodyType
	// SMTPUTF8 says that the message needs RFC 6531 all the way.
	SMTPUTF8 bool
	// Return and EnvelopeID are RET and ENVID (RFC 3461 sections 4.3 and 4.4);
	// EnvelopeID is decoded from xtext.
	Return     DSNReturn
	EnvelopeID string
}

// Recipient is what one RCPT said.
type Recipient struct {
	// To is the forward-path.
	To Address
	// Notify is the NOTIFY parameter.
	Notify Notify
	// Original is ORCPT as "type;address", decoded from xtext (RFC 3461 section
	// 4.2), "" when absent.
	Original string
}
