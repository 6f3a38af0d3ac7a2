# recmf: matrix-factorisation recommenders inside PostgreSQL
#
# make, make install		PGXS; PG_CONFIG names the PostgreSQL to build for
# make check			everything that is tested, on a throw-away cluster (test/check.sh)
# make demo			from nothing to printed recommendations (test/demo.sh)
# make unit			C tests of src/core alone, without PostgreSQL

EXTENSION = recmf
# The version stands in recmf.control alone.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" recmf.control)

MODULE_big = recmf
CORE_OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/core/*.c)))
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c))) $(CORE_OBJS)

DATA = $(wildcard sql/recmf--*--*.sql)
DATA_built = sql/recmf--$(EXTVERSION).sql
EXTRA_CLEAN = build

REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.

# The serial OpenBLAS, from its own directory: the threaded one starts threads in the backend.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
OPENBLAS_INCLUDE ?= /usr/include/$(MULTIARCH)/openblas-serial
OPENBLAS_LIB ?= /usr/lib/$(MULTIARCH)/openblas-serial

CORE_CFLAGS = -std=gnu11 -O3 -Wall -Wextra -ffp-contract=off
CORE_CPPFLAGS = -I$(OPENBLAS_INCLUDE)

# JIT inlining gains nothing here: the work is behind pointers to kernels.
override with_llvm = no

PG_CPPFLAGS = -Isrc -I$(OPENBLAS_INCLUDE)
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare
SHLIB_LINK = -L$(OPENBLAS_LIB) -Wl,-rpath,$(OPENBLAS_LIB) -lopenblas -lm

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/recmf--$(EXTVERSION).sql: sql/recmf.sql
	cp $< $@
