#!/bin/sh
# Debian and Ubuntu keep Python's venv module in a package of its own; install it where that is allowed.
set -eu
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq && apt-get install -y -qq python3-venv
else
    echo "Python's venv module is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2
    exit 1
fi
