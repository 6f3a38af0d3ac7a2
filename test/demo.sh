#!/usr/bin/env bash
set -euo pipefail
cd "$(dirname "$0")/.."
. test/lib.sh
find_postgres
install_packages gcc libc6-dev make xz-utils libopenblas-serial-dev $PG_PACKAGES
