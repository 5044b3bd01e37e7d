#!/usr/bin/env bash
# Looks for the third-party programs that the tests drive. As root on Debian it
# installs what is missing; otherwise it prints the one command to run and
# fails. It never lets a test be skipped.
#
# Everything is looked for itself, never by the program that usually brings it:
# recommended packages are not installed, so a program may be there without
# the module or the headers that its use in the tests needs.
set -euo pipefail

# what must exist, a command, a file (a pattern may name it), a module as "perl=NAME" or "python3=NAME",
# or a server as "postgresql=OLDEST MAJOR VERSION" : Debian package that brings it
wanted=(
  gcc:gcc # the race detector needs cgo
  /usr/include/stdlib.h:libc6-dev # and cgo the headers, which gcc only recommends
  curl:curl
  swaks:swaks
  perl=Net::SSLeay:libnet-ssleay-perl # swaks has no TLS without it, and only recommends it
  perl=Authen::SASL:libauthen-sasl-perl # for DIGEST-MD5
  perl=Digest::HMAC_MD5:libdigest-hmac-perl # and for CRAM-MD5
  msmtp:msmtp
  gsasl:gsasl
  node:nodejs
  /usr/share/nodejs/nodemailer:node-nodemailer
  /usr/sbin/postfix:postfix
  /usr/lib/*/sasl2/libscram.so:libsasl2-modules # the mechanisms of Postfix as a client
  openssl:openssl
  strace:strace # makes system calls of the gate fail
  postgresql=15:postgresql # the tests start servers of their own
  /usr/sbin/mariadbd:mariadb-server # likewise
  /usr/sbin/dovecot:dovecot-core # likewise
  /usr/sbin/slapd:slapd # likewise
  /usr/bin/rspamd:rspamd # likewise; it needs no redis here
  /usr/sbin/named:bind9 # likewise
  /usr/bin/python3:python3
  python3=email:libpython3-stdlib # reads our reports; the smallest Python lacks it
  python3=dkim:python3-dkim
  python3=dns:python3-dnspython # dkimpy's
  python3=nacl:python3-nacl     # dkimpy's, for Ed25519
)

# Whether there is a PostgreSQL of that version or later with all the programs that
# the tests start: where PATH has its server, or in Debian's folders.
has_postgresql() {
  local folder program version server
  server=$(command -v postgres) && server=$(readlink -f "$server")
  for folder in ${server:+"${server%/*}"} "${POSTGRESQL_FOLDERS:-/usr/lib/postgresql}"/*/bin; do
    for program in postgres initdb pg_basebackup; do
      [ -x "$folder/$program" ] || continue 2
    done
    version=$("$folder/postgres" --version) || continue
    [[ $version =~ \(PostgreSQL\)\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge "$1" ] && return
  done
  return 1
}

missing=()
for row in "${wanted[@]}"; do
  what=${row%:*} package=${row##*:}
  case $what in
    perl=*) perl -M"${what#perl=}" -e 1 2>/dev/null || missing+=("$package") ;;
    python3=*) /usr/bin/python3 -c "import ${what#python3=}" 2>/dev/null || missing+=("$package") ;;
    postgresql=*) has_postgresql "${what#postgresql=}" || missing+=("$package") ;;
    /*) compgen -G "$what" >/dev/null || missing+=("$package") ;;
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
