#!/usr/bin/env bash
# Looks for the third-party programs that the tests drive. As root on Debian it
# installs what is missing; otherwise it prints the one command to run and
# fails. It never lets a test be skipped.
set -euo pipefail

# what must exist, a command, a file, or a Perl module as "perl=NAME" : Debian package that brings it
wanted=(
  gcc:gcc # the race detector needs cgo
  curl:curl
  swaks:swaks
  perl=Net::SSLeay:libnet-ssleay-perl # swaks has no TLS without it, and only recommends it
  msmtp:msmtp
  /usr/sbin/postfix:postfix
  openssl:openssl
  /usr/lib/python3/dist-packages/dkim/__init__.py:python3-dkim
  /usr/lib/python3/dist-packages/nacl/__init__.py:python3-nacl
)

missing=()
for row in "${wanted[@]}"; do
  what=${row%:*} package=${row##*:}
  case $what in
    perl=*) perl -M"${what#perl=}" -e 1 2>/dev/null || missing+=("$package") ;;
    /*) [ -e "$what" ] || missing+=("$package") ;;
    *) command -v "$what" >/dev/null || missing+=("$package") ;;
  esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests drive programs that are not installed. Run this, then try again:" >&2
  echo "    sudo $command" >&2
  exit 1
fi
echo "installing what the tests drive: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Packages must not start servers of their own on this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
  trap 'rm -f "$log" '$policy EXIT
fi
if ! { apt-get update -qq && $command; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "could not install: ${missing[*]}" >&2
  exit 1
fi
