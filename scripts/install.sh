#!/usr/bin/env bash
# Install what the site needs, without starting it.
#
#   scripts/install.sh                    make .venv, or bring it up to date
#   scripts/install.sh --service NAME     also start scripts/run at boot, as a systemd service of that name
#   scripts/install.sh --service NAME --print    only show the unit
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# Marks the units that this script wrote, so that it replaces no other.
MARK="# Written by scripts/install.sh of"

main() {
    local name="" print_only=""
    while [ $# -gt 0 ]; do
        case $1 in
            --service)
                [ $# -gt 1 ] || fail "--service needs a name: scripts/install.sh --service constellation"
                name=${2%.service}
                shift
                ;;
            --print) print_only=1 ;;
            -h | --help)
                sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
                return
                ;;
            *) fail "Unknown argument $1. Usage: scripts/install.sh [--service NAME [--print]]" ;;
        esac
        shift
    done
    [[ -z $name || $name =~ ^[A-Za-z0-9][A-Za-z0-9_.-]*$ ]] ||
        fail "A service's name consists of letters, digits, dots, dashes and underscores, not: $name"
    if [ -n "$print_only" ]; then
        [ -n "$name" ] || fail "--print shows the unit of a service: give --service NAME as well."
        unit
        return
    fi
    [ -z "$name" ] || check_service "$name"
    as_owner ensure_environment requirements.txt
    as_owner compile_translations
    if [ -n "$name" ]; then
        install_service "$name"
    else
        say "Installed. Start the site: scripts/run"
    fi
}

# Whoever called, also through sudo: the service must not run as root because its installation needed root.
owner() { printf '%s' "${SUDO_USER:-$(id -un)}"; }

as_owner() {
    local home
    if [ "$(owner)" = "$(id -un)" ]; then
        "$@"
    else
        home=$(getent passwd "$(owner)" | cut -d: -f6)
        # shellcheck disable=SC2016  # the other shell expands it
        runuser -u "$(owner)" -- env HOME="$home" \
            bash -euo pipefail -c '. "$1"; shift; "$@"' bash "$ROOT/scripts/environment.sh" "$@" || exit
    fi
}

unit() {
    # systemd reads % and $ and quotes in paths as its own.
    local folder=${ROOT//%/%%} program
    program=${folder//\\/\\\\}
    program=${program//\"/\\\"}
    program=${program//\$/\$\$}
    cat <<UNIT
$MARK $ROOT
[Unit]
Description=Arthexis Constellation, charging-station management
Wants=network-online.target
After=network-online.target postgresql.service redis-server.service

[Service]
User=$(owner)
WorkingDirectory=$folder
ExecStart="$program/scripts/run"
Restart=on-failure
RestartSec=5
# scripts/run stops its own processes, in at most 25 seconds.
KillMode=mixed
TimeoutStopSec=40
# Every charger is an open file.
LimitNOFILE=100000
NoNewPrivileges=true
PrivateTmp=true
UMask=0027

[Install]
WantedBy=multi-user.target
UNIT
}

# Before the installation, which takes its time.
check_service() {
    local file=/etc/systemd/system/$1.service other
    [ "$(id -u)" = 0 ] || fail "A service can only be installed by root: sudo scripts/install.sh --service $1"
    if [ -e "$file" ] && ! grep -qxF "$MARK $ROOT" "$file"; then
        fail "$file exists and belongs to something else: choose another name."
    fi
    for other in /etc /run /usr/lib /lib; do
        if [ "$other" != /etc ] && [ -e "$other/systemd/system/$1.service" ]; then
            fail "The system has a service $1 of its own: choose another name."
        fi
    done
}

install_service() {
    local file=/etc/systemd/system/$1.service
    mkdir -p /etc/systemd/system
    unit >"$file"
    chmod 644 "$file"
    say "Wrote $file; the service runs as $(owner)."
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl enable --quiet "$1"
        systemctl restart "$1"
        say "It starts at boot, and has been started now. See: systemctl status $1, journalctl -u $1"
    else
        say "systemd does not run here, so it was neither enabled nor started. Where it runs: systemctl enable --now $1"
    fi
    say "Settings go into $ROOT/envs, any file that ends in .env: HOST=0.0.0.0 lets chargers and phones in."
    say "The first start writes the password of the first staff user to instance/first-run-secrets.txt."
}

main "$@"
