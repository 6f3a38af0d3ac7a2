#!/usr/bin/env bash
# What the defaults cost against tuning, set by set: see README.md.
#
#	test/bench/defaults/run.sh [GROUP [OPTIONS...]]
#
# GROUP: implicit, strengths, explicit, features, logistic, or all (default).
# OPTIONS go to bench_defaults: --factors 16, --seed 2, --grid, ...  ONLY=name
# runs one set.  Data: RECMF_DATA (default ../shared/data); sets that are not
# there are left out, and the synthetic ones are always there.
set -euo pipefail
cd "$(dirname "$0")/../../.."

DATA=${RECMF_DATA:-../shared/data}
GROUP=${1:-all}
[ $# -gt 0 ] && shift
make -s bench-defaults-program
PROGRAM=$(ls -t build/unit-*/bench_defaults | head -1)
FILES=${FILES:-build/bench-defaults}
mkdir -p "$FILES"

# Text ids become numbers; stars come in the order of time.
numbers='function n(kind, id) { if (!((kind, id) in m)) m[kind, id] = c[kind]++; return m[kind, id] }'
unpack() { [ -s "$FILES/$1" ] || ! [ -r "$DATA/$2" ] || xz -dc "$DATA/$2" | awk -F, "$numbers NR > 1 { print $3 }" | eval "${4:-cat}" >"$FILES/$1"; }
in_order='sort -n -s | cut -d" " -f2-'
unpack ml-100k ml-100k/ratings.csv.xz '$4, $1, $2, $3' "$in_order"
unpack ml-1m ml-1m/ratings.csv.xz '$4, $1, $2, $3' "$in_order"
unpack gowalla gowalla/train.csv.xz '$1, $2, 1'
unpack retail online-retail/ratings.csv.xz 'n("user", $1), n("item", $2), $3'
unpack quantity online-retail/ratings.csv.xz 'n("user", $1), n("item", $2), $5'
unpack amazon amazon-3domains/ratings.csv.xz 'n("user", $1), n("item", $2), $3'
for domain in Beauty Sports Toys; do
	unpack "$domain" amazon-3domains/ratings.csv.xz '$5 == "'$domain'" ? n("user", $1) " " n("item", $2) " " $3 : ""'
done

# run NAME FILE OPTIONS...; FILE "-" for a synthetic set
run()
{
	local name=$1 file=$2
	shift 2
	[ -z "${ONLY:-}" ] || [ "$ONLY" = "$name" ] || return 0
	[ "$file" = - ] || [ -s "$FILES/$file" ] || return 0
	if [ "$file" = - ]; then
		"$PROGRAM" --name "$name" "$@" "${MORE[@]}"
	else
		"$PROGRAM" --name "$name" --file "$FILES/$file" "$@" "${MORE[@]}"
	fi
}
MORE=("$@")

synthetic()
{
	run dense-flat - --n-users 1000 --n-items 1000 --per-user 100 --skew 0.5 "$@"
	run dense-skewed - --n-users 1000 --n-items 1000 --per-user 100 --skew 2 "$@"
	run sparse-flat - --n-users 5000 --n-items 2000 --per-user 12 --skew 0.5 "$@"
	run sparse-skewed - --n-users 5000 --n-items 2000 --per-user 12 --skew 2 "$@"
}

one_class()
{
	run ml-100k ml-100k "$@"
	run ml-100k-liked ml-100k --at-least 4 "$@"
	run ml-100k-half ml-100k --ratings 0.5 "$@"
	run ml-100k-quarter ml-100k --ratings 0.25 "$@"
	run ml-100k-users ml-100k --users 0.3 "$@"
	run ml-1m ml-1m "$@"
	run ml-1m-liked ml-1m --at-least 4 "$@"
	run ml-1m-last ml-1m --last "$@"
	run ml-1m-quarter ml-1m --ratings 0.25 "$@"
	run ml-1m-users ml-1m --users 0.25 "$@"
	run ml-1m-items ml-1m --items 0.25 "$@"
	run gowalla gowalla "$@"
	run gowalla-users gowalla --users 0.3 "$@"
	run gowalla-half gowalla --users 0.5 --ratings 0.5 "$@"
	run retail retail "$@"
	run retail-half retail --ratings 0.5 "$@"
	run retail-items retail --items 0.3 "$@"
	run retail-eighth retail --ratings 0.12 "$@"
	run retail-users retail --users 0.2 "$@"
	run gowalla-small gowalla --users 0.1 --items 0.2 "$@"
	run Beauty Beauty "$@"
	run Beauty-thin Beauty --users 0.5 --ratings 0.5 "$@"
	run Sports Sports "$@"
	run Toys Toys "$@"
	run three-domains amazon "$@"
	synthetic "$@"
}

strengths()
{
	run ml-100k ml-100k "$@"
	run ml-1m-quarter ml-1m --ratings 0.25 "$@"
	run retail retail "$@"
	run retail-half retail --ratings 0.5 "$@"
	run quantity quantity "$@"
	run quantity-half quantity --ratings 0.5 "$@"
	synthetic "$@"
}

stars()
{
	run ml-100k ml-100k "$@"
	run ml-100k-half ml-100k --ratings 0.5 "$@"
	run ml-1m ml-1m "$@"
	run ml-1m-quarter ml-1m --ratings 0.25 "$@"
	run ml-1m-users ml-1m --users 0.25 "$@"
	run ml-1m-items ml-1m --items 0.25 "$@"
	synthetic "$@"
}

is_wanted() { [ "$GROUP" = all ] || [ "$GROUP" = "$1" ]; }
! is_wanted implicit || one_class --feedback implicit --power 0
! is_wanted strengths || strengths --feedback implicit --power 1
! is_wanted explicit || stars --feedback explicit
! is_wanted features || stars --feedback explicit --features
! is_wanted logistic || one_class --feedback logistic --power 0
