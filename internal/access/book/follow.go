package book

import (
	"countersign/internal/access"
	"countersign/internal/feed"
)

// Follow returns what keeps a book as a store is; nobody else changes it then.
func Follow(from access.Feed, b *Book, opt feed.Options) *feed.Follower[access.Ban] {
	return feed.Follow(feed.Source[access.Ban]{What: "bans", Since: from.BansSince, Changed: from.BansChanged}, b, opt)
}
