package app

import (
	"countersign/internal/app/directories"
	"countersign/internal/app/entrances"
	"countersign/internal/app/panel"
	"countersign/internal/app/ruling"
	"countersign/internal/config"
	"countersign/internal/config/loading"
)

// LoadConfig is loading.Load for a server: what would keep a directory or a
// file of places from being opened, or an issuer of tokens or a client of the API from being used, and what is wrong
// with a rule is found too.
func LoadConfig(path string) (*config.Config, []loading.Warning, error) {
	return loading.Load(path, directories.Judge, judgeIssuers, entrances.Judge, ruling.Judge, panel.Judge)
}
