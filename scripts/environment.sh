# shellcheck shell=bash
# Sourced by the other scripts: finds Python, makes .venv, installs the locked packages, compiles translations.
# Nothing of this costs time when nothing has changed.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=$ROOT/.venv
PYTHON_IN_VENV=$VENV/bin/python

# Programs look up the home directory by themselves when HOME is unset, but take an empty one for the root folder.
[ -n "${HOME:-}" ] || unset HOME
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# as_user USER COMMAND…: a program, as somebody else when we are root.
as_user() {
    local user=$1
    shift
    if [ "$user" = "$(id -un)" ]; then
        "$@"
    else
        runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" "$@"
    fi
}

# as_owner FUNCTION…: one of ours, as whoever the folder belongs to: sudo leaves no files behind that they cannot change.
as_owner() {
    if [ "$(code_owner)" = "$(id -un)" ]; then
        "$@"
    else
        # shellcheck disable=SC2016  # the other shell expands it
        as_user "$(code_owner)" bash -euo pipefail -c '. "$1"; shift; "$@"' bash "$ROOT/scripts/environment.sh" "$@" || exit
    fi
}

code_owner() {
    local owner
    owner=$(stat -c %U "$ROOT")
    if [ "$(id -u)" = 0 ] && [ "$owner" != UNKNOWN ]; then printf '%s' "$owner"; else id -un; fi
}

# ensure_environment LOCK…: .venv holds what these locks name.
ensure_environment() {
    if is_current "$@"; then return; fi
    # One installation at a time. The lock is on a folder, so that no lock file is left behind. No subshell: a signal
    # to this script must reach install_lock.
    {
        flock 9
        if ! is_current "$@"; then install_all "$@"; fi
    } 9<"$ROOT/scripts"
}

compile_translations() {
    if ! translations_are_stale; then return; fi
    (
        flock 9
        if translations_are_stale; then
            "$PYTHON_IN_VENV" -m babel.messages.frontend --quiet compile --directory "$ROOT/app/translations" ||
                fail "The translations in app/translations could not be compiled: see above."
        fi
    ) 9<"$ROOT/scripts" || exit
}

is_current() {
    local lock
    [ -x "$PYTHON_IN_VENV" ] && [ ! -e "$VENV/.installing" ] || return 1
    for lock in "$@"; do
        [ "$(cat "$VENV/.installed-$lock" 2>/dev/null)" = "$(stamp_for "$lock")" ] || return 1
    done
}

# What an installation depends on: the lock, where .venv lies (its scripts name that place), and its Python.
stamp_for() {
    local digest
    digest=$(sha256sum <"$ROOT/$1")
    printf '%s\n' "${digest%% *}" "$VENV" "$(readlink -f "$PYTHON_IN_VENV")"
}

install_all() {
    local lock
    make_venv
    for lock in "$@"; do
        if ! is_current "$lock"; then install_lock "$lock"; fi
    done
}

make_venv() {
    local python
    if venv_is_usable; then return; fi
    python=$(find_python) || exit 1
    ensure_venv_module "$python"
    say "Making .venv with $("$python" -V)."
    rm -rf "$VENV"
    mkdir -p "$VENV"
    touch "$VENV/.installing"
    "$python" -m venv "$VENV" || fail "Python could not make $VENV: see above."
}

# Not when there is none, when an installation into it was interrupted, or when it was moved or its Python replaced.
venv_is_usable() {
    local stamp place interpreter
    [ ! -e "$VENV/.installing" ] && "$PYTHON_IN_VENV" -c 'import pip' 2>/dev/null || return 1
    for stamp in "$VENV"/.installed-*; do
        [ -e "$stamp" ] || continue
        { read -r && read -r place && read -r interpreter; } <"$stamp" || return 1
        [ "$place" = "$VENV" ] && [ "$interpreter" = "$(readlink -f "$PYTHON_IN_VENV")" ] || return 1
    done
}

# The stamp is written last. A killed pip may leave half a package that looks whole, so .installing stays behind
# then, and the next run starts over; a pip that fails by itself (no network) has cleaned up, and is only repeated.
# A pip that outlives this script keeps the lock, so that nobody clears .venv under it.
install_lock() {
    local pip status=0
    say "Installing $1 ($(grep -c == "$ROOT/$1") packages). The first time, this takes a minute or two."
    touch "$VENV/.installing"
    "$PYTHON_IN_VENV" -m pip install --quiet --no-deps --require-hashes -r "$ROOT/$1" </dev/null &
    pip=$!
    trap 'kill "$pip" 2>/dev/null; wait "$pip"; exit 130' INT
    trap 'kill "$pip" 2>/dev/null; wait "$pip"; exit 143' TERM HUP
    wait "$pip" || status=$?
    trap - INT TERM HUP
    if [ "$status" -lt 128 ]; then rm -f "$VENV/.installing"; fi
    [ "$status" = 0 ] || fail "pip could not install the packages of $1: see above. Run the same command again to retry."
    stamp_for "$1" >"$VENV/.stamp"
    mv "$VENV/.stamp" "$VENV/.installed-$1"
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            say "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed, and none was found." \
        "Debian or Ubuntu: apt-get install python3 python3-venv. Or name one: PYTHON=/path/to/python3.12." >&2
    return 1
}

# Debian and Ubuntu keep venv and ensurepip in a package of their own.
ensure_venv_module() {
    local package
    if "$1" -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    package=$("$1" -c 'import sys; print("python{}.{}-venv".format(*sys.version_info))')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing $package, which Python needs to make .venv."
        install_debian_packages "$package" || install_debian_packages python3-venv ||
            fail "apt-get could not install $package: see above."
    else
        fail "Python's venv module is missing. Debian or Ubuntu: sudo apt-get install $package"
    fi
}

install_debian_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null 9<&- && apt-get install -qq -y --no-install-recommends "$@" </dev/null 9<&- >/dev/null
}

translations_are_stale() {
    local po
    for po in "$ROOT"/app/translations/*/LC_MESSAGES/*.po; do
        if [ -e "$po" ] && [ ! "${po%.po}.mo" -nt "$po" ]; then return 0; fi
    done
    return 1
}
