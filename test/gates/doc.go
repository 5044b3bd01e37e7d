// Package gates measures what the gates before the queue cost: networks and bans, guessing,
// limits, identity, alignment, and rules of the operator. Real binaries with 100,000 accounts take the same load in
// turns, one with nothing of these, one with each alone, one with all of them; what one costs is
// its processor time for a message less that of the first in the same round. It holds
// benchmarks alone, for one run each: scripts/gates.sh runs one.
package gates
