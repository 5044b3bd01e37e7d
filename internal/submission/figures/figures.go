// Package figures counts what happens at the gate: sessions, logins, refusals, messages, and
// what bans, rules and alignment have decided.
//
// Main types: Metrics.
package figures

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/policy/alignment"
	"countersign/internal/policy/rules"
	"countersign/internal/queue"
	"countersign/internal/smtp"
	"countersign/internal/smtpserver"
)

// Where a ban was met.
const (
	BannedConnection = "connection"
	BannedSession    = "session"
	BannedLogin      = "login"
)

// Metrics are this package's figures. A nil *Metrics counts nothing.
type Metrics struct {
	sessions    *prometheus.CounterVec
	auth        *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	submissions prometheus.Counter
	recipients  prometheus.Counter
	octets      prometheus.Counter
	seconds     prometheus.Histogram
	unrecorded  prometheus.Counter
	bans        *prometheus.CounterVec
	denials     *prometheus.CounterVec
	aligned     *prometheus.CounterVec
	rules       *prometheus.CounterVec
}

// New registers the figures with reg.
func New(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		sessions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_submission_sessions_total",
			Help: "Sessions that ended, by why.",
		}, []string{"end"}),
		auth: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_submission_auth_total",
			Help: "Authentication exchanges by mechanism and outcome; mechanism network is for clients that needed none.",
		}, []string{"mechanism", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_submission_refusals_total",
			Help: "Refused commands by reply code and reason.",
		}, []string{"code", "reason"}),
		submissions: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_submission_accepted_total",
			Help: "Accepted messages.",
		}),
		recipients: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_submission_recipients_total",
			Help: "Recipients of accepted messages.",
		}),
		octets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_submission_accepted_bytes_total",
			Help: "Octets of accepted messages as stored.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "countersign_submission_data_seconds",
			Help:    "Time from the first octet of a message to its commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}),
		unrecorded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_submission_unrecorded_total",
			Help: "Events left out of the record: too many before a login, or in one session.",
		}),
	}
	m.bans = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_submission_banned_total",
		Help: "What bans refused: connections before the greeting, open sessions at their next command, logins.",
	}, []string{"what"})
	for _, what := range []string{BannedConnection, BannedSession, BannedLogin} {
		m.bans.WithLabelValues(what) // at 0 from the start
	}
	m.denials = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_submission_denied_total",
		Help: "What access lists refused: connections before the greeting, open sessions, logins; and what DNS lists did: clients that are listed, or that could not be judged.",
	}, []string{"what"})
	for _, what := range []string{BannedConnection, BannedSession, BannedLogin, string(smtp.EListed), string(smtp.EListAway)} {
		m.denials.WithLabelValues(what)
	}
	m.aligned = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_submission_alignment_total",
		Help: "Messages that were looked at for DMARC, by how they will fare and what was done.",
	}, []string{"verdict", "action"})
	m.rules = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "countersign_submission_rules_total",
		Help: "Rules of the operator that decided, by verdict; outcome shadow for those that would have, failed for those that could not be evaluated.",
	}, []string{"rule", "outcome"})
	reg.MustRegister(m.rules, m.aligned, m.bans, m.denials, m.sessions, m.auth, m.refusals, m.submissions, m.recipients, m.octets, m.seconds, m.unrecorded)
	return m
}

// Observe counts what the server saw. Labels come from fixed sets: reasons
// from the catalogue, ends and mechanisms from the server's own tables.
func (m *Metrics) Observe(o smtpserver.Observation) {
	if m == nil {
		return
	}
	switch o.Kind {
	case smtpserver.ObservedClose:
		m.sessions.WithLabelValues(o.Text).Inc()
	case smtpserver.ObservedAuthOK:
		m.auth.WithLabelValues(o.Text, "passed").Inc()
	case smtpserver.ObservedAuthFailed:
		m.auth.WithLabelValues(o.Text, "failed").Inc()
	case smtpserver.ObservedRefusal:
		m.refusals.WithLabelValues(strconv.Itoa(o.Code), o.Reason).Inc()
	}
}

// Recognised counts a client that needed no login, as its network was enough.
func (m *Metrics) Recognised() {
	if m != nil {
		m.auth.WithLabelValues("network", "passed").Inc()
	}
}

// Banned counts what a ban refused.
func (m *Metrics) Banned(what string) {
	if m != nil {
		m.bans.WithLabelValues(what).Inc()
	}
}

// Denied counts what access lists or DNS lists refused; "" is nothing.
func (m *Metrics) Denied(what string) {
	if m != nil && what != "" {
		m.denials.WithLabelValues(what).Inc()
	}
}

// Ruled counts a message that was looked at for DMARC.
func (m *Metrics) Ruled(r alignment.Ruling) {
	if m == nil {
		return
	}
	action := string(r.Action)
	if r.Action == alignment.Off {
		action = "none"
	}
	m.aligned.WithLabelValues(string(r.Assessment.Verdict), action).Inc()
}

// Judged counts what rules decided.
func (m *Metrics) Judged(d *rules.Decision) {
	if m == nil {
		return
	}
	for _, r := range d.Would {
		m.rules.WithLabelValues(r.Name, "shadow").Inc()
	}
	for i := range d.Faults {
		m.rules.WithLabelValues(d.Faults[i].Rule.Name, "failed").Inc()
	}
	if d.Rule != nil && !d.Failed {
		m.rules.WithLabelValues(d.Rule.Name, string(d.Verdict)).Inc()
	}
}

// LeftOut counts one event that is not recorded.
func (m *Metrics) LeftOut() {
	if m != nil {
		m.unrecorded.Inc()
	}
}

// Accepted counts one accepted message.
func (m *Metrics) Accepted(a *queue.Acceptance, took time.Duration) {
	if m == nil {
		return
	}
	m.submissions.Inc()
	m.recipients.Add(float64(len(a.Deliveries)))
	m.octets.Add(float64(a.Submission.Size))
	m.seconds.Observe(took.Seconds())
}
