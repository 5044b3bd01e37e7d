package cli

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"countersign/internal/access/familiar"
	"countersign/internal/access/guard"
	"countersign/internal/access/guard/tried"
	"countersign/internal/app/examine"
)

// guess stores what a guard does that was told of failures, "known" for a login that passed,
// "by-NAME" for one that passed by a device of that name, or "closed": of a network, which may be "-" for any, and a login, likewise.
func guess(ctx context.Context, path string, args []string) error {
	cfg, store, err := storeOf(ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	now := time.Now().UTC().Truncate(time.Second)
	r := guard.Record{}
	if args[0] != "-" {
		r.Network = netip.MustParsePrefix(args[0])
	}
	if args[1] != "-" {
		r.Login = args[1]
	}
	switch n, err := strconv.Atoi(args[2]); {
	case args[2] == "known":
		r.Known = now
	case strings.HasPrefix(args[2], "by-"):
		device, err := examine.Device(ctx, cfg, store)
		if err != nil {
			return err
		}
		r.Known = now
		r.Devices = []familiar.Use{familiar.UseAt(familiar.Device(device(args[1], strings.TrimPrefix(args[2], "by-"))), now)}
	case args[2] == "closed":
		r.ClosedFrom, r.ClosedUntil = now.Add(-time.Minute), now.Add(time.Hour)
	case err != nil:
		return err
	default:
		for i := range n {
			r.Secrets = append(r.Secrets, tried.Secret{Digest: uint16(i), First: now.Unix(), Last: now.Unix()})
		}
	}
	return store.KeepRecords(ctx, []guard.Kept{{Record: r, End: now.Add(time.Hour)}}, nil)
}
