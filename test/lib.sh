# lib.sh: what test/check.sh, test/demo.sh and the benchmarks share.  To be sourced by bash from
# the top of the project.
#
# The PostgreSQL of the machine stays as it is.  Its programs are copied into a
# temporary directory, with links to its libraries and its share directory, and
# recmf is installed there: PostgreSQL finds both relative to its programs.
# A cluster in the same directory listens on a socket in there and nowhere else.
# Everything goes away at exit, however that comes about.
#
# PostgreSQL does not run as root: started by root, the server belongs to the
# user postgres, else to the caller.
#
# Phases: find_postgres, install_packages, make_work_directory, copy_sources,
# make_private_server, start_cluster.  They set:
#	PG_CONFIG PG_MAJOR		the PostgreSQL to build for
#	WORK				the temporary directory
#	PGBIN				where initdb, pg_ctl and psql are
#	PGHOST PGDATA PGUSER		of the cluster, exported

LANG=C.UTF-8
unset LC_ALL PGHOST PGPORT PGUSER PGDATABASE PGDATA PGOPTIONS PGSERVICE PGAPPNAME PGCLIENTENCODING \
	PGPASSFILE PGSSLMODE EXTRA_REGRESS_OPTS CDPATH
export LANG

WORK=
SERVER_USER=
KEEP_WORK=

say() { printf '%s\n' "$@"; }
die() { printf '%s\n' "$@" >&2; exit 1; }

is_root() { [ "$(id -u)" = 0 ]; }

as_root()
{
	if is_root; then "$@"; else sudo "$@"; fi
}

# Runs a command as the user that the server belongs to, in a directory that it may enter.
as_server()
(
	case $PWD/ in "$WORK"/*) ;; *) cd "$WORK" ;; esac
	if [ -n "$SERVER_USER" ]; then
		exec setpriv --reuid="$SERVER_USER" --regid="$(id -g "$SERVER_USER")" --init-groups \
			env HOME="$WORK" "$@"
	else
		exec "$@"
	fi
)

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

is_installed()
{
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

update_package_lists()
{
	[ -z "${package_lists_updated-}" ] || return 0
	package_lists_updated=yes
	as_root apt-get update -qq >/dev/null 2>&1 ||
		say "apt-get update failed; trying with the package lists that are there"
}

# Debian: a package that the release has but that is not vital.
is_available()
{
	apt-cache show "$1" >/dev/null 2>&1
}

# PG_CONFIG as given; else the newest server from 15 on that is installed; else
# what the release calls "postgresql".  Sets PG_PACKAGES to what that needs.
find_postgres()
{
	local directory best=

	PG_PACKAGES=
	if [ -n "${PG_CONFIG-}" ]; then
		PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/') ||
			die "PG_CONFIG=$PG_CONFIG does not run"
		return 0
	fi
	if ! is_debian; then
		command -v pg_config >/dev/null || die \
			"This is not Debian: please install a C compiler, PostgreSQL 15 or newer with its development files," \
			"the serial OpenBLAS with its header cblas.h, xz, and Perl with IPC::Run; then name PostgreSQL by" \
			"PG_CONFIG=/path/to/pg_config and OpenBLAS by OPENBLAS_INCLUDE and OPENBLAS_LIB."
		PG_CONFIG=$(command -v pg_config)
		PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
		return 0
	fi
	for directory in /usr/lib/postgresql/*; do
		[ -x "$directory/bin/postgres" ] && [ "${directory##*/}" -ge 15 ] || continue
		[ "${directory##*/}" -le "${best:-0}" ] || best=${directory##*/}
	done
	if [ -z "$best" ]; then
		is_root || command -v sudo >/dev/null ||
			die "PostgreSQL is not installed: run this as root, or install sudo."
		update_package_lists
		best=$(apt-cache show --no-all-versions postgresql 2>/dev/null |
			sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p')
		[ -n "$best" ] || die "apt knows no package named postgresql; see apt-get update."
	fi
	[ "$best" -ge 15 ] || die "recmf needs PostgreSQL 15 or newer; this release has $best."
	PG_MAJOR=$best
	PG_CONFIG=/usr/lib/postgresql/$best/bin/pg_config
	PG_PACKAGES="postgresql-$best postgresql-server-dev-$best"
}

# Debian: installs those of the packages that are missing.
install_packages()
{
	local package missing= log status=0 no_cluster=

	is_debian || return 0
	for package in "$@"; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	is_root || command -v sudo >/dev/null ||
		die "Please install these packages, or run this as root or with sudo:$missing"
	say "Installing from Debian:$missing"
	update_package_lists
	# A new server would come with a cluster of its own, started at once: not wanted here.
	if ! is_installed postgresql-common; then
		no_cluster=/etc/postgresql-common/createcluster.d/recmf.conf
		as_root mkdir -p "${no_cluster%/*}"
		echo "create_main_cluster = false" | as_root tee "$no_cluster" >/dev/null
	fi
	log=$(mktemp)
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
		>"$log" 2>&1 </dev/null || status=$?
	[ -z "$no_cluster" ] || as_root rm -f "$no_cluster"
	[ $status = 0 ] || tail -n 20 "$log" >&2
	rm -f "$log"
	[ $status = 0 ] || die "apt-get install failed; above are the last lines that it wrote."
}

make_work_directory()
{
	local parent=${TMPDIR:-/tmp}

	# the path of a socket has at most 107 bytes
	[ ${#parent} -le 60 ] || parent=/tmp
	if is_root; then
		id postgres >/dev/null 2>&1 || die "There is no user postgres for the server to run as (it must not be root)."
		SERVER_USER=postgres
	fi
	WORK=$(mktemp -d "$parent/recmf-$1.XXXXXX")
	chmod 755 "$WORK"
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# The trap of a script may do more, but must end with this.
finish()
{
	local pid_file pid

	[ -n "$WORK" ] && [ -z "$KEEP_WORK" ] || return 0
	trap '' INT TERM HUP
	# every server below the directory, also those of a test that was killed
	find "$WORK" -name postmaster.pid 2>/dev/null | while read -r pid_file; do
		pid=$(head -n 1 "$pid_file" 2>/dev/null) || continue
		[ -n "$pid" ] && as_server kill -QUIT "$pid" 2>/dev/null || continue
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
	done
	rm -rf --one-file-system "$WORK"
	WORK=
}

# The project as it stands, without what was built, in a directory that is to
# hold builds: objects that are there already stay, so that make reuses them.
copy_sources()
{
	mkdir -p "$1"
	find "$1" -type f ! -name '*.o' ! -name '*.d' -delete
	tar -cf - --exclude=./.git --exclude=./build --exclude='*.o' --exclude='*.d' --exclude='*.so' \
		--exclude=./results --exclude=./tmp_check --exclude=./output_iso . | tar -xf - -C "$1"
}

# Installs what has been built in directory $1.
make_private_server()
{
	local root=$WORK/server bindir pkglibdir sharedir directory

	bindir=$("$PG_CONFIG" --bindir)
	pkglibdir=$("$PG_CONFIG" --pkglibdir)
	sharedir=$("$PG_CONFIG" --sharedir)
	mkdir -p "$root$bindir"
	cp "$bindir"/{postgres,initdb,pg_ctl,pg_config,psql,pg_dump,pg_dumpall,pg_restore,pg_isready,pg_basebackup,createdb,pgbench,pg_controldata,pg_waldump} \
		"$root$bindir/"
	for directory in "$pkglibdir" "$sharedir"; do
		mkdir -p "$root${directory%/*}"
		cp -rsf "$directory" "$root${directory%/*}/"
	done
	find "$root" -name 'recmf*' -type l -delete
	PGBIN=$root$bindir
	if [ "$("$PGBIN/pg_config" --pkglibdir)" = "$root$pkglibdir" ] &&
		[ "$("$PGBIN/pg_config" --sharedir)" = "$root$sharedir" ]; then
		make -s --no-print-directory -C "$1" install PG_CONFIG="$PG_CONFIG" DESTDIR="$root" >/dev/null
	else
		say "This PostgreSQL cannot be copied: installing recmf into $pkglibdir"
		PGBIN=$bindir
		as_root make -s --no-print-directory -C "$1" install PG_CONFIG="$PG_CONFIG" >/dev/null
	fi
}

# A cluster without durability, for a run that ends with it.
start_cluster()
{
	local locale=C

	if locale -a 2>/dev/null | grep -qix 'c\.utf-\?8'; then locale=C.UTF-8; fi
	mkdir -p "$WORK/socket" "$WORK/data"
	chmod 700 "$WORK/socket" "$WORK/data"
	[ -z "$SERVER_USER" ] || chown "$SERVER_USER:" "$WORK/socket" "$WORK/data"
	export PGHOST=$WORK/socket PGDATA=$WORK/data PGUSER=postgres
	as_server "$PGBIN/initdb" -A trust -U postgres -E UTF8 --locale=$locale -N >"$WORK/initdb.log" 2>&1 || {
		cat "$WORK/initdb.log" >&2
		die "initdb failed"
	}
	as_server tee -a "$PGDATA/postgresql.conf" >/dev/null <<-EOF
		listen_addresses = ''
		unix_socket_directories = '$PGHOST'
		fsync = off
		full_page_writes = off
		synchronous_commit = off
		log_line_prefix = '%m [%p] %q%d '
	EOF
	as_server "$PGBIN/pg_ctl" -w -s -t 60 -l "$PGDATA/server.log" start >/dev/null || {
		tail -n 20 "$PGDATA/server.log" >&2
		die "the server did not start; above is the end of its log"
	}
}

stop_cluster()
{
	as_server "$PGBIN/pg_ctl" -w -s -m fast stop >/dev/null
}

# For a benchmark: all phases at once, and recmf in a database "bench", in which
# psql runs from then on.  Arguments: goals of make beside the library; what they
# build is below build/bench.
make_bench_server()
{
	local goal

	unset MAKEFLAGS MAKELEVEL MFLAGS
	# the product that is the yardstick is by the kernels that the BLAS picks for this processor
	unset OPENBLAS_CORETYPE
	find_postgres
	install_packages gcc libc6-dev make libopenblas-serial-dev $PG_PACKAGES
	make_work_directory bench
	copy_sources build/bench
	for goal in all "$@"; do
		make -s -C build/bench "$goal" PG_CONFIG="$PG_CONFIG" >"$WORK/build.log" 2>&1 || {
			cat "$WORK/build.log" >&2
			exit 1
		}
	done
	make_private_server build/bench
	start_cluster
	"$PGBIN/createdb" bench
	psql() { "$PGBIN/psql" -X -q -d bench -v ON_ERROR_STOP=1 "$@"; }
	psql -c 'CREATE EXTENSION recmf'
}

# The processor that the BLAS takes this one for.
blas_core() { build/bench/build/unit-*/bench_recommend_all --only core; }

# bare_product PROCESSES USERS ITEMS FACTORS: seconds of the bare matrix product, by
# so many processes that share the users (the slowest one's), for a benchmark that
# has made the goal bench-recommend-all-program.
bare_product()
{
	local process

	for process in $(seq "$1"); do
		build/bench/build/unit-*/bench_recommend_all --users $((($2 + $1 - 1) / $1)) --items "$3" --factors "$4" \
			--only sgemm &
	done | sort -g | tail -1
	wait
}
