// Package gauges has the figures of a gate that are asked for when somebody wants them: what
// waits in the queue, sessions, room for the store, dead rows, the lease of the node. What is
// counted as it happens each package counts itself.
//
// Main types: Sources.
package gauges

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"countersign/internal/app/space"
	"countersign/internal/audit"
	"countersign/internal/node"
	"countersign/internal/queue"
	"countersign/internal/smtpserver"
)

// gaugePatience bounds what a scrape may wait for the store.
const gaugePatience = 2 * time.Second

// Queue is what is asked for what waits.
type Queue interface {
	Stats(ctx context.Context) (queue.Stats, error)
}

// Sources are what is asked. All but Keeper are needed.
type Sources struct {
	// Store is asked for its dead rows too, where it is of an engine that has some.
	Store    Queue
	Server   *smtpserver.Server
	Space    *space.Watch
	Recorder *audit.Recorder
	// Keeper has the lease of the node, nil where the store has but one.
	Keeper *node.Keeper
	Now    func() time.Time
}

// Register adds the figures to a registry.
func Register(registry *prometheus.Registry, s Sources) {
	registry.MustRegister(
		queueCollector{from: s, waiting: prometheus.NewDesc(
			"countersign_queue_deliveries", "Deliveries that wait, by state.", []string{"state"}, nil),
			oldest: prometheus.NewDesc(
				"countersign_queue_oldest_age_seconds", "Age of the oldest delivery that waits.", nil, nil)},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_smtpserver_sessions", Help: "Sessions that are open.",
		}, func() float64 { return float64(s.Server.Sessions()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_store_free_bytes", Help: "Octets that are free in the file system of the store.",
		}, s.Space.Free),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_store_spare_bytes", Help: "Octets within the database that are free for use.",
		}, s.Space.Spare),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_smtpserver_refused_connections_total", Help: "Connections refused before they became a session.",
		}, func() float64 { return float64(s.Server.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_audit_dropped_total",
			Help: "Events that could not be stored because the store was away for too long.",
		}, func() float64 { return float64(s.Recorder.Dropped()) }),
	)
	if store, ok := s.Store.(vacuumedStore); ok {
		registry.MustRegister(deadCollector{store, prometheus.NewDesc(
			"countersign_store_dead_rows", "Rows of the queue's tables that are dead and not yet vacuumed, of PostgreSQL alone.", []string{"table"}, nil)})
	}
	if s.Keeper != nil {
		registerNode(registry, s.Keeper)
	}
}

// registerNode adds the figures of the node.
func registerNode(registry *prometheus.Registry, keeper *node.Keeper) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_node_lease_held", Help: "1 while this node holds its lease, else 0: it delivers nothing then.",
		}, func() float64 {
			if keeper.Holds() {
				return 1
			}
			return 0
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_node_clock_skew_seconds", Help: "By how much the clock of this node is ahead of the database's.",
		}, func() float64 { return keeper.Skew().Seconds() }),
	)
}

// vacuumedStore is an engine that leaves dead rows behind.
type vacuumedStore interface {
	DeadRows(ctx context.Context) (map[string]int64, error)
}

// deadCollector asks the store at each scrape.
type deadCollector struct {
	store vacuumedStore
	dead  *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c deadCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.dead }

// Collect implements prometheus.Collector. A store that does not answer in
// time leaves the figures out.
func (c deadCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugePatience)
	defer cancel()
	rows, err := c.store.DeadRows(ctx)
	if err != nil {
		return
	}
	for table, n := range rows {
		ch <- prometheus.MustNewConstMetric(c.dead, prometheus.GaugeValue, float64(n), table)
	}
}

// queueCollector asks the store at each scrape.
type queueCollector struct {
	from            Sources
	waiting, oldest *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.waiting
	ch <- c.oldest
}

// Collect implements prometheus.Collector. A store that does not answer in
// time leaves the figures out.
func (c queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), gaugePatience)
	defer cancel()
	stats, err := c.from.Store.Stats(ctx)
	if err != nil {
		return
	}
	for state, n := range map[string]int{"queued": stats.Queued, "deferred": stats.Deferred, "held": stats.Held} {
		ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(n), state)
	}
	age := 0.0
	if !stats.Oldest.IsZero() {
		age = max(c.from.Now().Sub(stats.Oldest).Seconds(), 0)
	}
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
}
