# shellcheck shell=bash
# Sourced by scripts: install_packages LIST… installs what is missing of the packages named in the lists
# (debian-packages/*.txt; their format is described in debian-packages/README.md). Debian 12 or 13, as root or with sudo.
# Prints what it does on stderr; returns 1 after one line that says what is wrong.

_is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

_has_candidate() {
  local policy # not a pipe into grep -q: under pipefail, apt-cache's broken pipe would be the result
  policy=$(LC_ALL=C apt-cache policy "$1" 2>/dev/null)
  [[ $policy =~ Candidate:\ [^\(] ]]
}

# The lines of the lists without comments, each a package or alternatives "a | b".
_wanted_packages() {
  sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"
}

# Reads wanted lines, prints those of which no alternative is installed.
_missing_packages() {
  local line name found
  while IFS= read -r line; do
    found=
    for name in ${line//|/ }; do
      if _is_installed "$name"; then found=1; break; fi
    done
    [ -n "$found" ] || printf '%s\n' "$line"
  done
}

_as_root() {
  if [ "$(id -u)" = 0 ]; then env "$@"; else sudo env "$@"; fi
}

install_packages() {
  local missing line name chosen
  local -a packages=()
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "error: there is no apt here: install what packaging/debian-packages/ lists with your system's tool, then build with cmake (see README.md)" >&2
    return 1
  fi
  missing=$(_wanted_packages "$@" | _missing_packages) || return 1
  [ -n "$missing" ] || return 0

  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    echo "error: packages are missing ($(tr '\n' ' ' <<<"$missing" | sed 's/ *$//')): run this as root, or install sudo" >&2
    return 1
  fi
  echo "Installing packages with apt: $(tr '\n' ' ' <<<"$missing")" >&2
  if ! _as_root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 update </dev/null >&2; then
    echo "error: apt-get update failed; its messages above say why" >&2
    return 1
  fi
  while IFS= read -r line; do
    chosen=
    for name in ${line//|/ }; do
      if _has_candidate "$name"; then chosen=$name; break; fi
    done
    if [ -z "$chosen" ]; then
      echo "error: apt knows no package '$line': Mailstead is made for Debian 12 and 13 with their 'main' section" >&2
      return 1
    fi
    packages+=("$chosen")
  done <<<"$missing"
  if ! _as_root DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y --no-install-recommends \
      -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install "${packages[@]}" </dev/null >&2; then
    echo "error: apt-get install failed; its messages above say why" >&2
    return 1
  fi
}

# How many compilers may run at once: one per processor, and at least 1 GiB of memory for each.
build_jobs() {
  local processors memory
  processors=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null || echo 1)
  if [ "${memory:-1}" -lt "$processors" ]; then processors=${memory:-1}; fi
  if [ "$processors" -lt 1 ]; then processors=1; fi
  echo "$processors"
}
