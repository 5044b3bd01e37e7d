// Package attack measures what guessing at passwords costs the others, against the real
// binary over real sockets: how long a client waits for its login that is known from its
// network, and one that is not, while 200 others guess in parallel, where the guard counts what they
// do and where it does not, and what memory the gate takes; how far the ways for a login to
// fail are apart, with each mechanism, and for names of a directory; and how many messages a
// second come by a login each. It holds benchmarks alone, for one run each, which "make bench" runs.
package attack
