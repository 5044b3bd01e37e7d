package backlog

// load is what somebody has in memory.
type load struct {
	// jobs and bytes wait for a worker.
	jobs  int
	bytes int64
	// running are the jobs that a worker has.
	running int
}

func (l *load) add(bytes int64) {
	l.jobs++
	l.bytes += bytes
}

func (l *load) take(bytes int64) {
	l.jobs--
	l.bytes -= bytes
}

// minRoom is how many jobs anybody may have waiting while there is any room at
// all.
const minRoom = 8

// mayRun reports whether an account may have one more worker of those that are
// free. A customer may take as many as it leaves for others: alone half of all
// workers, two a third each, so that who comes next always finds some. Within
// what its customer may have, the same holds for each account.
func mayRun(account, customer load, free int) bool {
	if customer.running > 0 && customer.running >= free {
		return false
	}
	return account.running == 0 || account.running < leftToCustomer(customer.running, free)
}

// leftToCustomer is how much more a customer that has so much may take until it
// has as much as it leaves, at least half of one.
func leftToCustomer[N int | int64](has, free N) N { return (free - has + 1) / 2 }

// mayWait reports whether somebody may have another job waiting where left is
// what would remain for others.
func mayWait(has, left int) bool { return has < max(left, minRoom) }

// mayKeep is the same for bytes. Who has none may keep as much as there is room for.
func mayKeep(has, more, left int64) bool { return has == 0 || has+more <= left }
