#!/usr/bin/env bash
# Serving with an index of mips: latency of recommend() and of plain SQL on one
# connection, beside a look-up by primary key, the sequential scan, and pgvector's
# HNSW where that is installed; throughput; building, replacing and updating.
#
#	test/bench/serve/run.sh [SECONDS [ITEMS ...]]	(default: 5 27000 200000 1000000)
#
# The factors, 64 of each, are made up by bench_mips: like those of a trained model
# (LIKE: gowalla, ml-1m, online-retail), or harder (spread, tail); README.md tells
# how they compare with real ones.  There are USERS (2000) users with what they have.
# Prints the median and the 99th percentile in ms and the ratio of the medians
# to the first line's.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

SECONDS_EACH=${1:-5}
USERS=${USERS:-2000}
LIKE=${LIKE:-gowalla}
HNSW_ITEMS=${HNSW_ITEMS:-200000}	# pgvector up to so many: its index takes minutes
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 27000 200000 1000000

make_bench_server bench-mips-program
PGBENCH=$("$PG_CONFIG" --bindir)/pgbench
# everything is warm: what is compared is not the disk
as_server "$PGBIN/pg_ctl" -D "$PGDATA" -w -l "$PGDATA/restart.log" -o "-c shared_buffers=3GB -c maintenance_work_mem=1GB" restart >/dev/null
has_pgvector=$(psql -At -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'")

# time_script NAME SCRIPT: a line of the table; the first one is what the others are compared with
first=
time_script()
{
	local name=$1 median

	printf '%s\n' "$2" >"$WORK/script.sql"
	rm -f "$WORK"/latency.*
	(cd "$WORK" && "$PGBENCH" -n -M prepared -T "$SECONDS_EACH" -l --log-prefix=latency -f script.sql bench) >/dev/null
	# the first calls of a connection are another line's matter
	cat "$WORK"/latency.* | awk '$2 > 3 || NR < 10' | sort -n -k3 >"$WORK/sorted"
	median=$(awk '{ t[NR] = $3 } END { print t[int((NR + 1) / 2)] }' "$WORK/sorted")
	: "${first:=$median}"
	awk -v name="$name" -v first="$first" '{ t[NR] = $3 } END {
		m = t[int((NR + 1) / 2)]
		printf "  %-52s %9.3f %9.3f %8.2f\n", name, m / 1000, t[int(0.99 * NR) + (NR > 1 ? 0 : 1)] / 1000, m / first
	}' "$WORK/sorted"
}

# throughput NAME CLIENTS SCRIPT
throughput()
{
	printf '%s\n' "$3" >"$WORK/script.sql"
	printf '  %-52s %9.0f a second\n' "$1" "$("$PGBENCH" -n -M prepared -T "$SECONDS_EACH" -c "$2" -j "$2" -f "$WORK/script.sql" bench |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p')"
}

# seconds_of STATEMENT
seconds_of()
{
	local started

	started=$(date +%s.%N)
	psql -c "$1" >/dev/null
	echo "$started $(date +%s.%N)" | awk '{ printf "%.2f", $2 - $1 }'
}

# The first call of a new connection, which loads the library and plans: the median of 21.
first_call()
{
	local i

	for i in $(seq 21); do
		printf '%s\n' '\timing on' "SELECT FROM recommend($i, 10);" | psql | sed -n 's/^Time: \([0-9.]*\).*/\1/p'
	done | sort -n | awk '{ t[NR] = $1 } END { printf "%.1f", t[int((NR + 1) / 2)] }'
}

size_of() { psql -At -c "SELECT pg_size_pretty(pg_relation_size('$1'))"; }

say "$("$PG_CONFIG" --version), 64 factors like those of $LIKE, ten items, what the user has left out" ""
for items in "$@"; do
	psql <<-'SQL'
		SET client_min_messages = warning;
		DROP SCHEMA IF EXISTS shop CASCADE;
		DELETE FROM recmf_model_names;
		CREATE SCHEMA shop;
		ALTER DATABASE bench SET search_path = shop, public;
		CREATE TABLE shop.items (item_id integer, factor factor(64) NOT NULL, bias real, n_ratings integer NOT NULL DEFAULT 1);
		CREATE TABLE shop.users (user_id integer, factor factor(64) NOT NULL, bias real, n_ratings integer NOT NULL DEFAULT 1);
		CREATE TABLE shop.orders (user_id integer, item_id integer);
	SQL
	for table in items:item_id,factor users:user_id,factor orders:user_id,item_id; do
		build/bench/build/unit-*/bench_mips --print "${table%%:*}" --like "$LIKE" --largest "$items" --users-wanted "$USERS" |
			psql -c "COPY shop.${table%%:*} (${table#*:}) FROM STDIN"
	done
	psql <<-'SQL'
		SET client_min_messages = warning;
		ALTER TABLE items ADD PRIMARY KEY (item_id);
		ALTER TABLE users ADD PRIMARY KEY (user_id);
		CREATE INDEX ON orders (user_id, item_id);
		CREATE TABLE products AS SELECT item_id, 'product ' || item_id AS name, (item_id * 7919::bigint % 1000)::integer AS stock FROM items;
		ALTER TABLE products ADD PRIMARY KEY (item_id);
		INSERT INTO recmf_model_names (model) VALUES ('bench');
		INSERT INTO recmf_models (model, version, active, feedback, settings, n_users, n_items, n_ratings, n_skipped,
			rating_mean, rating_min, rating_max, loss, seconds, items, users, source, source_table,
			source_search_path, user_col, item_col)
		SELECT 'bench', 1, true, 'implicit', '{"feedback": "implicit", "factors": 64, "iterations": 1, "regularization": 0.1,
			"regularization_scaling": 1, "alpha": 1, "seed": 42}', (SELECT count(*) FROM users), (SELECT count(*) FROM items),
			(SELECT count(*) FROM orders), 0, 0, 1, 1, '{1}', '{}', 'items', 'users', 'orders', 'orders', 'shop', 'user_id', 'item_id';
		VACUUM FREEZE ANALYZE;
	SQL
	user='\set user random(1, '$USERS')'
	by_key="$user
SELECT n_ratings FROM users WHERE user_id = :user;"
	recommend="$user
SELECT * FROM recommend(:user, 10);"
	first=
	say "$items items                                                  median ms    99% ms    ratio"
	time_script "SELECT by primary key" "$by_key"
	time_script "recommend(user, 10), sequential scan" "$recommend"
	built=$(seconds_of "CREATE INDEX items_mips ON items USING mips (factor)")
	time_script "recommend(user, 10), mips" "$recommend"
	time_script "similar_items(item, 10), mips" '\set item random(1, '"$items"')
SELECT * FROM similar_items(:item, 10);'
	for stock in 500 900 990 999; do
		joined="$user
SELECT p.* FROM products p JOIN items f USING (item_id) WHERE p.stock >= $stock ORDER BY f.factor <#> (SELECT user_factor('bench', :user)) LIMIT 10;"
		time_script "products JOIN items, $(awk "BEGIN { print (1000 - $stock) / 10 }")% of them, mips or as planned" "$joined"
		PGOPTIONS='-c enable_indexscan=off' time_script "    without an index scan" "$joined"
	done
	say "  recommend(user, 10), the first call in a new connection: $(first_call) ms"
	say "  recommend(user, 10) for all users in one statement: $(psql -At -c '\timing on' -c "SELECT count(*) FROM generate_series(1, 200) u, LATERAL recommend(u, 10)" \
		-c "SELECT count(*) FROM generate_series(1, $USERS) u, LATERAL recommend(u, 10)" |
		awk -v n="$USERS" '/^Time/ { t = $2 } END { printf "%.3f", t / n }') ms each"
	throughput "recommend(user, 10), mips, one connection" 1 "$recommend"
	throughput "recommend(user, 10), mips, two connections" 2 "$recommend"
	say "  heap $(size_of items), mips $(size_of items_mips), built in $built s (a scan of the heap: $(seconds_of 'SELECT FROM items WHERE n_ratings < 0') s)"
	say "  every factor replaced (a new table and its index): $(seconds_of "CREATE TABLE replaced AS SELECT * FROM items; CREATE INDEX ON replaced USING mips (factor)") s"

	if [ "$has_pgvector" = 1 ] && [ "$items" -le "$HNSW_ITEMS" ]; then
		psql <<-'SQL'
			SET client_min_messages = warning;
			CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
			CREATE TABLE vectors AS SELECT item_id, factor::real[]::vector(64) AS factor FROM items;
			CREATE TABLE asks AS SELECT user_id, factor::real[]::vector(64) AS factor FROM users;
			ALTER TABLE asks ADD PRIMARY KEY (user_id);
			CREATE TABLE best AS SELECT u.user_id, r.item_id FROM generate_series(1, 100) u (user_id), LATERAL recommend(u.user_id, 10) r;
		SQL
		built=$(seconds_of "SET max_parallel_maintenance_workers = 1; CREATE INDEX vectors_hnsw ON vectors USING hnsw (factor vector_ip_ops)")
		psql -c "ALTER TABLE vectors ADD PRIMARY KEY (item_id)" -c "VACUUM ANALYZE"
		for ef in 40 100 200 400; do
			query="SELECT v.item_id FROM vectors v WHERE v.item_id NOT IN (SELECT o.item_id FROM orders o WHERE o.user_id = USER)
				ORDER BY v.factor <#> (SELECT factor FROM asks WHERE user_id = USER) LIMIT 10"
			recall=$(psql -At -c "SET enable_seqscan = off; SET hnsw.ef_search = $ef;
				SELECT round(avg((b.item_id IS NOT NULL)::integer), 4) FROM (SELECT u, r.item_id FROM generate_series(1, 100) u,
				LATERAL (${query//USER/u}) r) f LEFT JOIN best b ON b.user_id = u AND b.item_id = f.item_id" | tail -1)
			PGOPTIONS="-c enable_seqscan=off -c hnsw.ef_search=$ef" time_script "pgvector HNSW, ef_search $ef, recall $recall" "$user
${query//USER/:user};"
		done
		say "  HNSW $(size_of vectors_hnsw), heap $(size_of vectors), built in $built s"
	fi

	throughput "UPDATE of one item's factor" 1 '\set item random(1, '"$items"')
\set user random(1, '$USERS')
UPDATE items SET factor = (SELECT factor FROM users WHERE user_id = :user) WHERE item_id = :item;'
	say ""
done
