package cert

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// collector turns Status into metrics when it is asked.
type collector struct {
	m        *Manager
	notAfter *prometheus.Desc
	healthy  *prometheus.Desc
}

// Collector returns the metrics of the certificates, to be registered once:
// when each expires, and whether all is well with it.
func (m *Manager) Collector() prometheus.Collector {
	labels := []string{"certificate", "source", "algorithm", "hosts"}
	return &collector{
		m: m,
		notAfter: prometheus.NewDesc("countersign_cert_not_after_seconds",
			"When the certificate expires, in seconds since 1970; absent while there is none.", labels, nil),
		healthy: prometheus.NewDesc("countersign_cert_healthy",
			"1 if the certificate is usable and nothing is wrong with its renewal, else 0.", labels, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.notAfter
	ch <- c.healthy
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.m.Status() {
		labels := []string{s.Name, string(s.Source), s.Algorithm, strings.Join(s.Hosts, ",")}
		if !s.NotAfter.IsZero() {
			ch <- prometheus.MustNewConstMetric(c.notAfter, prometheus.GaugeValue, float64(s.NotAfter.Unix()), labels...)
		}
		healthy := 0.0
		if s.Usable && s.Err == nil {
			healthy = 1
		}
		ch <- prometheus.MustNewConstMetric(c.healthy, prometheus.GaugeValue, healthy, labels...)
	}
}
