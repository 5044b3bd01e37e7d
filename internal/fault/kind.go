package fault

// Kind is the class of a failure. If you add one, also give it a name below, a
// reply in package smtp (replyByKind) and an exit status in package cli; tests
// fail until all are done.
type Kind uint8

// The kinds. Internal is the zero value, so that a forgotten kind is the most
// careful one: temporary and silent.
const (
	// Internal: a fault of ours. Temporary for a client.
	Internal Kind = iota
	// Invalid: the input is wrong and will stay wrong.
	Invalid
	// NotFound: the named object does not exist.
	NotFound
	// Conflict: the object exists already, or is in a state that forbids this.
	Conflict
	// Denied: the principal may not do this.
	Denied
	// Unauthenticated: nobody has proved who they are.
	Unauthenticated
	// Busy: a bounded resource is taken; the same may work later.
	Busy
	// Full: no space to store; the same may work later.
	Full
	// TooLarge: over a size limit.
	TooLarge
	// Unavailable: something we depend on is away; the same may work later.
	Unavailable
	// Corrupt: stored data cannot be read as what it should be.
	Corrupt
	// Canceled: the caller gave up or we are shutting down.
	Canceled
	// Fenced: this node has lost its lease, and others may have what it had.
	Fenced

	kindCount // keep last
)

var kindNames = [kindCount]string{
	Internal:        "internal error",
	Invalid:         "invalid",
	NotFound:        "not found",
	Conflict:        "conflict",
	Denied:          "denied",
	Unauthenticated: "not authenticated",
	Busy:            "busy",
	Full:            "no space left",
	TooLarge:        "too large",
	Unavailable:     "unavailable",
	Corrupt:         "corrupt",
	Canceled:        "canceled",
	Fenced:          "lease lost",
}

// Kinds returns every kind, for exhaustiveness tests.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// String returns the kind in words.
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "unknown kind"
}

// Temporary reports whether the same request may succeed later.
func (k Kind) Temporary() bool {
	switch k {
	case Internal, Busy, Full, Unavailable, Corrupt, Canceled, Fenced:
		return true
	}
	return false
}
