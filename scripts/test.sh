#!/usr/bin/env bash
# Runs every test of every module under the race detector, the binary that the
# end-to-end tests start included: it is built here for that, COUNTERSIGN_BIN
# names it, and test/harness fails a test in which it reports a race. Short
# commands beside a server are run by COUNTERSIGN_COMMANDS, without the
# detector: starting it takes longer than most of them.
# Many tests wait for timers and processes, so more packages run at once than
# there are processors; those that take longest begin first, so that none of them
# is left over at the end with nothing beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
longest=(
  ./internal/store/postgres ./test/cluster ./internal/app ./internal/cli ./test/badinput ./internal/store/sqlite
  ./test/directory ./test/e2e ./internal/submission ./test/interop ./internal/login ./internal/delivery ./test/explain ./test/logins
)

# Whether the machine has 12 GB of memory to spare, of which files may take 8.
has_memory() {
  [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] &&
    [ "$(df --output=avail -k /dev/shm | tail -n 1)" -ge 8000000 ] &&
    [ "$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)" -ge 12000000 ]
}
# What tests write is gone with them, and most of their time on a disk goes into making and
# removing files, a database of PostgreSQL alone has three hundred. So it stays in memory where
# there is plenty. Servers of other users pass through.
if has_memory; then
  memory=$(mktemp -d -p /dev/shm cs-XXXXXX)
  trap 'rm -rf "$work" "$memory"' EXIT
  chmod 711 "$memory"
  export TMPDIR=$memory
fi
export COUNTERSIGN_BIN=$work/countersign COUNTERSIGN_COMMANDS=$work/commands
CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o "$COUNTERSIGN_COMMANDS" ./cmd/countersign
export CGO_ENABLED=1 # for the race detector alone; the product is pure Go
# The detector looks at all of ours and of what it uses, not within the database engine, which
# is C that was turned into Go and takes several times as long with it. Only a package that
# instantiates no generic code of others can be left out: the linker keeps one copy for all,
# and without the detector that of sync.Map orders nothing for it.
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-gcflags=modernc.org/sqlite/lib=-race=false"
go build -race -o "$COUNTERSIGN_BIN" ./cmd/countersign
for dir in test/*/; do
  if [ -f "$dir/go.mod" ]; then
    (cd "$dir" && go test -race -timeout 20m ./...)
  fi
done
go test -race -shuffle=on -p $(($(nproc) + 1)) -timeout 20m "${longest[@]}" ./...
