package serve

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// moreGarbage is how much more garbage may lie in memory than the runtime lets there be by itself, in
// octets. With the books of 100,000 accounts in memory, collecting it half as often saves a tenth of
// the processor time of a message.
const moreGarbage = 64 << 20

// The runtime collects when there is as much garbage as there is memory in use: that is usual percent.
const (
	usualPercent = 100
	mostPercent  = 200
)

// garbagePercent is how much garbage there may be, in percent of the memory in use: twice as much as
// that, but no more than moreGarbage beyond it.
func garbagePercent(inUse uint64) int {
	if inUse <= moreGarbage {
		return mostPercent
	}
	return usualPercent + int((mostPercent-usualPercent)*moreGarbage/inUse)
}

// lookAtGarbage is how often the percentage follows the memory in use.
const lookAtGarbage = 10 * time.Second

// boundGarbage has the runtime collect garbage as often as garbagePercent says, until ctx ends. Where the
// operator has chosen by GOGC, that stays.
func boundGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	set := 0
	every := time.NewTicker(lookAtGarbage)
	defer every.Stop()
	for {
		// A change stops all goroutines for a moment, so small ones are left out.
		if next := garbagePercent(memoryInUse()); next/5 != set/5 {
			set = next
			debug.SetGCPercent(set)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}

// memoryInUse is what the last collection has found in use, in octets.
func memoryInUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
