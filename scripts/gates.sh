#!/usr/bin/env bash
# Measures what networks and bans, the guard, limits, identity, alignment and rules cost, each
# alone and all together, on one engine: sqlite or postgres. 100,000 accounts; gates with and
# without in turns. Prints each figure beside its goal; takes seven to ten minutes and 4 GB of
# disk, and stops what it starts.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
sqlite) which=SQLite ;;
postgres) which=Postgres ;;
*)
  echo "usage: scripts/gates.sh sqlite|postgres" >&2
  exit 2
  ;;
esac
make build >/dev/null
mkdir -p var
work=$(mktemp -d -p "$PWD/var" gates.XXXXXX) # on the disk, not on a tmpfs
trap 'rm -rf "$work"' EXIT
echo "== what the gates cost, $1: $(nproc) cores, load $(cut -d ' ' -f 1 /proc/loadavg), $(date -u +%F)"
TMPDIR=$work COUNTERSIGN_BIN=$PWD/bin/countersign go test ./test/gates -run '^$' -bench "^Benchmark$which\$" -benchtime 1x -timeout 15m
