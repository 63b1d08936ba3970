# shellcheck shell=bash
# Sourced after environment.sh by install.sh and upgrade.sh: the systemd units of this installation.
#
# NAME.service prepares (packages, database, first user) and carries the other three along: web, worker, beat.
# systemctl start, stop, restart and status work on NAME alone.

PARTS=(web worker beat)
# Another folder of units: for a look at them, and for tests.
UNITS_DIR=${UNITS_DIR:-/etc/systemd/system}
# Marks the units that were written for this folder, so that no other is replaced or removed.
MARK="# Written by scripts/install.sh of $ROOT"

# Names of the services that belong to this folder.
installed_services() {
    local file name
    for file in "$UNITS_DIR"/*-web.service; do
        if [ -e "$file" ] && grep -qxF "$MARK" "$file"; then
            name=$(basename "$file")
            printf '%s\n' "${name%-web.service}"
        fi
    done
}

unit_names() {
    local part
    printf '%s\n' "$1"
    for part in "${PARTS[@]}"; do printf '%s\n' "$1-$part"; done
}

# The user that a service runs as, according to its unit.
service_user() { sed -n 's/^User=//p' "$UNITS_DIR/$1-web.service"; }

systemd_runs() {
    local state
    state=$(systemctl is-system-running 2>/dev/null || true)
    case $state in running | degraded | starting | initializing | maintenance) return 0 ;; *) return 1 ;; esac
}

# unit NAME UNIT USER WRITABLE…: the text of NAME or of NAME-<part>.
unit() {
    local name=$1 unit=$2 user=$3
    shift 3
    printf '%s\n[Unit]\n' "$MARK"
    if [ "$unit" = "$name" ]; then main_unit "$name" "$user"; else part_unit "$name" "${unit##*-}" "$user"; fi
    hardening "$@"
    if [ "$unit" = "$name" ]; then
        printf 'ReadWritePaths=%s\n\n[Install]\nWantedBy=multi-user.target\n' "$(quoted "$ROOT")"
    fi
}

main_unit() {
    local name=$1 user=$2
    cat <<UNIT
Description=Arthexis Constellation, charging-station management
Wants=network-online.target $name-web.service $name-worker.service $name-beat.service
After=network-online.target postgresql.service redis-server.service
# A database that is not there yet, at boot, is waited for.
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
User=$user
WorkingDirectory=${ROOT//%/%%}
ExecStart=$(program) prepare
Restart=on-failure
RestartSec=10
# New packages take minutes on a small machine.
TimeoutStartSec=30min
UNIT
}

part_unit() {
    local name=$1 part=$2 user=$3
    cat <<UNIT
Description=Arthexis Constellation, $part of $name
Requires=$name.service
PartOf=$name.service
After=$name.service
StartLimitIntervalSec=0

[Service]
Type=exec
User=$user
WorkingDirectory=${ROOT//%/%%}
ExecStart=$(program) $part
Restart=always
RestartSec=5
# The first process stops the others; what is left after that is killed.
KillMode=mixed
TimeoutStopSec=40
UNIT
    # Every charger is an open file.
    if [ "$part" = web ]; then printf 'LimitNOFILE=100000\n'; fi
}

# What the processes need: the network, and the folders that are named here. Not more.
hardening() {
    cat <<UNIT
UMask=0027
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
CapabilityBoundingSet=$(low_port_capability)
AmbientCapabilities=$(low_port_capability)
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UNIT
    local folder
    for folder in "$@"; do printf 'ReadWritePaths=%s\n' "$(quoted "-$folder")"; done
}

# Only root, or who has this, may listen on a port such as 80.
low_port_capability() { [ "${PORT_OF_SITE:-8000}" -ge 1024 ] || printf 'CAP_NET_BIND_SERVICE'; }

# systemd reads % and quotes and backslashes in paths as its own, and takes no program whose path has quotes in it.
quoted() {
    local text=${1//%/%%}
    text=${text//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

program() {
    local text
    text=$(quoted "$ROOT/scripts/run")
    printf '/bin/bash %s' "${text//\$/\$\$}"
}
