#!/usr/bin/env bash
# How long it takes to read ratings into both matrices, to write a model, and to
# train one from rows to tables, beside COPY of the same rows in the same run on
# a private server.
#
#	test/bench/read/run.sh [SCALE [TRIES [FACTORS...]]]	(default: 1 3 64)
#
# The rows are those of bench_train: the shape of MovieLens-20M, 20 million
# times SCALE of them, shuffled and by user; integer ids, and text ids made of
# them.  Prints seconds of each try: COPY to /dev/null in binary form,
# read_seconds without workers and with up to as many as there are processors
# besides one, the ratio of the latter to COPY, and write_seconds at 64 factors.
# Then the whole of train_model with 15 iterations at each number of factors,
# with one process and with all: its parts, and the ratio of their sum to COPY.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

SCALE=${1:-1}
TRIES=${2:-3}
[ $# -gt 2 ] && FACTORS="${*:3}" || FACTORS=64

make_bench_server bench-train-program
psql <<-'EOF'
	CREATE TABLE shuffled (user_id integer, item_id integer, rating real);
	CREATE TABLE by_user (LIKE shuffled);
EOF
rows() { build/bench/build/unit-*/bench_train --scale "$SCALE" --rows "$1"; }
rows 2 | psql -c 'COPY shuffled FROM STDIN'
rows 1 | psql -c 'COPY by_user FROM STDIN'
psql <<-'EOF'
	CREATE TABLE text_ids AS SELECT 'user-' || user_id AS user_id, 'item-' || item_id AS item_id, rating FROM shuffled;
	VACUUM (FREEZE, ANALYZE);
EOF

say "$("$PG_CONFIG" --version), $(psql -Atc 'SELECT count(*) FROM shuffled') rows, $(nproc) processors" "" \
	"table           COPY    serial  parallel     ratio     write"
for table in shuffled by_user text_ids; do
	for _ in $(seq "$TRIES"); do
		psql -At -F ' ' -v table="$table" -v workers=$(($(nproc) - 1)) <<-'EOF' |
			SET client_min_messages = error;
			SET max_parallel_workers_per_gather = 0;
			SELECT clock_timestamp() AS start \gset
			COPY (SELECT user_id, item_id, rating FROM :table) TO '/dev/null' (FORMAT binary);
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS copy \gset
			SET recmf.max_parallel_workers = 0;
			SELECT read_seconds AS serial FROM train_model('m', :'table', factors => 64, iterations => 1) \gset
			SET recmf.max_parallel_workers = :workers;
			SELECT read_seconds AS parallel, write_seconds AS write
			FROM train_model('m', :'table', factors => 64, iterations => 1) \gset
			SELECT :'table', :copy, :serial, :parallel, :parallel / :copy, :write;
			SELECT FROM drop_model('m');
		EOF
			awk 'NF > 1 { printf "%-10s %9.2f %9.2f %9.2f %9.2f %9.2f\n", $1, $2, $3, $4, $5, $6 }'
	done
done

say "" "factors processes    COPY      read     train     write     ratio"
for factors in $FACTORS; do
	for workers in 0 $(($(nproc) - 1)); do
		psql -At -F ' ' -v workers="$workers" -v factors="$factors" <<-'EOF' |
			SET client_min_messages = error;
			SET max_parallel_workers_per_gather = 0;
			SELECT clock_timestamp() AS start \gset
			COPY (SELECT user_id, item_id, rating FROM shuffled) TO '/dev/null' (FORMAT binary);
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS copy \gset
			SET recmf.max_parallel_workers = :workers;
			SELECT :factors, 1 + :workers, :copy, read_seconds, train_seconds, write_seconds,
				(read_seconds + train_seconds + write_seconds) / :copy
			FROM train_model('m', 'shuffled', factors => :factors, iterations => 15);
			SELECT FROM drop_model('m');
		EOF
			awk 'NF > 1 { printf "%7d %9d %7.2f %9.2f %9.2f %9.2f %9.2f\n", $1, $2, $3, $4, $5, $6, $7 }'
	done
done
