# recmf: matrix-factorisation recommenders inside PostgreSQL
#
# make, make install	PGXS; PG_CONFIG names the PostgreSQL to build for
# make check		everything that is tested, on a throw-away server (test/check.sh);
#			SUITES="unit regress" runs a part
# make demo		from nothing to printed recommendations (test/demo.sh); KEEP=1 leaves the server
# make unit		C tests of src/core alone, without PostgreSQL; SANITIZE=1, VALGRIND=1
# make bench-train	times an iteration of training: test/bench/train/README.md; BENCH="--scale 0.1"
# make bench-mips	what the mips index reads, and the speed of its loops: test/bench/serve/README.md
# make bench-recommend-all	times the core of recommend_all() beside sgemm; BENCH="--k 100"
# make installcheck	pg_regress and isolation tests on a running server that has recmf installed
#
# WERROR=1 makes warnings errors.  CC=clang builds with clang ("make clean" between compilers).

EXTENSION = recmf
# The version stands in recmf.control alone.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" recmf.control)

MODULE_big = recmf
CORE_SRCS = $(sort $(wildcard src/core/*.c))
CORE_OBJS = $(CORE_SRCS:.c=.o)
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c))) $(CORE_OBJS)

DATA = $(wildcard sql/recmf--*--*.sql)
DATA_built = sql/recmf--$(EXTVERSION).sql
EXTRA_CLEAN = build $(OBJS:.o=.d)

REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.

# The serial OpenBLAS, from its own directory: the threaded one starts threads in
# the backend.  The extension loads it from there when it needs it (src/recmf_blas.c);
# only the tests of the core are linked with it.
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
OPENBLAS_INCLUDE ?= /usr/include/$(MULTIARCH)/openblas-serial
OPENBLAS_LIB ?= /usr/lib/$(MULTIARCH)/openblas-serial
OPENBLAS_SONAME ?= libopenblas.so.0
OPENBLAS_LIBS = -L$(OPENBLAS_LIB) -Wl,-rpath,$(OPENBLAS_LIB) -lopenblas -lm

WARNINGS = $(if $(filter-out 0,$(WERROR)),-Werror)

# The core sees no header of PostgreSQL; its symbols stay inside the library.
# No contraction: the same arithmetic whatever the processor.
CORE_CFLAGS = -std=gnu11 -O3 -g -Wall -Wextra -ffp-contract=off -fPIC -fvisibility=hidden $(WARNINGS)
CORE_CPPFLAGS = -Isrc/core -I$(OPENBLAS_INCLUDE)

# The kernels that are chosen at run time: these files alone may use newer
# registers, and fused multiply-add.  Elsewhere than on x86-64 they are empty.
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
AVX2_CFLAGS = -mavx2 -mfma -ffp-contract=fast
AVX512_CFLAGS = -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512 $(AVX2_CFLAGS)
%/rmf_vector_avx2.o %/rmf_cg_avx2.o %/rmf_exact_avx2.o %/rmf_rank_avx2.o %/rmf_mips_avx2.o %/rmf_codes_avx2.o: \
	CORE_CFLAGS += $(AVX2_CFLAGS)
%/rmf_vector_avx512.o %/rmf_cg_avx512.o %/rmf_exact_avx512.o %/rmf_rank_avx512.o %/rmf_mips_avx512.o %/rmf_codes_avx512.o: \
	CORE_CFLAGS += $(AVX512_CFLAGS)
%/rmf_codes_vnni.o: CORE_CFLAGS += $(AVX512_CFLAGS) -mavx512vnni
# Nobody looks at the processor's flags nor at errno: so comparisons and roots may be made for several at once.
%/rmf_mips_avx2.o %/rmf_mips_avx512.o: CORE_CFLAGS += -fno-trapping-math -fno-math-errno
endif

# Lists of headers come out of each compilation, for the next.
DEPENDENCIES = -MMD -MP

PG_CONFIG ?= pg_config
SHELL_GOALS = check demo unit unit-programs bench-train bench-train-program bench-mips bench-mips-program \
	bench-recommend-all bench-recommend-all-program bench-defaults bench-defaults-program

.DEFAULT_GOAL = all

# PGXS only where something is built for PostgreSQL: check and demo start on
# machines that have neither pg_config nor a compiler yet.
ifneq ($(if $(MAKECMDGOALS),$(filter-out $(SHELL_GOALS),$(MAKECMDGOALS)),all),)

ifneq ($(filter check demo,$(MAKECMDGOALS)),)
$(error "make check" and "make demo" build for themselves: run each on its own)
endif

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error $(PG_CONFIG) does not lead to the files for building extensions. \
	On Debian: apt-get install postgresql-server-dev-15 (or your version); \
	elsewhere: PG_CONFIG=/path/to/pg_config)
endif

# JIT inlining gains nothing here: the work is behind pointers to kernels.
override with_llvm = no

PG_CPPFLAGS = -Isrc -I$(OPENBLAS_INCLUDE) -DRECMF_VERSION='"$(EXTVERSION)"' \
	-DRECMF_OPENBLAS='"$(OPENBLAS_LIB)/$(OPENBLAS_SONAME)"' $(DEPENDENCIES)
# Callbacks have parameters that they do not use, and PostgreSQL's macros
# compare signed with unsigned; clang lacks some of the flags that PGXS brings.
PG_CFLAGS = -Wextra -Wno-unused-parameter -Wno-sign-compare \
	$(if $(findstring clang,$(CC)),$(CLANG_CFLAGS)) $(WARNINGS)
CLANG_CFLAGS = -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-ignored-attributes
SHLIB_LINK = -lm -ldl

include $(PGXS)

sql/recmf--$(EXTVERSION).sql: sql/recmf.sql recmf.control
	cp $< $@

$(OBJS): recmf.control

src/core/%.o: src/core/%.c
	$(CC) $(CORE_CFLAGS) $(CORE_CPPFLAGS) $(DEPENDENCIES) -c -o $@ $<

-include $(OBJS:.o=.d)

else

check:
	@bash test/check.sh

demo:
	@bash test/demo.sh

endif

# Tests of the core: each test/unit/test_*.c is a program.  The sanitizers'
# builds and those of each compiler have directories of their own.
SANITIZERS = -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZER_FLAGS = $(if $(filter-out 0,$(SANITIZE)),$(SANITIZERS))
UNIT_DIR = build/unit-$(notdir $(firstword $(CC)))$(if $(SANITIZER_FLAGS),-sanitize)
UNIT_PROGRAMS = $(patsubst test/unit/%.c,$(UNIT_DIR)/%,$(sort $(wildcard test/unit/test_*.c)))
UNIT_CORE = $(patsubst src/core/%.c,$(UNIT_DIR)/core/%.o,$(CORE_SRCS))
UNIT_RUN = $(if $(filter-out 0,$(VALGRIND)),valgrind -q --error-exitcode=99 --leak-check=full)

$(UNIT_DIR)/core/%.o: src/core/%.c
	@mkdir -p $(@D)
	$(CC) $(CORE_CFLAGS) $(SANITIZER_FLAGS) $(CORE_CPPFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(UNIT_DIR)/test_%: test/unit/test_%.c $(UNIT_CORE)
	$(CC) $(CORE_CFLAGS) $(SANITIZER_FLAGS) $(CORE_CPPFLAGS) $(DEPENDENCIES) -MF $@.d -o $@ \
		$< $(UNIT_CORE) $(OPENBLAS_LIBS)

-include $(UNIT_CORE:.o=.d) $(addsuffix .d,$(UNIT_PROGRAMS))

unit-programs: $(UNIT_PROGRAMS)

unit: unit-programs
	@test -n "$(UNIT_PROGRAMS)" || { echo "test/unit has no test_*.c" >&2; exit 1; }
	@failed=; for p in $(UNIT_PROGRAMS); do \
		$(UNIT_RUN) $$p || failed="$$failed $${p##*/}"; \
	done; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

# Speed of the core, beside the unit tests' build of it: goal, program, directory of test/bench.
define BENCHMARK
$$(UNIT_DIR)/$(2): test/bench/$(3)/$(2).c $$(UNIT_CORE)
	$$(CC) $$(CORE_CFLAGS) $$(SANITIZER_FLAGS) $$(CORE_CPPFLAGS) -Itest/unit -Itest/bench $$(DEPENDENCIES) \
		-MF $$@.d -o $$@ $$< $$(UNIT_CORE) $$(OPENBLAS_LIBS)

-include $$(UNIT_DIR)/$(2).d

$(1)-program: $$(UNIT_DIR)/$(2)

$(1): $$(UNIT_DIR)/$(2)
	$$< $$(BENCH)
endef

$(eval $(call BENCHMARK,bench-train,bench_train,train))
$(eval $(call BENCHMARK,bench-mips,bench_mips,serve))
$(eval $(call BENCHMARK,bench-recommend-all,bench_recommend_all,recommend_all))
$(eval $(call BENCHMARK,bench-defaults,bench_defaults,defaults))

.SECONDARY: $(UNIT_CORE)
.PHONY: $(SHELL_GOALS)
