#!/bin/sh
# Make .venv with the pinned packages, or say what is missing: called by `make`, which passes its PYTHON.
set -u

usable() { # a Python of at least 3.11 that can make environments
    "$1" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

fail() {
    echo "error: $1" >&2
    exit 1
}

if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    found=
    for each in "$1" python3.13 python3.12 python3.11 python3; do
        if usable "$each"; then
            found=$each
            break
        fi
    done
    test -n "$found" || fail "Python 3.11 or newer with venv is needed (on Debian and Ubuntu: apt install python3-venv); \
name another one with make PYTHON=..."
    test ! -e .venv || echo "Replacing .venv, which has no pip, or a Python older than 3.11"
    rm -rf .venv
    "$found" -m venv .venv || fail "$found could not make .venv, for the reason above"
fi

echo "Installing the pinned packages (constraints.txt) into .venv; this takes some minutes"
log=.venv/install.log
if ! .venv/bin/python -m pip install -q -c constraints.txt -e '.[dev]' >"$log" 2>&1; then
    # If even this cannot be had, it is not about what is asked for.
    if .venv/bin/python -m pip download -q --no-deps -d .venv/probe wheel >/dev/null 2>&1; then
        grep -v '^WARNING' "$log" | tail -n 20 >&2
        fail "pip could not install the packages, for the reason above ($log has all of it)"
    fi
    fail "no package index can be reached: check the network and its proxy, or name a mirror by PIP_INDEX_URL or \
PIP_FIND_LINKS ($log has pip's words)"
fi
rm -rf .venv/probe
