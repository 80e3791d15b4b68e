#!/usr/bin/env bash
# A Chromium for the browser tests, from the system's packages. Where it may not be installed, says in one line
# that they are left out, and goes on; with --required, fails.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the browser tests (once)" >&2
    if apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
        exit 0
    fi
fi
echo "The browser tests are left out: there is no Chromium here; install the package chromium to run them" >&2
[ "${1:-}" != "--required" ]
