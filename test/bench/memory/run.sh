#!/usr/bin/env bash
# The memory of a training run on many ratings, on a private server.
#
#	test/bench/memory/run.sh [RATINGS [MEMORY ...]]	(default: 100000000 2GB)
#
# Trains two iterations at 64 factors with recmf.training_memory at each of the
# given values; prints the seconds of its parts and the most memory that all
# processes of the server had together (proportional set size, so that shared
# memory counts once; shared_buffers, 128 MB, included).  The ratings are made
# up: a user for each 140 of them and an item for each 750 (the proportions of
# MovieLens-20M), popularity and row lengths falling as a power of the rank; in
# random order.
#
# Needs Linux, 45 bytes of disk a rating for the table and 28 for the temporary
# files.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

RATINGS=${1:-100000000}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 2GB

make_bench_server

say "$("$PG_CONFIG" --version), $RATINGS ratings, 64 factors, two iterations"
psql -v n="$RATINGS" <<-'EOF'
	CREATE UNLOGGED TABLE ratings (user_id integer, item_id integer, rating real) WITH (autovacuum_enabled = off);
	INSERT INTO ratings
	SELECT 1 + floor(:n / 140 * power(u, 1.6)), 1 + floor(:n / 750 * power(i, 3)), 1 + g % 5
	FROM (SELECT g, (hashint8extended(g, 1) >> 11 & 9007199254740991) / 9007199254740992.0::float8 AS u,
			(hashint8extended(g, 2) >> 11 & 9007199254740991) / 9007199254740992.0::float8 AS i
		FROM (SELECT generate_series(1, :n) AS g) s) r;
	ANALYZE ratings;
EOF
say "table: $(psql -At -c "SELECT pg_size_pretty(pg_relation_size('ratings'))")"

# The kB of all processes of the server together, now.
server_memory()
{
	local postmaster pid

	postmaster=$(head -n 1 "$PGDATA/postmaster.pid")
	for pid in $postmaster $(pgrep -P "$postmaster"); do
		cat "/proc/$pid/smaps_rollup" 2>/dev/null || true
	done | awk '/^Pss:/ { kb += $2 } END { print kb + 0 }'
}

# Writes the most so far, five times a second, until it is killed.
watch_memory()
{
	local most=0 now

	while sleep 0.2; do
		now=$(server_memory)
		[ "$now" -le "$most" ] || { most=$now; echo "$most" >"$WORK/most"; }
	done
}

for memory in "$@"; do
	before=$(server_memory)
	echo "$before" >"$WORK/most"
	watch_memory &
	watcher=$!
	psql -At 2>&1 <<-EOF | sed -n -e 's/.*INFO:  //p' -e '/^seconds/p' -e '/ERROR/,$p'
		SET client_min_messages = info;
		SET recmf.training_memory = '$memory';
		SELECT format('seconds: read %s, train %s, write %s; %s ratings of %s users and %s items',
			round(read_seconds::numeric, 1), round(train_seconds::numeric, 1), round(write_seconds::numeric, 1),
			ratings, users, items)
		FROM train_model('bench', 'ratings', rating_col => 'rating', factors => 64, iterations => 2, verbose => true);
		SET client_min_messages = warning;
		SELECT drop_model('bench');
	EOF
	kill "$watcher"
	wait "$watcher" 2>/dev/null || true
	say "recmf.training_memory $memory: at most $(($(cat "$WORK/most") / 1024)) MB, $((before / 1024)) MB before" ""
done
