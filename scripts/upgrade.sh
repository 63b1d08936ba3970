#!/usr/bin/env bash
# Fetch the newest version, keep local changes, reinstall what changed, migrate the database, restart the service.
#
#   scripts/upgrade.sh               with sudo when a service runs the site
#   scripts/upgrade.sh --no-backup   without the backup of the database that is made first
#
# When a step fails, the old version is put back as it was, and runs on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
. "$(dirname "${BASH_SOURCE[0]}")/units.sh"

# Seconds in which the new version of a service has to serve.
PATIENCE=${UPGRADE_PATIENCE:-90}
BACKUPS_KEPT=3

# A function: bash reads it whole before it starts, and the pull may replace this file.
main() {
    local backup_wanted=1
    case ${1:-} in
        "") ;;
        --no-backup) backup_wanted="" ;;
        -h | --help)
            sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
            return
            ;;
        *) fail "Unknown argument $1. Usage: scripts/upgrade.sh [--no-backup]" ;;
    esac
    cd "$ROOT"
    check_repository
    find_services
    BEFORE_IT=(none - "" silent) BACKUP="" MIGRATED="" STASH="" UNITS_BEFORE=""
    [ ! -x "$PYTHON_IN_VENV" ] || look_at_database
    mine git fetch --quiet || fail "The new version could not be fetched: see above. Nothing has changed here."
    [ -z "$backup_wanted" ] || back_up

    BEFORE=$(mine git rev-parse HEAD)
    trap 'roll_back "Interrupted."' INT TERM HUP
    trap 'roll_back "Something failed: see above."' EXIT
    fetch_code
    install_and_migrate
    restart_services
    trap - INT TERM HUP EXIT
    forget_old
    say_done
}

check_repository() {
    mine git rev-parse --is-inside-work-tree >/dev/null 2>&1 || fail "$ROOT is no git repository: there is nothing to pull."
    mine git rev-parse --abbrev-ref '@{upstream}' >/dev/null 2>&1 ||
        fail "This branch follows no other. Say which: git branch --set-upstream-to=origin/main"
    if [ -d "$(mine git rev-parse --git-path rebase-merge)" ] || [ -d "$(mine git rev-parse --git-path rebase-apply)" ]; then
        fail "A rebase is under way: finish it (git rebase --continue) or give it up (git rebase --abort) first."
    fi
    exec 8<"$ROOT/.git"
    flock --nonblock 8 || fail "Another upgrade is under way."
}

# The services of this folder, and whom the site runs as.
find_services() {
    SERVICES=()
    RUNS_AS=""
    systemd_runs || return 0
    mapfile -t SERVICES < <(installed_services)
    [ ${#SERVICES[@]} -gt 0 ] || return 0
    [ -w "$UNITS_DIR" ] || fail "The service ${SERVICES[0]} has to be restarted: sudo scripts/upgrade.sh"
    RUNS_AS=$(service_user "${SERVICES[0]}")
}

# Runs as the folder's owner: git and pip; and as the user of the site: what touches its database.
mine() { as_user "$(code_owner)" "$@"; }
site() { as_user "${RUNS_AS:-$(code_owner)}" "$PYTHON_IN_VENV" -m "$@"; }

# What is known before anything changes: the state of the database, its revision, the folder of backups, the site.
look_at_database() {
    local found
    found=$(site app.upgrading look) || fail "The database does not answer: see above. Nothing has changed here."
    mapfile -t BEFORE_IT <<<"$found"
}

back_up() {
    local folder=${BEFORE_IT[2]}
    [ "${BEFORE_IT[0]}" != none ] || return 0
    as_user "${RUNS_AS:-$(code_owner)}" mkdir -p -m 700 "$folder" ||
        fail "There is no folder for the backup, $folder: set BACKUP_DIR. Nothing has changed here."
    BACKUP=$folder/before-upgrade-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
    site flask --app wsgi backup "$BACKUP" ||
        fail "The database could not be backed up: see above. Nothing has changed here." \
            "Where it is backed up otherwise: scripts/upgrade.sh --no-backup"
}

fetch_code() {
    if [ -n "$(mine git status --porcelain --untracked-files=no)" ]; then
        mine git stash push --quiet --message "scripts/upgrade.sh, local changes to ${BEFORE:0:12}"
        STASH=$(mine git rev-parse refs/stash)
        say "Local changes are put aside."
    fi
    mine env GIT_EDITOR=true git pull --rebase || pull_failed
    if [ -n "$STASH" ] && ! restore_changes; then
        mine git reset --quiet --hard
        roll_back "The new version contradicts the local changes:" \
            "git stash puts them aside, scripts/upgrade.sh goes on, git stash pop merges them by hand."
    fi
    say "Version: ${BEFORE:0:12} → $(mine git rev-parse --short=12 HEAD)"
}

restore_changes() {
    mine git stash pop --quiet --index 2>/dev/null || mine git stash pop --quiet
}

pull_failed() {
    mine git rebase --abort 2>/dev/null || true
    roll_back "The pull failed: see above. Local commits may contradict the new version:" \
        "git pull --rebase shows where, git status says how to go on; then run scripts/upgrade.sh again."
}

install_and_migrate() {
    local found
    keep_packages
    scripts/install.sh >&2 || roll_back "The new version could not be installed: see above."
    found=$(site app.upgrading look) || roll_back "The new version does not start: see above."
    if [ "$(head -n 1 <<<"$found")" = current ]; then
        as_user "${RUNS_AS:-$(code_owner)}" "$PYTHON_IN_VENV" -c 'import wsgi' ||
            roll_back "The new version does not start: see above."
        return
    fi
    stop_services
    MIGRATED=1
    site app.upgrading migrate || roll_back "The database could not be migrated: see above."
}

# Hard links: they cost no room, and pip writes new files instead of changing old ones.
keep_packages() {
    rm -rf "$VENV.before"
    if [ ! -d "$VENV" ] || [ -L "$VENV" ]; then return 0; fi
    if ! mine cp -al "$VENV" "$VENV.before"; then
        rm -rf "$VENV.before"
        return 1
    fi
}

stop_services() {
    local name
    for name in "${SERVICES[@]}"; do systemctl stop "$name"; done
}

# The units may have changed, too.
restart_services() {
    local name
    [ ${#SERVICES[@]} -gt 0 ] || return 0
    UNITS_BEFORE=$(mktemp -d)
    for name in "${SERVICES[@]}"; do
        cp -p "$UNITS_DIR/$name.service" "$UNITS_DIR/$name"-*.service "$UNITS_BEFORE"
        scripts/install.sh --service "$name" --user "$(service_user "$name")" >&2 ||
            roll_back "The service $name of the new version did not start: journalctl -u '$name*' says why."
    done
    [ "${BEFORE_IT[3]}" = silent ] || site app.upgrading serves "$PATIENCE" ||
        roll_back "The new version does not serve: journalctl -u '${SERVICES[0]}*' says why."
}

# Everything as it was: the database first, by the new code that knows the way back; then code, packages, units.
roll_back() {
    local name trouble=""
    trap '' INT TERM HUP
    trap - EXIT
    printf '%s\n' "$*" >&2
    if [ -n "$MIGRATED" ]; then stop_services && put_database_back || trouble=1; fi
    mine git rebase --abort 2>/dev/null || true
    mine git reset --quiet --hard "$BEFORE"
    if [ -n "$STASH" ]; then put_changes_back || trouble=1; fi
    if [ -d "$VENV.before" ]; then
        rm -rf "$VENV"
        mv "$VENV.before" "$VENV"
    fi
    if [ -x "$PYTHON_IN_VENV" ]; then as_owner compile_translations || true; fi
    if [ -n "$UNITS_BEFORE" ]; then cp -p "$UNITS_BEFORE"/* "$UNITS_DIR" && systemctl daemon-reload; fi
    if [ -n "${MIGRATED}$UNITS_BEFORE" ]; then
        for name in "${SERVICES[@]}"; do systemctl restart "$name" || trouble=1; done
    fi
    [ -z "$trouble" ] || fail "Not everything could be put back: see above. Backup: ${BACKUP:-none was made}"
    fail "The old version is back as it was, ${BEFORE:0:12}; the site runs on with it."
}

put_database_back() {
    local found
    if found=$(site app.upgrading look) && [ "$(sed -n 2p <<<"$found")" = "${BEFORE_IT[1]}" ]; then return 0; fi
    if [ "${BEFORE_IT[1]}" != - ] && site flask --app wsgi db downgrade "${BEFORE_IT[1]}"; then return 0; fi
    [ -n "$BACKUP" ] && site flask --app wsgi restore --yes "$BACKUP"
}

# They are in the stash still, or in the commit that the stash was.
put_changes_back() {
    if [ "$(mine git rev-parse --quiet --verify refs/stash)" = "$STASH" ]; then
        restore_changes
    else
        mine git stash apply --quiet --index "$STASH" 2>/dev/null || mine git stash apply --quiet "$STASH"
    fi || { say "The local changes could not be put back. Get them: git stash apply $STASH" >&2 && return 1; }
}

forget_old() {
    local file
    rm -rf "$VENV.before" "$UNITS_BEFORE"
    [ -n "$BACKUP" ] || return 0
    say "The database as it was: $BACKUP"
    while read -r file; do rm -f "$file"; done < <(
        find "$(dirname "$BACKUP")" -maxdepth 1 -name 'before-upgrade-*.tar.gz' | sort | head -n "-$BACKUPS_KEPT"
    )
}

say_done() {
    if [ ${#SERVICES[@]} -gt 0 ]; then
        say "Upgraded, and restarted: ${SERVICES[*]}"
    elif [ "${BEFORE_IT[3]}" = serves ]; then
        say "Upgraded. The site that runs is still the old one: Ctrl-C, and scripts/run."
    else
        say "Upgraded. Start the site: scripts/run"
    fi
}

main "$@"
exit
