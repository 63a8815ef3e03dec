# shellcheck shell=bash
# What the scripts share. Sourced, not run:  . "$(dirname "$0")/lib/common.sh"
# Sets root (the checkout) and moves there.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

say() {
    printf '%s\n' "$*"
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

can_be_root() {
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null
}

# Runs a command as root: directly when we are root, else by sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

package_is_there() {
    local package=$1 command=$2
    if [ -n "$command" ] && PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null; then
        return 0
    fi
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]
}

# missing_packages GROUP...: the packages of scripts/lib/packages that are not installed, one a line.
missing_packages() {
    local group package command wanted
    while read -r group package command; do
        for wanted in "$@"; do
            if [ "$group" = "$wanted" ] && ! package_is_there "$package" "$command"; then
                printf '%s\n' "$package"
            fi
        done
    done < <(grep -v -e '^#' -e '^$' scripts/lib/packages)
}

# Waits for another apt (a machine that has just started upgrades itself), and asks again where the network stumbles.
apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 "$@"
}

apt_install() {
    mkdir -p build
    apt_get install -y -q --no-install-recommends "$@" >build/apt.log 2>&1
}

# Whether apt's lists know every one of the packages. (A machine fresh from its image has empty lists.)
lists_know() {
    local package
    for package in "$@"; do
        apt-cache show "$package" >/dev/null 2>&1 || return 1
    done
}

# ensure_packages GROUP...: installs what is missing, after saying what. Lists are fetched once, and only when they are
# missing or too old to fetch a package with.
ensure_packages() {
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        fail "this is no Debian; please install what these Debian packages hold: ${missing[*]}"
    can_be_root || fail "some packages are missing, and this is neither root nor is there sudo. As root, run:
    apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    say "Installing with apt-get (this takes a minute; its words go to build/apt.log): ${missing[*]}"
    if lists_know "${missing[@]}" && apt_install "${missing[@]}"; then
        return 0
    fi
    apt_get update -qq
    apt_install "${missing[@]}" || {
        tail -n 20 build/apt.log >&2
        fail "apt-get could not install them"
    }
}

# The number of jobs to build and test with.
job_count() {
    nproc 2>/dev/null || echo 2
}

# again COMMAND...: up to three times, for what a network may fail to do once.
again() {
    local pause
    for pause in 5 20; do
        if "$@"; then
            return 0
        fi
        sleep "$pause"
    done
    "$@"
}

npm_ci() {
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
}

# npm_packages FOLDER: `npm ci` there, unless what is installed is what the lock file says.
npm_packages() {
    local folder=$1
    if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
        return 0
    fi
    say "Fetching the npm packages of $folder (npm ci)"
    again npm_ci "$folder"
    touch "$folder/node_modules/.package-lock.json"
}
