# Shared by tools/build, tools/test and tools/demo: where things are, and the packages they need.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build="${BUILD:-$root/build}"
# Lets ccache look behind precompiled headers.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Installs what is missing of packages.txt. Needs root or sudo only when something is missing.
install_packages() {
  local missing=() name sudo=()
  while read -r name; do
    case "$name" in ''|'#'*) continue ;; esac
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$name")
  done < "$root/tools/lib/packages.txt"
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing and there is no sudo: ${missing[*]}"
    sudo=(sudo)
  fi
  # Nothing but apt-get runs as root, so that a sudoers line for apt-get alone is enough. sudo drops DEBIAN_FRONTEND; without standard
  # input no package can ask anything either. (sudo asks for a password on the terminal itself.)
  export DEBIAN_FRONTEND=noninteractive
  local log; log=$(mktemp)
  "${sudo[@]}" apt-get update -qq < /dev/null || die "apt-get update failed"
  "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" < /dev/null > "$log" 2>&1 ||
    { cat "$log" >&2; rm -f "$log"; die "apt-get install failed"; }
  rm -f "$log"
}

# configure DIR [CMAKE ARGS…]: once; later calls only check. Precompiled headers, and several sources in one: a build
# from nothing takes a quarter of the time.
configure() {
  local dir=$1; shift
  cmake -G Ninja -S "$root" -B "$dir" -DTOCSIN_PCH=ON -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 "$@" > "$dir.configure.log" 2>&1 || { cat "$dir.configure.log" >&2; die "cmake failed"; }
  rm -f "$dir.configure.log"
}
