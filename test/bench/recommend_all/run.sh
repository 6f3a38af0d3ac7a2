#!/usr/bin/env bash
# How long recommend_all() takes beside the bare matrix product of the same size
# (serial OpenBLAS, in as many processes), in one run on a private server.
#
#	test/bench/recommend_all/run.sh [SCALE [TRIES [FACTORS]]]	(default: 1 3 64)
#
# The rows are those of bench_train: the shape of MovieLens-20M, 20 million times
# SCALE of them, shuffled, with an index on (user, item).  Prints for one process
# and for two, of each try: seconds of the bare product, of recommend_all() of ten
# items for every user with and without what they have, and the ratios of these
# to the product; with what they have also where there is no index.  Last, the
# core alone beside the product and beside the product with selection in cache.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh
unset MAKEFLAGS MAKELEVEL MFLAGS OPENBLAS_CORETYPE

SCALE=${1:-1}
TRIES=${2:-3}
FACTORS=${3:-64}

find_postgres
install_packages gcc libc6-dev make libopenblas-serial-dev $PG_PACKAGES
make_work_directory bench
copy_sources build/bench
make -s -C build/bench all PG_CONFIG="$PG_CONFIG" >"$WORK/build.log" 2>&1 || { cat "$WORK/build.log" >&2; exit 1; }
make -s -C build/bench bench-train-program bench-recommend-all-program >"$WORK/build.log" 2>&1 || { cat "$WORK/build.log" >&2; exit 1; }
make_private_server build/bench
start_cluster
"$PGBIN/createdb" bench
psql() { "$PGBIN/psql" -X -q -d bench -v ON_ERROR_STOP=1 "$@"; }
psql <<-'EOF'
	CREATE EXTENSION recmf;
	CREATE TABLE ratings (user_id integer, item_id integer, rating real);
EOF
build/bench/build/unit-*/bench_train --scale "$SCALE" --rows 2 | psql -c 'COPY ratings FROM STDIN'
psql -v factors="$FACTORS" -o /dev/null <<-'EOF'
	CREATE INDEX ON ratings (user_id, item_id);
	VACUUM (FREEZE, ANALYZE);
	SET client_min_messages = error;
	SELECT FROM train_model('m', 'ratings', factors => :factors, iterations => 5);
EOF
read -r users items < <(psql -At -F ' ' -c "SELECT n_users, n_items FROM recmf_models WHERE active")
say "$("$PG_CONFIG" --version), $users users, $items items, $FACTORS factors, $(psql -Atc 'SELECT count(*) FROM ratings') ratings, $(nproc) processors" "" \
	"processes   product   without      with  no index       ratios"
for processes in 1 2; do
	for _ in $(seq "$TRIES"); do
		bare=$(bare_product "$processes" "$users" "$items" "$FACTORS")
		psql -At -F ' ' -v workers=$((processes - 1)) -v bare="$bare" -v processes="$processes" <<-'EOF' |
			SET jit = off;
			SET max_parallel_workers_per_gather = 0;
			SET recmf.max_parallel_workers = :workers;
			SELECT clock_timestamp() AS start \gset
			SELECT count(*) FROM recommend_all('m', exclude_seen => false) \gset
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS without \gset
			SELECT clock_timestamp() AS start \gset
			SELECT count(*) FROM recommend_all('m') \gset
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS with \gset
			SET enable_indexscan = off;
			SET enable_indexonlyscan = off;
			SELECT clock_timestamp() AS start \gset
			SELECT count(*) FROM recommend_all('m') \gset
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS sorted \gset
			SELECT :processes, :bare, :without, :with, :sorted, :without / :bare, :with / :bare, :sorted / :bare;
		EOF
			awk 'NF == 8 { printf "%9d %9.2f %9.2f %9.2f %9.2f   %.2f %.2f %.2f\n", $1, $2, $3, $4, $5, $6, $7, $8 }'
	done
done

say "" "one process, the core alone"
build/bench/build/unit-*/bench_recommend_all --users "$users" --items "$items" --factors "$FACTORS" --tries 1
