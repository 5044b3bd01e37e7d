#!/usr/bin/env bash
# Measures the gate on this machine: messages per second end to end with and
# without signing, accepted alone, one message for each connection, latency,
# processor time and memory, logins beside an attack on passwords, and the store by
# itself, both engines, what each gate before the queue costs, also beside a million waiting deliveries, copied and backed up. It is not a test; nothing fails for being slow.
# BENCH_MESSAGES (default 20000) is the load of each run.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/bin/countersign
messages=${BENCH_MESSAGES:-20000}
mkdir -p var
work=$(mktemp -d -p "$PWD/var" bench.XXXXXX) # on the disk, not on a tmpfs
pid=
cleanup() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null; fi
  rm -rf "$work"
}
trap cleanup EXIT

# gate NAME SIGN DELIVER: starts a fresh gate, leaves its pid in $pid.
gate() {
  local dir=$work/$1
  mkdir -p "$dir"
  cat >"$dir/countersign.toml" <<TOML
hostname = "gate.example.org"
data_dir = "$dir/data"
[log]
level = "warn"
[metrics]
listen = "127.0.0.1:27590"
[session]
max_connections_per_prefix = 5000
max_messages = 1000000
[dkim]
sign = $2
[delivery]
enabled = $3
per_destination = 24
max_messages_per_connection = 10000
[[listener]]
name = "submissions"
kind = "submissions"
address = ["127.0.0.1:27465"]
[[certificate]]
name = "self"
source = "self-signed"
hosts = ["localhost"]
[[route]]
domain = "*"
next_hop = "smtp://127.0.0.1:27025"
tls = "none"
TOML
  for args in "customer add acme" "domain add example.org --customer acme"; do
    $bin $args --config "$dir/countersign.toml" >/dev/null
  done
  echo "a long bench password" | $bin account add a@example.org --config "$dir/countersign.toml" >/dev/null
  $bin serve --config "$dir/countersign.toml" 2>"$dir/log" &
  pid=$!
  for _ in $(seq 100); do
    if (exec 3<>/dev/tcp/127.0.0.1/27465) 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat "$dir/log" >&2
  exit 1
}

stop() {
  kill "$pid"
  wait "$pid" || true
  pid=
}

# load NAME ARGS: drives the gate and prints one JSON object.
load() {
  local name=$1
  shift
  echo "== $name"
  echo "a long bench password" | $bin bench --address 127.0.0.1:27465 --implicit-tls \
    --ca-file "$work/$gate_name/data/self.crt" --server-name localhost \
    --login a@example.org --to b@example.com --pid "$pid" "$@"
}

echo "== machine: $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(date -u +%F)"

gate_name=signed; gate signed true true
load "end to end, RSA and Ed25519 signatures, 4 KB, 32 connections" --sink 127.0.0.1:27025 --connections 32 --messages "$messages" --size 4096
stop
gate_name=unsigned; gate unsigned false true
load "end to end, no signatures" --sink 127.0.0.1:27025 --connections 32 --messages "$messages" --size 4096
stop
gate_name=accept; gate accept false false
load "accepted alone, no signatures, no delivery" --connections 32 --messages $((messages * 2)) --size 4096
stop
gate_name=limited; gate limited false false
for args in "--account a@example.org recipients/hour=1000000000 messages/day=1000000000" "--domain example.org recipients/day=1000000000" \
  "--customer acme messages/hour=1000000000" "--each network messages/hour=1000000000" "--everything messages/hour=1000000000"; do
  $bin limit set $args --config "$work/limited/countersign.toml" >/dev/null
done
load "the same with limits of five subjects; goal 85 of 100" --connections 32 --messages $((messages * 2)) --size 4096
stop
gate_name=each; gate each false false
load "one message for each connection: full handshake and login, 32 at a time; goal 500/s" --connections 32 --messages "$messages" --per-connection 1 --size 1024
stop
gate_name=idle; gate idle false false
load "2,000 idle authenticated TLS sessions" --idle 2000 --wait 20s
stop
echo "== failed logins: medians of 200 tries of each kind and mechanism, in turns"
TMPDIR=$work go test ./internal/login -run '^$' -bench 'Failures' -benchtime 1x -timeout 20m
echo "== a login that is remembered, and one that is not"
TMPDIR=$work go test ./internal/login -run '^$' -bench 'Remembered|Derivation' -benchtime 2s
echo "== the same at the socket, with two kinds more"
TMPDIR=$work COUNTERSIGN_BIN=$bin go test ./test/attack -run '^$' -bench Failures -benchtime 1x -timeout 30m
echo "== 10,000 waiting messages whose certificate is revoked, until all are held"
TMPDIR=$work go test ./internal/app -run '^$' -bench Revoked -benchtime 1x -timeout 10m
echo "== logins beside 200 who guess"
TMPDIR=$work COUNTERSIGN_BIN=$bin go test ./test/attack -run '^$' -bench Attack -benchtime 1x -timeout 15m
echo "== the same where the guard counts what they do, as all come by a proxy"
TMPDIR=$work COUNTERSIGN_BIN=$bin go test ./test/attack -run '^$' -bench GuessersThatCount -benchtime 1x -timeout 15m
echo "== one message for each connection, full handshake and login, against bcrypt 10 in a directory; goal 500/s"
TMPDIR=$work COUNTERSIGN_BIN=$bin go test ./test/attack -run '^$' -bench OneMessageEach -benchtime 1x -timeout 15m
echo "== accepted alone, generator included, the store in PostgreSQL"
go test ./internal/app -run '^$' -bench 'AcceptOnPostgres' -benchtime "${messages}x"
echo "== the store alone, PostgreSQL"
go test ./internal/store/postgres -run '^$' -bench 'Accept' -benchtime "${messages}x"
echo "== the store alone, PostgreSQL, beside a million waiting deliveries"
go test ./internal/store/postgres -run '^$' -bench 'BesideAMillion' -benchtime 5000x -timeout 30m
echo "== the store alone: cpu-s/1000 is processor seconds for 1000 messages, with 64 callers in the same process"
mkdir -p "$work/store"
# The benchmarks keep their database in a temporary folder, which must be on the
# disk as well.
TMPDIR=$work/store go test ./internal/store/sqlite -run '^$' -bench 'Accept|Report|Proofs' -benchtime 3s
echo "== ten rules of the operator for one message, each, and a unit of cost at worst"
go test ./internal/policy/rules -run '^$' -bench 'TenRules|Each|Unit|Compile'
echo "== a try of each kind of password hash, and how far its decoy is apart from it"
go test ./internal/account/hash -run '^$' -bench Matches -benchtime 1s
echo "== 100,000 waiting messages of 4 KB copied to PostgreSQL and back"
TMPDIR=$work/store go test ./internal/app -run '^$' -bench 'BenchmarkCopy' -benchtime 1x -timeout 30m
./scripts/gates.sh sqlite
./scripts/gates.sh postgres
./scripts/million.sh sqlite
./scripts/million.sh postgres
echo "== beside a large store: a check, and accepts before, during and after a backup; makes 4 GB"
TMPDIR=$work/store go test ./internal/store/sqlite/backup -run '^$' -bench . -benchtime 1x -timeout 60m
