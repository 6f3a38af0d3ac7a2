#!/usr/bin/env bash
# demo.sh: from nothing to recommendations ("make demo").
#
# Installs what is missing (Debian), builds below build/demo, starts a private
# server in a temporary directory, and runs test/demo.sql on a shop's real
# orders (test/data).  A second run reuses packages and objects.  A report of the
# model stays in build/report.html.
#
# KEEP=1 leaves the server running and says how to connect and how to stop it.
set -euo pipefail
cd "$(dirname "$0")/.."
. test/lib.sh

KEEP=${KEEP:-0}
unset MAKEFLAGS MAKELEVEL MFLAGS

started=$(date +%s%N)
seconds() { awk -v ns=$(($(date +%s%N) - $1)) 'BEGIN { printf "%.1f s", ns / 1e9 }'; }

find_postgres
install_packages gcc libc6-dev make xz-utils libopenblas-serial-dev $PG_PACKAGES
make_work_directory demo

at=$(date +%s%N)
printf 'Building recmf for %s ... ' "$("$PG_CONFIG" --version)"
copy_sources build/demo
make -s -j"$(nproc)" --no-print-directory -C build/demo all PG_CONFIG="$PG_CONFIG" WERROR=0 \
	>"$WORK/build.log" 2>&1 || { say failed; cat "$WORK/build.log" >&2; exit 1; }
make_private_server build/demo
say "$(seconds "$at")"

at=$(date +%s%N)
printf 'Starting a private PostgreSQL in %s ... ' "$WORK"
start_cluster
"$PGBIN/createdb" demo
say "$(seconds "$at")"

"$PGBIN/psql" -X -q -d demo -v ON_ERROR_STOP=1 -f test/demo.sql

# in the project, since the server's directory goes away
report=$PWD/build/report.html
"$PGBIN/psql" -qAtX -d demo -v ON_ERROR_STOP=1 -c \
	"SELECT model_report('shop', item_names => 'SELECT item_id, title FROM items')" >"$report"
say "" "A report of the model 'shop', to be opened in a browser: $report"

say "" "From start to end: $(seconds "$started")."
if [ "$KEEP" != 0 ]; then
	KEEP_WORK=yes
	# two short commands instead of two long lines to copy
	printf '#!/bin/sh\nexec "%s" -h "%s" -U postgres "$@" demo\n' "$PGBIN/psql" "$PGHOST" >"$WORK/psql"
	cat >"$WORK/stop" <<-EOF
		#!/bin/sh
		pid_file=$PGDATA/postmaster.pid
		[ ! -f \$pid_file ] || kill -INT "\$(head -n 1 \$pid_file)" || exit
		while [ -f \$pid_file ]; do sleep 0.1; done
		rm -rf $WORK
	EOF
	chmod 755 "$WORK/psql" "$WORK/stop"
	say "The server is left running." "" \
		"    $WORK/psql    connects" \
		"    $WORK/stop    stops it and removes the directory"
else
	say "The server is stopped and removed. KEEP=1 make demo leaves it running."
fi
