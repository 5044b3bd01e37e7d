package rules

import (
	"net/netip"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"countersign/internal/mail"
	"countersign/internal/policy/rules/glance"
)

// The largest values that an expression sees. Where more is there, an expression that asks for it
// fails, but the body of a header field is cut: its beginning is what shows.
const (
	maxRecipients = 1000
	maxSenders    = 100
	maxFields     = 20
	maxField      = 2048
	maxText       = 320 // an address as text, and whatever is shorter
)

// variable is one name that an expression may use.
type variable struct {
	name string
	kind *cel.Type
	// stages are those at which it is known.
	stages []Stage
	// size is the largest: octets of a text, elements of a list, whose texts have at most each.
	size, each uint64
	// text says what it is, in words.
	text string
	// get returns the value, or a *types.Err.
	get func(*Facts) ref.Val
	// read and count return that of a text and of a number as it is, of a list how long it is,
	// for a glance at it.
	read  glance.Text[Facts]
	count glance.Number[Facts]
}

// The stages from one on.
var (
	always    = []Stage{Connect, Mail, Recipient, Data}
	fromMail  = []Stage{Mail, Recipient, Data}
	forOne    = []Stage{Recipient}
	fromRcpt  = []Stage{Recipient, Data}
	wholeMail = []Stage{Data}
)

// variables is the table of all names, in the order of the documentation.
var variables = [...]*variable{
	other("connection.client", addressType, always, "the client's address", func(f *Facts) ref.Val { return address{client(f)} }),
	text("connection.listener", always, "the name of the listener", func(f *Facts) string { return f.Connection.Listener }),
	text("connection.tls", fromMail, `"1.2" or "1.3"`, func(f *Facts) string { return f.Connection.TLS }),
	text("connection.hello", fromMail, "what the client called itself in EHLO", func(f *Facts) string { return f.Connection.Hello }),

	text("principal.login", fromMail, "who has logged in, as an address", func(f *Facts) string { return f.Principal.Login }),
	text("principal.domain", fromMail, "the domain of the account", func(f *Facts) string { return f.Principal.Domain }),
	text("principal.customer", fromMail, "the customer whose domain it is", func(f *Facts) string { return f.Principal.Customer }),
	text("principal.plan", fromMail, `the plan that decides, "" where there is none`, func(f *Facts) string { return f.Principal.Plan }),
	text("principal.credential", fromMail, `the name of the credential; that of the password is "password"`, func(f *Facts) string { return f.Principal.Credential }),
	text("principal.credential_kind", fromMail, `"password", "app-password", "oauth", "certificate" or "network"`, func(f *Facts) string { return f.Principal.Kind }),
	text("principal.mechanism", fromMail, `the SASL mechanism, such as "PLAIN"; "" where the network was enough`, func(f *Facts) string { return f.Principal.Mechanism }),

	text("envelope.from", fromMail, `MAIL FROM as an address, "" for the empty one`, func(f *Facts) string { return shown(f.Envelope.From) }),
	number("envelope.size", fromMail, "the octets that MAIL announced, 0 where it did not", func(f *Facts) int64 { return f.Envelope.Size }),
	text("envelope.body", fromMail, `"7BIT" or "8BITMIME"`, func(f *Facts) string { return string(f.Envelope.Body) }),
	other("envelope.smtputf8", cel.BoolType, fromMail, "whether MAIL had SMTPUTF8", func(f *Facts) ref.Val { return types.Bool(f.Envelope.SMTPUTF8) }),
	text("envelope.ret", fromMail, `what MAIL wants back with a report: "FULL", "HDRS" or ""`, func(f *Facts) string { return string(f.Envelope.Return) }),
	text("envelope.recipient", forOne, "the recipient that is judged, as an address", func(f *Facts) string { return shown(f.Recipient) }),
	list("envelope.recipients", maxRecipients, "all recipients, as addresses", func(f *Facts) (int, func(int) string) {
		return len(f.Recipients), func(i int) string { return shown(f.Recipients[i].To) }
	}),

	text("message.from", wholeMail, "the first address of From", func(f *Facts) string {
		if len(f.Message.Senders) == 0 {
			return ""
		}
		return shown(f.Message.Senders[0])
	}),
	list("message.senders", maxSenders, "the addresses of From, Sender, Resent-From and Resent-Sender", func(f *Facts) (int, func(int) string) {
		return len(f.Message.Senders), func(i int) string { return shown(f.Message.Senders[i]) }
	}),
	{
		name: "message.subject", kind: cel.StringType, stages: wholeMail, size: maxField, text: "the subject, decoded",
		get: func(f *Facts) ref.Val { return types.String(header{f.Message.Header}.first("Subject")) }, read: firstField("Subject"),
	},
	number("message.size", wholeMail, "the octets of the message", func(f *Facts) int64 { return f.Message.Size }),
	other("message.header", headerType, wholeMail, "its header fields; see the functions", func(f *Facts) ref.Val { return header{f.Message.Header} }),

	number("counters.session_messages", fromMail, "messages accepted in this session before", func(f *Facts) int64 { return int64(f.Counters.SessionMessages) }),
	number("counters.recipients", fromRcpt, "recipients of this message so far, with the one that is judged", func(f *Facts) int64 { return int64(f.Counters.Recipients) }),
	number("counters.account_days", fromMail, "for how many days the account has been there", func(f *Facts) int64 { return days(f.Principal.Created, f.Now) }),
	number("counters.customer_days", fromMail, "for how many days the customer has been there", func(f *Facts) int64 { return days(f.Principal.CustomerCreated, f.Now) }),

	other("counted", countedType, fromMail, "what limits have counted; see the functions", func(f *Facts) ref.Val { return counted{f.Used} }),

	other("now", cel.TimestampType, always, "the time", func(f *Facts) ref.Val { return types.Timestamp{Time: f.Now} }),
}

// other is a variable of a type of its own.
func other(name string, kind *cel.Type, stages []Stage, words string, get func(*Facts) ref.Val) *variable {
	return &variable{name: name, kind: kind, stages: stages, size: 1, text: words, get: get}
}

// text is a variable that is a text.
func text(name string, stages []Stage, words string, get func(*Facts) string) *variable {
	v := &variable{name: name, kind: cel.StringType, stages: stages, size: maxText, text: words}
	v.read.Read = func(f *Facts) (string, bool) {
		s := get(f)
		return s, len(s) <= maxText
	}
	v.get = func(f *Facts) ref.Val {
		if s, ok := v.read.Read(f); ok {
			return types.String(s)
		}
		return failed("%s is longer than %d octets", name, maxText)
	}
	return v
}

// number is a variable that is a number.
func number(name string, stages []Stage, words string, get func(*Facts) int64) *variable {
	v := other(name, cel.IntType, stages, words, func(f *Facts) ref.Val { return types.Int(get(f)) })
	v.count = func(f *Facts) (int64, bool) { return get(f), true }
	return v
}

// list is a variable of Data that is a list of texts.
func list(name string, most int, words string, get func(*Facts) (int, func(int) string)) *variable {
	v := &variable{name: name, kind: cel.ListType(cel.StringType), stages: wholeMail, size: uint64(most), each: maxText, text: words}
	v.get = func(f *Facts) ref.Val {
		n, at := get(f)
		if n > most {
			return failed("%s has more than %d elements", name, most)
		}
		all := make([]string, n)
		for i := range all {
			all[i] = at(i)
		}
		return types.NewStringList(types.DefaultTypeAdapter, all)
	}
	v.count = func(f *Facts) (int64, bool) {
		n, _ := get(f)
		return int64(n), n <= most
	}
	return v
}

// client is the address of the client as expressions see it.
func client(f *Facts) netip.Addr { return f.Connection.Client.Unmap().WithZone("") }

// shown is an address as expressions see it: with the domain in lower case, as package mail has
// it.
func shown(a mail.Address) string {
	if a.IsNull() {
		return ""
	}
	return a.String()
}

// days are the whole days between two times, 0 where the first is not known.
func days(from, to time.Time) int64 {
	if from.IsZero() || to.Before(from) {
		return 0
	}
	return int64(to.Sub(from) / (24 * time.Hour))
}

// lookup finds a variable by name.
func lookup(name string) (*variable, bool) {
	i := slices.IndexFunc(variables[:], func(v *variable) bool { return v.name == name })
	if i < 0 {
		return nil, false
	}
	return variables[i], true
}

// Word is one name or function that expressions may use.
type Word struct {
	// Name is "envelope.from", or "ADDRESS.in_network(NETWORK)".
	Name string
	// Type is "string", or what a function returns.
	Type string
	// Stages are those at which it is known.
	Stages []Stage
	// Text says what it is.
	Text string
}

// Vocabulary lists what expressions may use besides CEL itself.
func Vocabulary() []Word {
	var all []Word
	for _, v := range variables {
		all = append(all, Word{v.name, v.kind.String(), v.stages, v.text})
	}
	for _, f := range functions {
		all = append(all, Word{f.usage, f.result.String(), f.stages, f.text})
	}
	return all
}
