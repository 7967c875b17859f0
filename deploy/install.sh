#!/bin/sh
# Installs, upgrades or removes the daemons on Debian 12. Run as root from a checkout:
#
#   deploy/install.sh agent                     a gateway
#   deploy/install.sh collector                 an office
#   deploy/install.sh agent --wheels DIR        without a network: from a folder of wheels (make wheels)
#   deploy/install.sh uninstall agent           programs, unit and rules go; configuration, keys and log stay
#
# Doing it again changes nothing; doing it from a newer checkout upgrades and keeps the version before for a way back.
# Where no systemd runs (a container, a chroot) files are put in place and nothing is started.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
base=/opt/mrv
rules=/etc/udev/rules.d/99-mrv-rs485.rules
journal=/etc/systemd/journald.conf.d/mrv.conf

say() { echo "install: $*"; }
fail() { echo "install: $1" >&2; echo "  -> $2" >&2; exit "${3:-2}"; }
systemd_runs() { [ -d /run/systemd/system ]; }
control() { if systemd_runs; then systemctl "$@"; fi; }

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }

[ $# -ge 1 ] || usage
action=install
if [ "$1" = uninstall ]; then action=uninstall; shift; fi
role=${1:-}; [ $# -ge 1 ] && shift
case $role in agent|collector) ;; *) usage ;; esac
wheels=
while [ $# -gt 0 ]; do
    case $1 in
        --wheels) [ $# -ge 2 ] || usage; wheels=$2; shift 2 ;;
        *) usage ;;
    esac
done
[ "$(id -u)" -eq 0 ] || fail "this needs root" "run it with sudo"

unit=mrv-$role.service
if [ "$role" = agent ]; then commands="mrv-agent mrv-meter mrv-verify"; else commands="mrv-collector mrv-verify"; fi
config=/etc/mrv-$role
state=/var/lib/mrv-$role

uninstall() {
    control disable --now "$unit" 2>/dev/null || true
    rm -f "/etc/systemd/system/$unit"
    if [ "$role" = agent ]; then other=collector; rm -f "$rules"; else other=agent; fi
    if [ ! -e "/etc/systemd/system/mrv-$other.service" ]; then
        for name in mrv-agent mrv-meter mrv-collector mrv-verify; do rm -f "/usr/local/bin/$name"; done
        rm -rf "$base" "$journal"
    else
        for name in $commands; do [ "$name" = mrv-verify ] || rm -f "/usr/local/bin/$name"; done
    fi
    control daemon-reload
    say "removed; kept: $config (configuration), $state (keys and evidence), user mrv"
}

python_fit() {
    python3 -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or later with venv is needed" "apt-get install python3-venv"
}

people() {
    getent group mrv >/dev/null || groupadd --system mrv
    getent passwd mrv >/dev/null ||
        useradd --system --gid mrv --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin mrv
    getent group dialout >/dev/null || groupadd --system dialout
    usermod --append --groups dialout mrv
}

folders() {
    install -d -m 0755 "$base" /etc/systemd/system
    install -d -m 2770 -o root -g mrv "$config"
    install -d -m 0700 -o mrv -g mrv "$state"
    if [ "$role" = agent ]; then install -d -m 2770 -o root -g mrv "$config/spool"; fi
}

# The environment is made aside and named by what went into it: half an installation is never the current one.
programs() {
    extra=
    [ "$role" = collector ] && extra=[collector]
    [ -e /etc/systemd/system/mrv-collector.service ] && extra=[collector]
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/pyproject.toml")
    mark=$(cat "$here/pyproject.toml" "$here/requirements/dev.txt" \
        $(find "$here/mrv" "$here/link" "$here/drivers" "$here/agent" "$here/collector" "$here/verify" \
            -type f ! -name '*.pyc' | LC_ALL=C sort) | sha256sum | cut -c1-12)
    made=$base/$version-$mark${extra:+-office}
    if [ ! -e "$made/complete" ]; then
        say "installing $version ($mark)"
        rm -rf "$made"
        python3 -m venv "$made"
        set -- --quiet --disable-pip-version-check --constraint "$here/requirements/dev.txt"
        if [ -n "$wheels" ]; then set -- "$@" --no-index --find-links "$wheels"; fi
        if [ -n "$wheels" ]; then
            "$made/bin/python" -m pip install "$@" "mrv-agent$extra==$version"
        else
            "$made/bin/python" -m pip install "$@" "$here$extra"
        fi
        touch "$made/complete"
    fi
    if [ "$(readlink "$base/current" 2>/dev/null)" != "$made" ]; then
        before=$(readlink "$base/current" 2>/dev/null || true)
        if [ -n "$before" ]; then ln -sfn "$before" "$base/previous"; fi
        ln -sfn "$made" "$base/current.new" && mv -T "$base/current.new" "$base/current"
        changed=yes
    fi
    for old in "$base"/[0-9]*; do
        case $old in "$(readlink "$base/current")"|"$(readlink "$base/previous" 2>/dev/null)") ;; *) rm -rf "$old" ;; esac
    done
    for name in $commands; do ln -sfn "$base/current/bin/$name" "/usr/local/bin/$name"; done
}

# place MODE SOURCE TARGET: only if it differs
place() {
    if ! cmp -s "$2" "$3"; then
        install -D -m "$1" "$2" "$3"
        changed=yes
    fi
}

changed=
if [ "$action" = uninstall ]; then uninstall; exit 0; fi
python_fit
people
folders
programs
place 0644 "$here/deploy/$unit" "/etc/systemd/system/$unit"
place 0644 "$here/deploy/journald-mrv.conf" "$journal"
if [ "$role" = agent ]; then
    place 0644 "$here/deploy/99-mrv-rs485.rules" "$rules"
    if systemd_runs && command -v udevadm >/dev/null; then udevadm control --reload; fi
fi
if [ -z "$changed" ]; then say "nothing to change"; exit 0; fi
control daemon-reload
if systemd_runs && systemctl is-active --quiet "$unit"; then
    systemctl restart "$unit"
    say "upgraded and started again"
elif [ "$role" = agent ] && [ ! -e "$config/site.yaml" ]; then
    say "next: runuser -u mrv -- mrv-agent init --dir $config --state $state --site SITE --org ORG (docs/en/technician.md)"
else
    say "next: systemctl enable --now $unit"
fi
