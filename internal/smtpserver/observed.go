package smtpserver

// observedNames are the words for logs and metrics.
var observedNames = [observedCount]string{
	ObservedHello:       "hello",
	ObservedTLS:         "tls",
	ObservedTLSFailed:   "tls-failed",
	ObservedRefusal:     "refusal",
	ObservedOmitted:     "omitted",
	ObservedAuthOK:      "auth-ok",
	ObservedAuthFailed:  "auth-failed",
	ObservedEarlyTalker: "early-talker",
	ObservedWrongPort:   "wrong-port",
	ObservedPanic:       "panic",
	ObservedClose:       "close",
}

// String returns the observation's name.
func (o Observed) String() string {
	if o < observedCount {
		return observedNames[o]
	}
	return "unknown"
}

// AllObserved returns every kind of observation, for exhaustiveness tests.
func AllObserved() []Observed {
	all := make([]Observed, observedCount)
	for i := range all {
		all[i] = Observed(i)
	}
	return all
}

// What ObservedClose says in Text. A session that used up a budget ends with
// the reason code of its 421 instead ("too-many-errors").
const (
	closedQuit       = "quit"
	closedEOF        = "eof"
	closedTimeout    = "timeout"
	closedShutdown   = "shutdown"
	closedProtocol   = "protocol"
	closedPanic      = "panic"
	closedIO         = "connection-error"
	closedTLSFailed  = "tls-failed"
	closedWrongPort  = "wrong-port"
	closedBackend    = "refused"
	closedForeign    = "wrong-protocol"
	closedNeverEnded = "message-too-large"
)

// What ObservedWrongPort says in Text.
const (
	wrongTLSOnPlain  = "tls-on-plain"
	wrongPlainOnTLS  = "plain-on-tls"
	wrongSilentOnTLS = "silent-on-tls"
)
