#!/usr/bin/env bash
# Runs the static checker on every module, fetched by version through the Go
# module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
checker=honnef.co/go/tools/cmd/staticcheck@v0.8.2
go run $checker ./...
for dir in test/*/; do
  if [ -f "$dir/go.mod" ]; then
    (cd "$dir" && go vet ./... && go run $checker ./...)
  fi
done
