#!/usr/bin/env bash
# Runs every test of every module under the race detector, the binary that the
# end-to-end tests start included: it is built here for that, COUNTERSIGN_BIN
# names it, and test/harness fails a test in which it reports a race.
set -euo pipefail
cd "$(dirname "$0")/.."
export CGO_ENABLED=1 # for the race detector alone; the product is pure Go
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export COUNTERSIGN_BIN=$work/countersign
go build -race -o "$COUNTERSIGN_BIN" ./cmd/countersign
for dir in test/*/; do
  if [ -f "$dir/go.mod" ]; then
    (cd "$dir" && go test -race -timeout 20m ./...)
  fi
done
go test -race -shuffle=on -timeout 20m ./...
