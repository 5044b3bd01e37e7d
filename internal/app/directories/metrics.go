package directories

import (
	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/directory"
)

// collector tells how the directories are, when it is asked.
type collector struct {
	set              *Set
	questions, phase *prometheus.Desc
}

// Collector returns the metrics of the set.
func (s *Set) Collector() prometheus.Collector {
	return &collector{s,
		prometheus.NewDesc("countersign_directory_questions_total", "Questions to a directory, by how they ended.", []string{"directory", "outcome"}, nil),
		prometheus.NewDesc("countersign_directory_left_alone", "1 while a directory is not asked, as it did not answer.", []string{"directory"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.questions
	ch <- c.phase
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for name, state := range c.set.States() {
		now := state()
		n := now.Counts
		for outcome, count := range map[string]uint64{
			"answered": n.Answered, "unknown": n.Unknown, "refused": n.Refused, "nonsense": n.Nonsense,
			"failed": n.Failed, "left-alone": n.LeftAlone, "busy": n.Busy, "canceled": n.Canceled,
		} {
			ch <- prometheus.MustNewConstMetric(c.questions, prometheus.CounterValue, float64(count), name, outcome)
		}
		alone := 0.0
		if now.Phase != directory.Well {
			alone = 1
		}
		ch <- prometheus.MustNewConstMetric(c.phase, prometheus.GaugeValue, alone, name)
	}
}
