#!/usr/bin/env bash
# check.sh: all tests, on a throw-away server ("make check").
#
# Installs what is missing (Debian), builds in a temporary directory, runs the
# suites and ends with one line that counts:
#	build	the library and the unit tests with gcc and with clang; warnings
#		are errors unless WERROR=0
#	unit	C tests of the core, test/unit: with gcc, with clang, and with gcc
#		under AddressSanitizer and UndefinedBehaviorSanitizer
#	regress	pg_regress, test/sql
#	isolation	sessions side by side, test/specs (expected/ is shared with
#		regress: a spec must not have the name of a regress file)
#	tap	Perl, test/t: quality on real data, crashes, replicas, dumps, README;
#		a report in a browser, where chromium is installed (it is too heavy to be
#		installed from here; without it those tests are skipped)
#
# One is counted for each build by a compiler, run of a unit program, regress
# file, isolation spec, and TAP test (not subtest).  A regress file whose output
# has a line "SKIP: reason" counts as skipped.  A suite without a test fails.
#
# From the environment:
#	SUITES="unit regress"	a part only
#	TESTS="a b"		of regress, isolation and tap only these (names without suffix)
#	VALGRIND=1		unit tests also under valgrind
#	RECMF_DATA=directory	data sets that are not in the project; default ../shared/data
#	PG_CONFIG=path		the PostgreSQL to test with
# After a failure, build/check-logs has the differences and logs.
set -euo pipefail
cd "$(dirname "$0")/.."
. test/lib.sh

SUITES=${SUITES:-build unit regress isolation tap}
TESTS=${TESTS:-}
VALGRIND=${VALGRIND:-0}
export WERROR=${WERROR:-1}
DATA=${RECMF_DATA:-../shared/data}
LOGS=$PWD/build/check-logs
PASSED=0
FAILED=0
SKIPPED=0

# Goals and variables of the calling make are not for those called here.
unset MAKEFLAGS MAKELEVEL MFLAGS

pass() { PASSED=$((PASSED + 1)); say "ok      $1"; }
fail() { FAILED=$((FAILED + 1)); say "FAILED  $1"; }

# A reason that several tests in a row have is printed once.
skip()
{
	SKIPPED=$((SKIPPED + 1))
	[ "$1: $2" = "${last_skip-}" ] || say "skipped $1: $2"
	last_skip="$1: $2"
}

has_suite() { case " $SUITES " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# What of the names in $2... is asked for by TESTS.
selected()
{
	local name

	for name in "$@"; do
		if [ -z "$TESTS" ]; then
			echo "$name"
		else
			case " $TESTS " in *" $name "*) echo "$name" ;; esac
		fi
	done
}

names() { local f; for f in "$1"/*"$2"; do [ ! -e "$f" ] || basename "$f" "$2"; done; }

keep_log()
{
	mkdir -p "$LOGS"
	cp -r "$@" "$LOGS/" 2>/dev/null || true
}

heading() { printf '\n== %s\n' "$1"; }

# --- build ---------------------------------------------------------------

# build COMPILER-FAMILY COMPILER GOAL...: in directory $WORK/build-COMPILER-FAMILY.
build()
{
	local log=$WORK/build-$1.log directory=$WORK/build-$1 compiler=$2 status=0 goal

	shift 2
	copy_sources "$directory"
	for goal in "$@"; do
		[ $status != 0 ] || make -s -j2 --no-print-directory -C "$directory" "$goal" PG_CONFIG="$PG_CONFIG" \
			CC="$compiler" WERROR="$WERROR" >>"$log" 2>&1 || status=$?
	done
	cat "$log"
	[ $status = 0 ] || keep_log "$log"
	return $status
}

suite_build()
{
	local compiler

	heading "build (warnings are $([ "$WERROR" = 0 ] && echo shown || echo errors))"
	for compiler in gcc clang; do
		if [ $compiler = clang ]; then CC=$CLANG; else CC=gcc; fi
		if build $compiler "$CC" all unit-programs; then
			pass "build with $($CC --version | head -n 1)"
		else
			fail "build with $($CC --version | head -n 1)"
		fi
	done
}

# The directory that is installed and tested, built even if warnings forbade it above.
build_for_tests()
{
	if [ ! -d "$WORK/build-gcc" ] || [ ! -f "$WORK/build-gcc/recmf.so" ]; then
		WERROR=0 build gcc gcc all >"$WORK/build-for-tests.log" || {
			has_suite build || cat "$WORK/build-for-tests.log"
			return 1
		}
	fi
}

# --- unit ----------------------------------------------------------------

# unit_run LABEL DIRECTORY-OF-PROGRAMS MAKE-VARIABLES...
unit_run()
{
	local label=$1 directory=$2 name log status

	shift 2
	log=$WORK/unit-build.log
	make -s -k -j2 --no-print-directory -C "$WORK/build-unit" unit-programs WERROR=0 \
		UNIT_DIR="$directory" "$@" >"$log" 2>&1 || { cat "$log"; keep_log "$log"; }
	for name in $UNIT_NAMES; do
		status=0
		log=$WORK/$name-${label//[^a-z]/-}.log
		${UNIT_RUN-} "$WORK/build-unit/$directory/$name" >"$log" 2>&1 || status=$?
		cat "$log"
		if [ $status = 0 ]; then
			pass "unit $name, $label"
		else
			keep_log "$log"
			fail "unit $name, $label (exit status $status)"
		fi
	done
}

suite_unit()
{
	heading "unit tests of the core"
	UNIT_NAMES=$(cd test/unit && names . .c | grep '^test_' || true)
	if [ -z "$UNIT_NAMES" ]; then
		fail "test/unit has no test_*.c"
		return 0
	fi
	copy_sources "$WORK/build-unit"
	unit_run gcc build/gcc CC=gcc
	unit_run clang build/clang CC="$CLANG"
	unit_run "address and undefined behaviour sanitizers" build/sanitize CC=gcc SANITIZE=1
	if [ "$VALGRIND" != 0 ]; then
		UNIT_RUN="valgrind -q --error-exitcode=99 --leak-check=full" unit_run valgrind build/gcc CC=gcc
	fi
}

# --- pg_regress and isolation --------------------------------------------

# Reads what pg_regress printed: "test NAME ... ok" up to 15, TAP from 16 on.
regress_results()
{
	sed -nE -e 's/^(test| +)? *([A-Za-z0-9_-]+) +\.\.\. (ok|FAILED).*/\3 \2/p' \
		-e 's/^not ok [0-9]+ +[-+] ([A-Za-z0-9_-]+).*/FAILED \1/p' \
		-e 's/^ok [0-9]+ +[-+] ([A-Za-z0-9_-]+).*/ok \1/p' "$1"
}

# regress_run SUITE DIRECTORY SUFFIX MAKE-VARIABLE OTHER-MAKE-VARIABLE
regress_run()
{
	local suite=$1 tests log=$WORK/$1.log name result reason results=0

	tests=$(selected $(names "$2" "$3") | xargs)
	if [ -z "$tests" ]; then
		[ -n "$TESTS" ] || fail "$2 has no *$3"
		return 0
	fi
	as_server make -s --no-print-directory -C "$WORK/tests" installcheck PG_CONFIG="$PG_CONFIG" \
		"$4=$tests" "$5=" >"$log" 2>&1 || true
	while read -r result name; do
		results=$((results + 1))
		reason=$(grep -h -m 1 '^SKIP: ' "$WORK/tests/results/$name.out" 2>/dev/null | cut -c7- || true)
		if [ "$result" != ok ]; then
			fail "$suite $name"
		elif [ -n "$reason" ]; then
			skip "$suite $name" "$reason"
		else
			pass "$suite $name"
		fi
	done < <(regress_results "$log")
	if [ $results != "$(wc -w <<<"$tests")" ]; then
		cat "$log"
		fail "$suite: $results results for $(wc -w <<<"$tests") tests"
	fi
	if [ -s "$WORK/tests/regression.diffs" ]; then
		cp "$WORK/tests/regression.diffs" "$WORK/$suite.diffs"
		keep_log "$WORK/$suite.diffs" "$PGDATA/server.log" "$log"
		head -n 200 "$WORK/$suite.diffs"
		rm -f "$WORK/tests/regression.diffs"
	fi
}

suite_regress()
{
	heading "regress"
	regress_run regress test/sql .sql REGRESS ISOLATION
}

suite_isolation()
{
	heading "isolation"
	regress_run isolation test/specs .spec ISOLATION REGRESS
}

# --- TAP -----------------------------------------------------------------

suite_tap()
{
	local tests name log status line pgxs before

	heading "TAP"
	tests=$(selected $(names test/t .pl))
	if [ -z "$tests" ]; then
		[ -n "$TESTS" ] || fail "test/t has no *.pl"
		return 0
	fi
	pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	if [ ! -d "$pgxs/src/test/perl" ]; then
		fail "TAP: this PostgreSQL came without its Perl modules (src/test/perl)"
		return 0
	fi
	for name in $tests; do
		log=$WORK/$name.log
		status=0
		before=$((PASSED + FAILED + SKIPPED))
		(
			cd "$WORK/tests"
			rm -rf tmp_check
			as_server env -u PGHOST -u PGDATA -u PGUSER PATH="$PGBIN:$PATH" PG_REGRESS="$pgxs/src/test/regress/pg_regress" \
				PG_TEST_PORT_DIR="$WORK/ports" TESTDIR="$PWD" TESTDATADIR="$PWD/tmp_check" \
				TESTLOGDIR="$PWD/tmp_check/log" RECMF_DATA="$DATA" \
				prove --verbose --merge --nocolor -I "$pgxs/src/test/perl" -I test/perl "test/t/$name.pl"
		) >"$log" 2>&1 || status=$?
		while IFS= read -r line; do
			case $line in
				"not ok "*"# TODO"*) ;;
				"not ok "*) fail "tap $name: $(sed 's/^not ok [0-9]* - //' <<<"$line")" ;;
				"ok "*"# skip"* | "ok "*"# SKIP"*)
					skip "tap $name" "$(sed -E 's/.*# (skip|SKIP) ?//' <<<"$line")" ;;
				"ok "*) pass "tap $name: $(sed 's/^ok [0-9]* - //' <<<"$line")" ;;
				"test/t/$name.pl .. skipped: "*) skip "tap $name" "${line#*skipped: }" ;;
				"# measured: "*) say "        ${line#\# }" ;;
			esac
		done <"$log"
		if [ $status != 0 ]; then
			if ! grep -q '^not ok ' "$log"; then
				fail "tap $name: ended early"
			fi
			grep -vE '^(ok|not ok) ' "$log" | tail -n 40
			keep_log "$log" "$WORK/tests/tmp_check/log"
		elif [ $before = $((PASSED + FAILED + SKIPPED)) ]; then
			fail "tap $name: ran no test"
		fi
	done
}

# --- all -----------------------------------------------------------------

started=$(date +%s)
rm -rf "$LOGS"
find_postgres
packages="gcc libc6-dev make xz-utils libopenblas-serial-dev perl $PG_PACKAGES"
if has_suite tap; then
	packages="$packages libipc-run-perl"
fi
if has_suite build || has_suite unit; then
	packages="$packages clang"
fi
if [ "$VALGRIND" != 0 ]; then
	packages="$packages valgrind libc6-dbg"
fi
if is_debian && { has_suite regress || has_suite tap; } && is_available "postgresql-$PG_MAJOR-pgvector"; then
	packages="$packages postgresql-$PG_MAJOR-pgvector"
fi
install_packages $packages
CLANG=clang
make_work_directory check

say "recmf $(sed -n "s/^default_version *= *'\(.*\)'/\1/p" recmf.control), $("$PG_CONFIG" --version), $(nproc) processors"

if has_suite build; then suite_build; fi
if has_suite unit; then suite_unit; fi

if has_suite regress || has_suite isolation || has_suite tap; then
	if build_for_tests; then
		# the data must be readable for the server's user, too
		mkdir -p "$WORK/shared-data" "$WORK/ports"
		DATA=$(realpath -m "$DATA")
		if [ -d "$DATA" ] && ! as_server test -r "$DATA/README.md" -a -x "$DATA"; then
			cp -r "$DATA/." "$WORK/shared-data/"
			chmod -R a+rX "$WORK/shared-data"
			DATA=$WORK/shared-data
		fi
		make_private_server "$WORK/build-gcc"
		start_cluster
		# a copy for the tests to write into; fresh, since pg_regress compares what it finds
		mv "$WORK/build-gcc" "$WORK/tests"
		[ -z "$SERVER_USER" ] || chown -R "$SERVER_USER:" "$WORK/tests" "$WORK/ports"
		if has_suite regress; then suite_regress; fi
		if has_suite isolation; then suite_isolation; fi
		stop_cluster
		if has_suite tap; then suite_tap; fi
	else
		fail "the build; nothing could be tested on a server"
	fi
fi

if [ $((PASSED + FAILED)) = 0 ]; then
	fail "no test ran (SUITES=\"$SUITES\", TESTS=\"$TESTS\")"
fi
say ""
say "$(($(date +%s) - started)) seconds on PostgreSQL $PG_MAJOR"
if [ $FAILED != 0 ] && [ -d "$LOGS" ]; then
	say "Differences and logs are in build/check-logs."
fi
say "$PASSED passed, $FAILED failed, $SKIPPED skipped"
[ $FAILED = 0 ]
