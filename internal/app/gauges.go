package app

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// gaugePatience bounds what a scrape may wait for the store.
const gaugePatience = 2 * time.Second

// registerGauges adds the figures that are asked for when they are wanted.
func (a *App) registerGauges() {
	a.registry.MustRegister(
		queueCollector{app: a, waiting: prometheus.NewDesc(
			"countersign_queue_deliveries", "Deliveries that wait, by state.", []string{"state"}, nil),
			oldest: prometheus.NewDesc(
				"countersign_queue_oldest_age_seconds", "Age of the oldest delivery that waits.", nil, nil)},
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_smtpserver_sessions", Help: "Sessions that are open.",
		}, func() float64 { return float64(a.server.Sessions()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_store_free_bytes", Help: "Octets that are free in the file system of the store.",
		}, a.space.Free),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "countersign_store_spare_bytes", Help: "Octets within the database that are free for use.",
		}, a.space.Spare),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_smtpserver_refused_connections_total", Help: "Connections refused before they became a session.",
		}, func() float64 { return float64(a.server.Refused()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "countersign_audit_dropped_total",
			Help: "Events that could not be stored because the store was away for too long.",
		}, func() float64 { return float64(a.recorder.Dropped()) }),
	)
	if store, ok := a.store.(vacuumedStore); ok {
		a.registry.MustRegister(deadCollector{store, prometheus.NewDesc(
			"countersign_store_dead_rows", "Rows of the queue's tables that are dead and not yet vacuumed, of PostgreSQL alone.", []string{"table"}, nil)})
	}
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
	app             *App
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
	stats, err := c.app.store.Stats(ctx)
	if err != nil {
		return
	}
	for state, n := range map[string]int{"queued": stats.Queued, "deferred": stats.Deferred, "held": stats.Held} {
		ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(n), state)
	}
	age := 0.0
	if !stats.Oldest.IsZero() {
		age = max(c.app.opt.Now().Sub(stats.Oldest).Seconds(), 0)
	}
	ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, age)
}
