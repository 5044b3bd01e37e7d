package filter

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcome is what became of a message at one filter, for its figures.
type Outcome string

// The outcomes. In shadow mode they are what would have become of it.
const (
	Passed   Outcome = "passed"
	Changed  Outcome = "changed"
	Held     Outcome = "held"
	Refused  Outcome = "refused"
	Deferred Outcome = "deferred"
	// Overstepped: it wanted something that it may not, or that cannot be done, and the
	// message was held.
	Overstepped Outcome = "overstepped"
	// Unanswered: it could not be asked.
	Unanswered Outcome = "unanswered"
)

// Outcomes lists them.
func Outcomes() []Outcome {
	return []Outcome{Passed, Changed, Held, Refused, Deferred, Overstepped, Unanswered}
}

// Metrics are this package's figures. A nil *Metrics counts nothing.
type Metrics struct {
	registry prometheus.Registerer
	messages *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the figures with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: reg,
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "countersign_filter_messages_total",
			Help: "Messages at content filters, by what became of them there; in shadow mode by what would have.",
		}, []string{"filter", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "countersign_filter_seconds",
			Help:    "How long content filters had a message, waiting for a place included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}, []string{"filter"}),
	}
	reg.MustRegister(m.messages, m.seconds)
	return m
}

// begin has the figures of a filter at 0 from the start.
func (m *Metrics) begin(f *Filter) {
	if m == nil {
		return
	}
	for _, o := range Outcomes() {
		m.messages.WithLabelValues(f.Name, string(o))
	}
	label := prometheus.Labels{"filter": f.Name}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_filter_away", ConstLabels: label,
		Help: "1 while a content filter is left alone, as it does not answer, else 0.",
	}, func() float64 {
		if f.Phase() == Well {
			return 0
		}
		return 1
	}), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "countersign_filter_messages_now", ConstLabels: label,
		Help: "Messages that a content filter has at this moment.",
	}, func() float64 { return float64(f.places.count()) }))
}

func (m *Metrics) took(name string, d time.Duration) {
	if m != nil {
		m.seconds.WithLabelValues(name).Observe(d.Seconds())
	}
}

func (m *Metrics) count(name string, o Outcome) {
	if m != nil {
		m.messages.WithLabelValues(name, string(o)).Inc()
	}
}
