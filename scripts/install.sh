#!/usr/bin/env bash
# Install what the site needs, without starting it.
#
#   scripts/install.sh                       make .venv, or bring it up to date
#   sudo scripts/install.sh --service NAME   also run the site at boot: systemd units for web, worker and beat
#       --user USER                          as this user, made when missing; default: who called sudo
#       --print                              only show the units
#   sudo scripts/install.sh --remove NAME    stop the service and remove its units; data and code stay
#
# Run it again after a change of PORT, INSTANCE_PATH, LOG_DIR or BACKUP_DIR: the units name them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
. "$(dirname "${BASH_SOURCE[0]}")/units.sh"

main() {
    local name="" user="" action=install
    while [ $# -gt 0 ]; do
        case $1 in
            --service | --remove | --user)
                [ -n "${2:-}" ] || fail "$1 needs a name: scripts/install.sh $1 constellation"
                case $1 in
                    --user) user=$2 ;;
                    --service) name=${2%.service} ;;
                    --remove) name=${2%.service} action=remove ;;
                esac
                shift
                ;;
            --print) action=print ;;
            -h | --help)
                sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
                return
                ;;
            *) fail "Unknown argument $1. Usage: scripts/install.sh [--service NAME [--user USER] [--print] | --remove NAME]" ;;
        esac
        shift
    done
    check_names "$name" "$user" "$action"
    case $action in
        print)
            user=$(chosen_user "$user") || exit
            show_units "$name" "$user"
            ;;
        remove) remove_service "$name" ;;
        *) install "$name" "$user" ;;
    esac
}

check_names() {
    if [ -z "$1" ] && [ -n "$2$([ "$3" = install ] || printf '%s' "$3")" ]; then
        fail "--user and --print belong to a service: give --service NAME as well."
    fi
    [[ -z $1 || $1 =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$ ]] ||
        fail "A service's name consists of letters, digits, dots, dashes and underscores, not: $1"
    [[ ! $1 =~ -(web|worker|beat)$ ]] || fail "A service's name must not end in -web, -worker or -beat: its parts do."
    [[ -z $2 || $2 =~ ^[a-z_][a-z0-9_-]{0,30}$ ]] ||
        fail "A user's name consists of small letters, digits, dashes and underscores, not: $2"
}

install() {
    local name=$1 user
    if [ -n "$name" ]; then
        check_service "$name"
        user=$(chosen_user "$2") || exit
        make_user "$user"
    fi
    as_owner ensure_environment requirements.txt
    as_owner compile_translations
    if [ -n "$name" ]; then
        install_service "$name" "$user"
    else
        say "Installed. Start the site: scripts/run"
    fi
}

# The service must not run as root because its installation needed root.
chosen_user() {
    local user
    if [ -n "$1" ]; then
        [ "$1" != root ] || say "Warning: the site will run as root. A user of its own is safer: --user constellation" >&2
        say "$1"
        return
    fi
    for user in "${SUDO_USER:-}" "$(stat -c %U "$ROOT")" "$(id -un)"; do
        case $user in "" | root | UNKNOWN) continue ;; esac
        say "$user"
        return
    done
    fail "The site should not run as root. Name a user, who is made when missing: --user constellation"
}

make_user() {
    if id -u "$1" >/dev/null 2>&1; then return; fi
    [ "$(id -u)" = 0 ] || fail "There is no user $1, and only root can make one."
    useradd --system --user-group --home-dir "$ROOT" --no-create-home --shell /usr/sbin/nologin "$1" ||
        fail "The user $1 could not be made: see above."
    say "Made the user $1."
}

# Before the installation, which takes its time.
check_service() {
    local unit file folder
    mkdir -p "$UNITS_DIR" 2>/dev/null || true
    [ -w "$UNITS_DIR" ] || fail "A service can only be installed by root: sudo scripts/install.sh --service $1"
    while read -r unit; do
        file=$UNITS_DIR/$unit.service
        if [ -e "$file" ] && ! grep -qxF "$MARK" "$file"; then
            fail "$file exists and belongs to something else: choose another name."
        fi
        for folder in /run /usr/lib /lib; do
            if [ -e "$folder/systemd/system/$unit.service" ]; then
                fail "The system has a service $unit of its own: choose another name."
            fi
        done
    done < <(unit_names "$1")
}

# The folders that the site writes to, and its port, by its settings; before .venv is there, the usual ones.
read_settings() {
    local found
    PORT_OF_SITE=8000
    FOLDERS=("$ROOT/instance" "$ROOT/logs")
    if found=$(cd "$ROOT" && "$PYTHON_IN_VENV" -m app.preflight 2>/dev/null); then
        PORT_OF_SITE=$(head -n 1 <<<"$found")
        mapfile -t FOLDERS < <(tail -n +2 <<<"$found")
    fi
    export PORT_OF_SITE
}

show_units() {
    local unit
    read_settings
    while read -r unit; do
        printf '# --- %s/%s.service\n' "$UNITS_DIR" "$unit"
        unit "$1" "$unit" "$2" "${FOLDERS[@]}"
    done < <(unit_names "$1")
}

install_service() {
    local name=$1 user=$2 unit file
    read_settings
    prepare_folders "$user" "${FOLDERS[@]}"
    check_access "$user"
    while read -r unit; do
        file=$UNITS_DIR/$unit.service
        unit "$name" "$unit" "$user" "${FOLDERS[@]}" >"$file"
        chmod 644 "$file"
    done < <(unit_names "$name")
    say "Wrote $UNITS_DIR/$name.service, with web, worker and beat beside it; they run as $user."
    if systemd_runs; then
        systemctl daemon-reload
        systemctl enable --quiet "$name"
        systemctl restart "$name" || fail "The service did not start: journalctl -u $name says why."
        say "It starts at boot, and has been started now. See: systemctl status '$name*', journalctl -u '$name*'"
    else
        say "systemd does not run here, so it was neither enabled nor started. Where it runs: systemctl enable --now $name"
    fi
    say "Settings go into $ROOT/envs, any file that ends in .env: HOST=0.0.0.0 lets chargers and phones in."
    say "The first start writes the password of the first staff user to instance/first-run-secrets.txt."
}

# Folders of ours are given to the user; others must be so already.
prepare_folders() {
    local user=$1 folder
    shift
    for folder in "$@"; do
        if ! as_user "$user" mkdir -p "$folder" 2>/dev/null && [ "$(id -u)" = 0 ]; then
            mkdir -p "$folder" && chown "$user:" "$folder"
        fi
        case $folder/ in "$ROOT"/*) [ "$(id -u)" != 0 ] || chown -Rh "$user:" "$folder" ;; esac
        as_user "$user" test -w "$folder" ||
            fail "$folder cannot be written to by $user: give it to them (chown), or choose another folder in envs."
    done
}

check_access() {
    local file
    as_user "$1" "$PYTHON_IN_VENV" -c 'import sys' 2>/dev/null ||
        fail "$1 cannot read $ROOT. A folder such as /opt/constellation or /srv/constellation suits a service."
    for file in "$ROOT"/envs/*.env; do
        [ ! -e "$file" ] || as_user "$1" test -r "$file" || fail "$1 cannot read $file: chgrp $1 and chmod 640 it."
    done
}

remove_service() {
    local name=$1 unit services
    services=$(installed_services | tr '\n' ' ')
    case " $services" in *" $name "*) ;; *) fail "No service $name belongs to $ROOT. Those that do: ${services:-none}" ;; esac
    [ -w "$UNITS_DIR" ] || fail "A service can only be removed by root: sudo scripts/install.sh --remove $name"
    if systemd_runs; then systemctl disable --quiet --now "$name"; fi
    while read -r unit; do rm -f "$UNITS_DIR/$unit.service"; done < <(unit_names "$name")
    if systemd_runs; then systemctl daemon-reload; fi
    say "Removed the service $name. The database, the settings and the program are still in $ROOT."
}

main "$@"
exit
