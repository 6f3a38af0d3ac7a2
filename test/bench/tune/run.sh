#!/usr/bin/env bash
# tune_model() against random search with the same time, on a private server.
#
#	test/bench/tune/run.sh [SECONDS [SEEDS [FACTORS [SETS]]]]	(default: 15 5 64 "shop films")
#
# Sets: shop, the orders that come with the project, and, if RECMF_DATA (default
# ../shared/data) has them, films (MovieLens 1M), places (Gowalla) and articles
# (Amazon, three domains), all as pairs of user and item without ratings; stars
# is MovieLens 1M with its ratings, explicit, by RMSE: there less is better.
# A fifth of the pairs, chosen by hash, is the test set; the rest is tuned and
# trained on, with a quarter of it, as many as in the test set, to validate with.
# For each seed, which chooses what is held out to validate with,
# the draws and the start values: the NDCG@20 on the test set of all items, those
# trained on left out, of the default settings, of search => 'random' and of
# search => 'halving', then the validation that the latter two ended with, which is
# what they search for, and how many trainings each made.  Last, the means and the
# seeds in which halving was better.
set -euo pipefail
cd "$(dirname "$0")/../../.."
. test/lib.sh

LIMIT=${1:-15}
SEEDS=${2:-5}
FACTORS=${3:-64}
SETS=${4:-shop films}
DATA=$(realpath "${RECMF_DATA:-../shared/data}" 2>/dev/null || true)

make_bench_server
psql <<-'END'
	CREATE TABLE orders (invoice_no text, item_id text, quantity integer, invoice_date timestamp,
		unit_price numeric, user_id integer, country text);
	CREATE FUNCTION split(of text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format($q$
			CREATE TABLE %1$I_test AS SELECT * FROM %1$I
			WHERE ('x' || left(md5(user_id || ':' || item_id), 8))::bit(32)::bigint %% 5 = 0;
			CREATE TABLE %1$I_train AS TABLE %1$I EXCEPT TABLE %1$I_test;
			CREATE INDEX ON %1$I_train (user_id, item_id)$q$, of);
	END $$;
	CREATE FUNCTION quality(of text) RETURNS numeric LANGUAGE plpgsql AS $$
	DECLARE
		result numeric;
	BEGIN
		IF of = 'stars' THEN
			SELECT value INTO result FROM evaluate_model('tuned', 'stars_test', resamples => 0)
			WHERE metric = 'rmse' AND system = 'model';
			RETURN round(result, 4);
		END IF;
		EXECUTE format($q$
			WITH listed AS MATERIALIZED (SELECT * FROM recommend_all_text('tuned', 20)), of_user AS (
				SELECT t.user_id, count(*) AS held_out, coalesce(sum(ln(2) / ln(l.rank + 1)), 0) AS gain
				FROM %1$I_test t LEFT JOIN listed l ON l.user_id = t.user_id::text AND l.item_id = t.item_id::text
				WHERE EXISTS (SELECT FROM %1$I_train r WHERE r.user_id = t.user_id)
				GROUP BY 1)
			SELECT avg(gain / (SELECT sum(ln(2) / ln(i + 1)) FROM generate_series(1, least(held_out, 20)) i)) FROM of_user$q$, of)
		INTO result;
		RETURN round(result, 4);
	END $$;
	CREATE TABLE result (data text, seed integer, defaults numeric, random numeric, halving numeric,
		random_validation numeric, halving_validation numeric, random_trials integer, halving_trials integer);
	CREATE FUNCTION best() RETURNS numeric LANGUAGE sql AS $$ SELECT round(value::numeric, 4) FROM recmf_trials WHERE state = 'best' $$;
END
xz -dc test/data/orders.csv.xz | psql -c 'COPY orders FROM STDIN (FORMAT csv, HEADER)'
for set in $SETS; do
	case $set in
		shop)
			psql -c "CREATE TABLE shop AS SELECT DISTINCT user_id, item_id FROM orders WHERE quantity > 0 AND user_id IS NOT NULL" ;;
		films | stars)
			psql -c 'CREATE TABLE given (user_id integer, item_id integer, rating integer, at bigint)'
			xz -dc "$DATA/ml-1m/ratings.csv.xz" | psql -c 'COPY given FROM STDIN (FORMAT csv, HEADER)'
			rating=
			[ $set = films ] || rating=', rating'
			psql -c "CREATE TABLE $set AS SELECT user_id, item_id$rating FROM given" -c 'DROP TABLE given' ;;
		places)
			psql -c 'CREATE TABLE places (user_id integer, item_id integer)'
			for part in train test; do
				xz -dc "$DATA/gowalla/$part.csv.xz" | psql -c 'COPY places FROM STDIN (FORMAT csv, HEADER)'
			done ;;
		articles)
			psql -c 'CREATE TABLE given (user_id text, item_id text, rating real, position integer, category text)'
			xz -dc "$DATA/amazon-3domains/ratings.csv.xz" | psql -c 'COPY given FROM STDIN (FORMAT csv, HEADER)'
			psql -c 'CREATE TABLE articles AS SELECT DISTINCT user_id, item_id FROM given' -c 'DROP TABLE given' ;;
		*)
			echo "no such set: $set" >&2
			exit 2 ;;
	esac
	psql -o /dev/null -c "SELECT split('$set')"
done
psql -c 'VACUUM ANALYZE'

for set in $SETS; do
	rating_col=NULL feedback=implicit
	if [ "$set" = stars ]; then rating_col="'rating'" feedback=explicit; fi
	for seed in $(seq 1 "$SEEDS"); do
		psql -o /dev/null -v set="$set" -v seed="$seed" -v factors="$FACTORS" -v limit="$LIMIT seconds" -v rating_col="$rating_col" -v feedback="$feedback" <<-'END'
			SET client_min_messages = error;
			INSERT INTO result (data, seed) VALUES (:'set', :seed);
			SELECT FROM train_model('tuned', :'set' || '_train', rating_col => :rating_col, feedback => :'feedback', factors => :factors, seed => :seed, index => false);
			UPDATE result SET defaults = quality(data) WHERE data = :'set' AND seed = :seed;
			CALL tune_model('tuned', :'set' || '_train', rating_col => :rating_col, feedback => :'feedback', factors => :factors, seed => :seed, index => false,
				time_limit => :'limit', validation_fraction => 0.25, search => 'random');
			UPDATE result SET random = quality(data), random_validation = best(), random_trials = (SELECT count(*) FROM recmf_trials) WHERE data = :'set' AND seed = :seed;
			DELETE FROM recmf_trials;
			CALL tune_model('tuned', :'set' || '_train', rating_col => :rating_col, feedback => :'feedback', factors => :factors, seed => :seed, index => false,
				time_limit => :'limit', validation_fraction => 0.25, search => 'halving');
			UPDATE result SET halving = quality(data), halving_validation = best(), halving_trials = (SELECT count(*) FROM recmf_trials) WHERE data = :'set' AND seed = :seed;
			DELETE FROM recmf_trials;
			SELECT drop_model('tuned');
		END
		psql -At -F '  ' -c "SELECT * FROM result WHERE data = '$set' AND seed = $seed"
	done
done
psql -c "SELECT data, round(avg(defaults), 4) AS defaults, round(avg(random), 4) AS random, round(avg(halving), 4) AS halving,
	round(avg(random_validation), 4) AS random_validation, round(avg(halving_validation), 4) AS halving_validation,
	count(*) FILTER (WHERE (halving_validation > random_validation) = (data <> 'stars') AND halving_validation <> random_validation) || ' of ' || count(*) AS better_validation,
	count(*) FILTER (WHERE (halving > random) = (data <> 'stars') AND halving <> random) || ' of ' || count(*) AS better, round(avg(random_trials)) AS random_trials,
	round(avg(halving_trials)) AS halving_trials
FROM result GROUP BY 1 ORDER BY 1"
