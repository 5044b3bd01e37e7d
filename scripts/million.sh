#!/usr/bin/env bash
# Measures the gate beside a million waiting deliveries, on one engine: sqlite or
# postgres. Prints each figure beside its goal; takes three to four minutes and 6 GB of
# disk, and stops what it starts.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
sqlite) which=SQLite ;;
postgres) which=Postgres ;;
*)
  echo "usage: scripts/million.sh sqlite|postgres" >&2
  exit 2
  ;;
esac
make build >/dev/null
mkdir -p var
work=$(mktemp -d -p "$PWD/var" million.XXXXXX) # on the disk, not on a tmpfs
trap 'rm -rf "$work"' EXIT
echo "== a million waiting deliveries, $1: $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg), $(date -u +%F)"
TMPDIR=$work COUNTERSIGN_BIN=$PWD/bin/countersign go test ./test/million -run '^$' -bench "^Benchmark$which\$" -benchtime 1x -timeout 15m
