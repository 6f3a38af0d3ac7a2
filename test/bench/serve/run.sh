#!/usr/bin/env bash
# Latency of recommend() on one connection, beside the statement that it stands
# for and beside a look-up by primary key, in one run on a private server.
#
#	test/bench/serve/run.sh [SECONDS [ITEMS ...]]	(default: 5 3700 27000)
#
# The orders are made up: users with 20 purchases each, items with a popularity
# that falls as 1/rank.  Prints the median and 99th percentile in ms and the
# ratio of the medians to the first line's.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

SECONDS_EACH=${1:-5}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- 3700 27000

make_bench_server

# time_script NAME SCRIPT: a line of the table; the first one is what the others are compared with
first=
time_script()
{
	local name=$1 median

	printf '%s\n' "$2" >"$WORK/script.sql"
	rm -f "$WORK"/latency.*
	(cd "$WORK" && "$("$PG_CONFIG" --bindir)/pgbench" -n -M prepared -T "$SECONDS_EACH" -l --log-prefix=latency -f script.sql bench) >/dev/null
	sort -n -k3 "$WORK"/latency.* >"$WORK/sorted"
	median=$(awk '{ t[NR] = $3 } END { print t[int((NR + 1) / 2)] }' "$WORK/sorted")
	: "${first:=$median}"
	awk -v name="$name" -v first="$first" '{ t[NR] = $3 } END {
		m = t[int((NR + 1) / 2)]
		printf "  %-46s %9.3f %9.3f %8.2f\n", name, m / 1000, t[int(0.99 * NR) + (NR > 1 ? 0 : 1)] / 1000, m / first
	}' "$WORK/sorted"
}

say "$("$PG_CONFIG" --version), 64 factors, ten items, what the user has left out" ""
for items in "$@"; do
	psql -v items="$items" <<-'EOF'
		SET client_min_messages = warning;
		DROP TABLE IF EXISTS orders CASCADE;
		CREATE TABLE orders (user_id integer, item_id integer);
		DO 'BEGIN PERFORM setseed(0.5); END';
		INSERT INTO orders
		SELECT u, 1 + (exp(ln(:items) * random())::integer + u % 7 * 131) % :items FROM generate_series(1, :items / 3) u, generate_series(1, 20) i;
		INSERT INTO orders SELECT 1 + i % (:items / 3), i FROM generate_series(1, :items) i;
		CREATE INDEX ON orders (user_id, item_id);
		ANALYZE orders;
		DO $$BEGIN PERFORM train_model('bench', 'orders', rating_col => NULL, iterations => 2); END$$;
		CREATE OR REPLACE VIEW version AS SELECT items, users FROM recmf_models WHERE model = 'bench' AND active;
	EOF
	items_table=$(psql -At -c 'SELECT items FROM version')
	users_table=$(psql -At -c 'SELECT users FROM version')
	user='\set user random(1, '$((items / 3))')'
	first=
	say "$items items                                            median ms    99% ms    ratio"
	time_script "SELECT by primary key" "$user
SELECT n_ratings FROM $users_table WHERE user_id = :user;"
	time_script "the statement written by hand" "$user
SELECT f.item_id, -(f.factor <#> (SELECT factor FROM $users_table WHERE user_id = :user)) FROM $items_table f WHERE f.item_id NOT IN (SELECT o.item_id FROM orders o WHERE o.user_id = :user) ORDER BY f.factor <#> (SELECT factor FROM $users_table WHERE user_id = :user) LIMIT 10;"
	time_script "recommend(user, 10)" "$user
SELECT * FROM recommend(:user, 10);"
	time_script "similar_items(item, 10)" "$user
SELECT * FROM similar_items(:user, 10);"
	time_script "predict(user, item)" "$user
SELECT predict(:user, 1);"
	say ""
	psql -c "SET client_min_messages = warning; DROP VIEW version; SELECT FROM drop_model('bench')" >/dev/null
done
