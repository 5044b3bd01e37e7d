package cli

import (
	"context"
	"fmt"
	"time"

	"countersign/internal/mail"
	"countersign/internal/policy/rounds"
)

// looked stores what the regular look at a domain finds, at 2026-11-20 10:00:00: its verdict, the DMARC
// policy and a reason.
func looked(ctx context.Context, path string, args []string) error {
	_, store, err := storeOf(ctx, path)
	if err != nil {
		return err
	}
	defer store.Close()
	at := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	list, err := store.TakeLooks(ctx, []mail.Domain{mail.Domain(args[0])}, rounds.Turn{Node: "a", At: at, Due: at.AddDate(100, 0, 0), Lapsed: at})
	if err != nil || len(list) != 1 {
		return fmt.Errorf("%d looks were taken: %w", len(list), err)
	}
	list[0].At, list[0].Verdict, list[0].Policy, list[0].Reason = at, args[1], args[2], args[3]
	return store.KeepLook(ctx, list[0])
}
