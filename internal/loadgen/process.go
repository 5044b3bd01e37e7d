package loadgen

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Usage is what a process has used so far, as Linux counts it.
type Usage struct {
	// CPUSeconds is user and system time.
	CPUSeconds float64 `json:"cpu_seconds"`
	// ResidentKiB is its memory now.
	ResidentKiB int64 `json:"resident_kib"`
	// PeakKiB is the most it has had.
	PeakKiB int64 `json:"peak_kib"`
}

// ticksPerSecond is USER_HZ, which Linux fixes at 100 for what it shows.
const ticksPerSecond = 100

// ReadUsage reads the figures of a process on this machine.
func ReadUsage(pid int) (Usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, err
	}
	// The command's name may hold spaces; the numbers begin behind its bracket.
	_, after, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if !ok || len(fields) < 13 {
		return Usage{}, fmt.Errorf("/proc/%d/stat has an unknown form", pid)
	}
	var u Usage
	for _, f := range fields[11:13] { // utime and stime
		ticks, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return Usage{}, err
		}
		u.CPUSeconds += ticks / ticksPerSecond
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			u.ResidentKiB = kib
		case "VmHWM":
			u.PeakKiB = kib
		}
	}
	return u, nil
}
