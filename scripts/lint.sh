#!/usr/bin/env bash
# Runs the static checker, fetched by version through the Go module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."
go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
