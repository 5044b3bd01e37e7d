// Package million measures the gate beside a million deliveries that wait, on
// either engine: how fast the store and the real binary accept and find what is
// due, compared with an empty queue in the same run, how long a start takes, and
// the memory after a minute of load. It holds benchmarks alone, for one run each:
// scripts/million.sh runs one, "make bench" both.
package million
