#!/usr/bin/env bash
# Fetch the newest version, keep local changes, reinstall what changed, migrate the database.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# A function: bash reads it whole before it starts, and the pull may replace this file.
main() {
    cd "$ROOT"
    git rev-parse --is-inside-work-tree >/dev/null 2>&1 || fail "$ROOT is no git repository: there is nothing to pull."
    git rev-parse --abbrev-ref '@{upstream}' >/dev/null 2>&1 ||
        fail "This branch follows no other. Say which: git branch --set-upstream-to=origin/main"
    if [ -d "$(git rev-parse --git-path rebase-merge)" ] || [ -d "$(git rev-parse --git-path rebase-apply)" ]; then
        fail "A rebase is under way: finish it (git rebase --continue) or give it up (git rebase --abort) first."
    fi

    local before stashed=""
    before=$(git rev-parse HEAD)
    if [ -n "$(git status --porcelain --untracked-files=no)" ]; then
        git stash push --quiet --message "scripts/upgrade.sh, local changes to ${before:0:12}"
        stashed=$(git rev-parse refs/stash)
        say "Local changes are put aside."
    fi
    GIT_EDITOR=true git pull --rebase || pull_failed "$before" "$stashed"
    [ -z "$stashed" ] || restore || pop_failed
    say "Version: ${before:0:12} → $(git rev-parse --short=12 HEAD)"

    scripts/install.sh
    "$PYTHON_IN_VENV" -m flask --app wsgi db upgrade ||
        fail "The database could not be migrated: see above. The code is new, the database is as it was;" \
            "mend the cause and run scripts/upgrade.sh again."
    say "Upgraded. A running site has to be restarted: systemctl restart NAME, or Ctrl-C and scripts/run."
}

restore() {
    git stash pop --quiet --index 2>/dev/null || git stash pop --quiet
}

# Back to where it was: no rebase half done, the local changes in place.
pull_failed() {
    git rebase --abort 2>/dev/null || true
    if [ -n "$2" ] && ! restore; then
        fail "The pull failed, and the local changes are still put aside. Get them back: git stash pop"
    fi
    fail "The pull failed: see above. Nothing has changed here. When there is a network, local commits may contradict" \
        "the new version: git pull --rebase shows where, git status says how to go on; then run scripts/upgrade.sh again."
}

# A stash that does not apply is kept by git; the files of the new version are whole.
pop_failed() {
    git reset --quiet --hard
    fail "The new version is here, but the local changes contradict it. They are safe in the stash:" \
        "git stash show -p shows them, git stash pop merges them by hand, git stash drop gives them up." \
        "Then run scripts/upgrade.sh again: nothing has been reinstalled or migrated yet."
}

main "$@"
exit
