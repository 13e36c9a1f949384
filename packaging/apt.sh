# shellcheck shell=bash
# Sourced by scripts: install_packages LIST… installs what is missing of the packages named in the lists, and
# download_packages FOLDER LIST… only puts archives into a folder
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

_update_lists() {
  if ! _as_root DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 update </dev/null >&2; then
    echo "error: apt-get update failed; its messages above say why" >&2
    return 1
  fi
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
  _update_lists || return 1
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

# download_packages FOLDER LIST…: FOLDER/NAME for each package of the lists, with its archive and those of what it needs and
# this machine lacks. Nothing is installed: for packages that exclude each other, and that would start a service.
download_packages() {
  local folder name
  local -a missing=()
  folder=$(realpath -m "$1")
  shift
  [ $# -gt 0 ] || return 0
  while IFS= read -r name; do
    [ -e "$folder/$name/complete" ] || missing+=("$name")
  done < <(_wanted_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0

  echo "Downloading packages with apt: ${missing[*]}" >&2
  _update_lists || return 1
  for name in "${missing[@]}"; do
    rm -rf "${folder:?}/$name"
    mkdir -p "$folder/$name/partial" || return 1
    if ! _as_root DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends --reinstall --download-only \
        -o "Dir::Cache::archives=$folder/$name" -o APT::Sandbox::User=root -o Acquire::Retries=3 \
        -o DPkg::Lock::Timeout=600 install "$name" </dev/null >&2; then
      echo "error: apt-get could not download $name; its messages above say why" >&2
      return 1
    fi
    touch "$folder/$name/complete"
  done
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
