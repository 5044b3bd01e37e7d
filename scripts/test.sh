#!/usr/bin/env bash
# Runs every test of every module under the race detector. COUNTERSIGN_BIN is
# the binary that the end-to-end tests start.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=1 # for the race detector alone; the product is pure Go
export COUNTERSIGN_BIN=$PWD/bin/countersign
for dir in test/*/; do
  if [ -f "$dir/go.mod" ]; then
    (cd "$dir" && go test -race -timeout 10m ./...)
  fi
done
go test -race -shuffle=on -timeout 20m ./...
