#!/usr/bin/env bash
# How long evaluate_model() takes beside the bare matrix product of the same size
# (serial OpenBLAS, in as many processes), in one run on a private server.
#
#	test/bench/evaluate/run.sh [TRIES [FACTORS]]	(default: 3 64)
#
# The data are Gowalla's check-ins (RECMF_DATA, default ../shared/data): 29,858
# users, 40,981 items.  Prints for one process and for two, of each try: seconds
# of the bare product; of evaluate_model() at k = 5, 10, 20 without intervals, and
# with a thousand resamples; and the ratios of these to the product.  Everything
# that evaluate_model() does is in its time: reading, all metrics, the baselines.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

TRIES=${1:-3}
FACTORS=${2:-64}
DATA=${RECMF_DATA:-../shared/data}/gowalla
[ -r "$DATA/train.csv.xz" ] || die "There is no $DATA/train.csv.xz: set RECMF_DATA."

make_bench_server bench-recommend-all-program
psql -c 'CREATE TABLE train (user_id integer, item_id integer)' -c 'CREATE TABLE test (LIKE train)'
xz -dc "$DATA/train.csv.xz" | psql -c 'COPY train FROM STDIN (FORMAT csv, HEADER)'
xz -dc "$DATA/test.csv.xz" | psql -c 'COPY test FROM STDIN (FORMAT csv, HEADER)'
psql -v factors="$FACTORS" -o /dev/null <<-'EOF'
	CREATE INDEX ON train (user_id, item_id);
	VACUUM (FREEZE, ANALYZE);
	SET client_min_messages = error;
	SELECT FROM train_model('m', 'train', rating_col => NULL, factors => :factors);
	EOF
read -r users items < <(psql -At -F ' ' -c "SELECT n_users, n_items FROM recmf_models WHERE active")
say "$("$PG_CONFIG" --version), $users users, $items items, $FACTORS factors, $(nproc) processors; product by OpenBLAS for $(blas_core)" "" \
	"processes   product  no intervals  intervals   ratios"
for processes in 1 2; do
	for _ in $(seq "$TRIES"); do
		bare=$(bare_product "$processes" "$users" "$items" "$FACTORS")
		psql -At -F ' ' -v workers=$((processes - 1)) -v bare="$bare" -v processes="$processes" <<-'EOF' |
			SET recmf.max_parallel_workers = :workers;
			SELECT clock_timestamp() AS start \gset
			SELECT count(*) FROM evaluate_model('m', 'test', resamples => 0) \gset
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS without \gset
			SELECT clock_timestamp() AS start \gset
			SELECT count(*) FROM evaluate_model('m', 'test') \gset
			SELECT extract(epoch FROM clock_timestamp() - :'start') AS with \gset
			SELECT :processes, :bare, :without, :with, :without / :bare, :with / :bare;
		EOF
			awk 'NF == 6 { printf "%9d %9.2f %13.2f %10.2f   %.2f %.2f\n", $1, $2, $3, $4, $5, $6 }'
	done
done
