// Package attack measures what guessing at passwords costs the others, against the real
// binary over real sockets: how long a client waits for its login that is known from its
// network, and one that is not, while 200 others guess in parallel, and what memory the
// gate takes; and how far the ways for a login to fail are apart, with each mechanism. It
// holds benchmarks alone, for one run each, which "make bench" runs.
package attack
