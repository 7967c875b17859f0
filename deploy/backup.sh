#!/bin/sh
# A copy of an office that can be put back: keys, papers and records of one instant, while the daemon runs.
#
#   deploy/backup.sh OFFICE TARGET             OFFICE: the collector's folder; TARGET: a new folder for the copy
#   deploy/backup.sh restore COPY OFFICE       into a folder that is not there yet (and an empty database)
#
# The copy holds private keys: keep it as the office is kept. Sites that got receipts after the copy was made show them
# when the copy runs; the collector then signs nothing for them and says so (archive_lost), instead of forking.
set -eu

fail() { echo "backup: $1" >&2; echo "  -> $2" >&2; exit 2; }
usage() { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }

sqlite_copy() {
    # SQLite's own backup: one consistent state, also while somebody writes.
    python3 - "$1" "$2" <<'PY'
import sqlite3, sys
source = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
target = sqlite3.connect(sys.argv[2])
with target:
    source.backup(target)
found = target.execute("PRAGMA integrity_check").fetchone()[0]
sys.exit(0 if found == "ok" else f"the copy is not sound: {found}")
PY
}

backup() {
    [ -f "$1/key" ] || fail "$1 is not a collector's folder" "give the folder that mrv-collector init made"
    [ ! -e "$2" ] || fail "$2 is there already" "give a new folder for every copy"
    umask 077
    mkdir -p "$2.part"
    if [ -f "$1/database" ]; then
        pg_dump --format=custom --serializable-deferrable --file="$2.part/records.dump" "$(cat "$1/database")"
    else
        sqlite_copy "$1/collector.sqlite" "$2.part/collector.sqlite"
    fi
    for name in key cosigner.vkey database documents ca tls; do
        if [ -e "$1/$name" ]; then cp -a "$1/$name" "$2.part/$name"; fi
    done
    (cd "$2.part" && find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS)
    mv "$2.part" "$2"
    echo "backup: $2"
}

restore() {
    [ -f "$1/SHA256SUMS" ] || fail "$1 is not a finished copy" "give a folder that this script made"
    (cd "$1" && sha256sum --check --quiet SHA256SUMS) || fail "the copy in $1 was damaged" "use an older one"
    [ ! -e "$2/key" ] || fail "there is an office in $2 already" "move it away first"
    umask 077
    mkdir -p "$2/spool"
    for name in cosigner.vkey database documents ca tls collector.sqlite; do
        if [ -e "$1/$name" ]; then cp -a "$1/$name" "$2/$name"; fi
    done
    if [ -f "$1/records.dump" ]; then
        pg_restore --no-owner --exit-on-error --single-transaction --dbname="$(cat "$2/database")" "$1/records.dump"
    fi
    cp -a "$1/key" "$2/key"
    echo "restored: $2"
}

case ${1:-} in
    restore) [ $# -eq 3 ] || usage; restore "$2" "$3" ;;
    ""|-*) usage ;;
    *) [ $# -eq 2 ] || usage; backup "$1" "$2" ;;
esac
