package app

import (
	"countersign/internal/app/directories"
	"countersign/internal/config"
)

// LoadConfig is config.Load for a server: what would keep a directory from being opened is
// found too.
func LoadConfig(path string) (*config.Config, []config.Warning, error) {
	return config.Load(path, directories.Judge)
}
