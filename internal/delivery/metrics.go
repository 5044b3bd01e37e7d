package delivery

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/queue"
)

// Metrics are this package's figures. A nil *Metrics counts nothing.
type Metrics struct {
	outcomes    *prometheus.CounterVec
	connections *prometheus.CounterVec
	reports     prometheus.Counter
	attempts    prometheus.Gauge
	unstored    prometheus.Gauge
	backlog     prometheus.Gauge
	seconds     prometheus.Histogram
	age         prometheus.Histogram
}

// NewMetrics registers the figures with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_delivery_outcomes_total",
			Help: "Attempts by what became of the recipient.",
		}, []string{"state"}),
		connections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_delivery_connections_total",
			Help: "Connections made, by TLS version, or none, refused, failed; unreachable for none at all.",
		}, []string{"tls"}),
		reports: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "countersign_delivery_reports_total",
			Help: "Reports queued to senders.",
		}),
		attempts: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "countersign_delivery_attempts",
			Help: "Attempts that run now.",
		}),
		unstored: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "countersign_delivery_unreported",
			Help: "Attempts whose outcome is known and could not be stored yet.",
		}),
		backlog: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "countersign_delivery_backlog_jobs",
			Help: "Transactions that wait in memory for a worker.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "countersign_delivery_transaction_seconds",
			Help:    "Time of an attempt from its start to its answer.",
			Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 30, 120, 600},
		}),
		age: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "countersign_delivery_age_seconds",
			Help:    "Time from acceptance to delivery.",
			Buckets: []float64{.005, .01, .05, .1, .5, 1, 5, 30, 300, 1800, 14400, 86400},
		}),
	}
	reg.MustRegister(m.outcomes, m.connections, m.reports, m.attempts, m.unstored, m.backlog, m.seconds, m.age)
	return m
}

// connected counts a connection, or the lack of one.
func (m *Metrics) connected(tls string) {
	if m != nil {
		m.connections.WithLabelValues(tls).Inc()
	}
}

// began counts an attempt in; the function it returns counts it out.
func (m *Metrics) began() func() {
	if m == nil {
		return func() {}
	}
	m.attempts.Inc()
	started := time.Now()
	return func() {
		m.attempts.Dec()
		m.seconds.Observe(time.Since(started).Seconds())
	}
}

// unreported counts an outcome in that could not be stored at once; the function it
// returns counts it out.
func (m *Metrics) unreported() func() {
	if m == nil {
		return func() {}
	}
	m.unstored.Inc()
	return m.unstored.Dec
}

// waiting tells how many jobs wait.
func (m *Metrics) waiting(n int) {
	if m != nil {
		m.backlog.Set(float64(n))
	}
}

// stored counts what a stored report says.
func (m *Metrics) stored(r *queue.Report, submission *queue.Submission) {
	if m == nil {
		return
	}
	for _, o := range r.Outcomes {
		m.outcomes.WithLabelValues(string(o.State)).Inc()
		if o.State == queue.Delivered {
			m.age.Observe(max(o.Result.At.Sub(submission.At).Seconds(), 0))
		}
	}
	m.reports.Add(float64(len(r.Reports)))
}
