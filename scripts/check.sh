#!/usr/bin/env bash
# Fails when a file is not formatted, when one is committed that is to be ignored,
# or when the generated files differ from the committed ones. "make check" runs the
# static checks too.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  echo "not formatted (run gofmt -w):" >&2
  echo "$unformatted" >&2
  exit 1
fi
ignored=$(git ls-files -ci --exclude-standard)
if [ -n "$ignored" ]; then
  echo "committed although it is to be ignored (git rm --cached it), as a failed test may have left it:" >&2
  echo "$ignored" >&2
  exit 1
fi
if [ -n "$(git status --porcelain -- docs)" ]; then
  echo "generated pages differ from what is committed; review and commit:" >&2
  git status --porcelain -- docs >&2
  git --no-pager diff -- docs | head -n 60 >&2
  exit 1
fi
go mod verify >/dev/null
go mod tidy -diff
