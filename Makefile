# botcrypto4: build, tests and demo. `make` alone lists the targets.
#
# Everything is built out of tree in $(B). SAN=address,undefined or SAN=thread builds with that
# sanitizer, COV=1 with coverage counters, each in a folder of its own beside the plain build.

.DEFAULT_GOAL := help
SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules

comma := ,
SAN ?=
COV ?=
V ?=
WERROR ?=
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CLANG := $(findstring clang,$(notdir $(CC)))

BASE_B ?= build
FUZZ ?=
B ?= $(BASE_B)$(if $(FUZZ),/fuzz)$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(COV),/cov)$(if $(CLANG),/clang)

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# ---- flags ------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2 \
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wvla \
  -Wwrite-strings -Wpointer-arith -Wcast-qual -Wcast-align -Wnull-dereference \
  -Wdouble-promotion -Wimplicit-fallthrough -fno-common
ifeq ($(CLANG),)
WARN += -Wformat-signedness -Wlogical-op -Wduplicated-cond -Wduplicated-branches
endif
ifneq ($(WERROR)$(CI),)
WARN += -Werror
endif

VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)
OPT_FLAGS := $(if $(SAN)$(COV),-O1,-O2) -g
SAN_FLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
COV_FLAGS := $(if $(COV),--coverage)$(if $(FUZZ),-fsanitize=fuzzer-no-link)
PKGS := hiredis libevent libevent_pthreads libwebsockets libcurl jansson zlib libuv
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null | sed 's/-I/-isystem /g')
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null)

CPPFLAGS += -D_GNU_SOURCE -I. -MMD -MP $(PKG_CFLAGS)
CFLAGS += -std=c17 $(OPT_FLAGS) $(WARN) $(SAN_FLAGS) $(COV_FLAGS) -fstack-protector-strong
LDFLAGS += $(SAN_FLAGS) $(COV_FLAGS)
LDLIBS := $(PKG_LIBS) -lpthread -lm

# ---- what is built ----------------------------------------------------------------------------

SERVICES := $(notdir $(patsubst %/main.c,%,$(wildcard services/*/main.c)))
TOOLS := $(notdir $(patsubst %/main.c,%,$(wildcard tools/*/main.c)))
BINS := $(SERVICES:%=$(B)/bin/%) $(TOOLS:%=$(B)/bin/%)

COMMON_SRC := $(wildcard common/*/*.c)
COMMON_OBJ := $(COMMON_SRC:%.c=$(B)/%.o)
COMMON_LIB := $(B)/libcommon.a

service_src = $(wildcard services/$(1)/*.c services/$(1)/core/*.c services/$(1)/io/*.c)
service_obj = $(patsubst %.c,$(B)/%.o,$(call service_src,$(1)))
service_lib_obj = $(filter-out %/main.o,$(call service_obj,$(1)))

UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BINS := $(UNIT_SRC:tests/unit/%.c=$(B)/tests/unit/%)
PLAIN_SRC := $(wildcard tests/plain/*.c)
PLAIN_BINS := $(PLAIN_SRC:tests/plain/%.c=$(B)/tests/plain/%)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_BINS := $(FUZZ_SRC:%.c=$(B)/%)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
BENCH_BINS := $(BENCH_SRC:tests/bench/%.c=$(B)/tests/bench/%)

.PHONY: build
build: $(BINS) ## Compile every service into build/bin

$(B)/%.o: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_EXTRA) -c -o $@ $<

$(B)/services/%.o: CFLAGS_EXTRA = $(if $(findstring /core/,$@),-Wswitch-enum)
$(B)/common/feed/%.o: CFLAGS_EXTRA = -Wswitch-enum
# The only file that knows the version, so that a commit does not rebuild the world; the stamp
# changes when the version does.
$(B)/common/base/version.o: CPPFLAGS += -DBC_VERSION='"$(VERSION)"'
$(B)/common/base/version.o: $(B)/version.txt
$(B)/version.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@
.PHONY: FORCE
FORCE:

$(COMMON_LIB): $(COMMON_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/api: LDLIBS += -lcivetweb
# Libraries the gateway never calls would cost it half of its start-up time.
$(B)/bin/api: LDFLAGS += -Wl,--as-needed

# SHA-256 of archives, HMAC of signed requests.
$(B)/bin/backfill: LDLIBS += -lcrypto -ldl
$(B)/bin/exchange-sim: LDLIBS += -lcrypto

define service_rule
$(B)/bin/$(1): $(call service_obj,$(1)) $(COMMON_LIB)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $(call service_obj,$(1)) $(COMMON_LIB) $$(LDLIBS)
endef
$(foreach s,$(SERVICES),$(eval $(call service_rule,$(s))))

# What an operator runs; no service, so no health port and no place in the tables of services.
define tool_rule
$(B)/bin/$(1): $(patsubst %.c,$(B)/%.o,$(wildcard tools/$(1)/*.c)) $(COMMON_LIB)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -Wl,--as-needed -o $$@ $$^ $$(LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))

# Helpers of the tests: a private Redis, scripted servers.
SUPPORT_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard tests/support/*.c))
SUPPORT_LIB := $(B)/libsupport.a
SUPPORT_LIBS := -levent_openssl -lssl -lcrypto
$(SUPPORT_LIB): $(SUPPORT_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# A unit test links the common library and, when its folder is named after a service, all objects
# of that service but main.
define unit_rule
$(B)/tests/unit/$(1): $(B)/tests/unit/$(1).o $(call service_lib_obj,$(patsubst %/,%,$(dir $(1)))) $(SUPPORT_LIB) $(COMMON_LIB)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS) $(SUPPORT_LIBS) -lcriterion $(if $(filter api/%,$(1)),-lcivetweb)
endef
$(foreach t,$(UNIT_SRC:tests/unit/%.c=%),$(eval $(call unit_rule,$(t))))

# Plain programs (no Criterion): what must also run under ThreadSanitizer, and helpers of the
# integration tests. A line "// links: api" names the service whose objects it needs.
plain_service = $(shell sed -n 's|^// links: ||p' $(1))
define plain_rule
$(B)/tests/$(1): $(B)/tests/$(1).o $(foreach s,$(call plain_service,tests/$(1).c),$(call service_lib_obj,$(s))) $(SUPPORT_LIB) $(COMMON_LIB)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS) $(SUPPORT_LIBS) -lcivetweb
endef
$(foreach t,$(PLAIN_SRC:tests/%.c=%) $(BENCH_SRC:tests/%.c=%),$(eval $(call plain_rule,$(t))))

# A fuzz target is linked with libFuzzer (FUZZ=1, clang) or with a driver that replays a corpus.
define fuzz_rule
$(B)/tests/fuzz/$(1): $(B)/tests/fuzz/$(1).o $(if $(FUZZ),,$(B)/tests/fuzz/driver.o) $(foreach s,$(call plain_service,tests/fuzz/$(1).c),$(call service_lib_obj,$(s))) $(COMMON_LIB)
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(LDFLAGS) $(if $(FUZZ),-fsanitize=fuzzer) -o $$@ $$^ $$(LDLIBS) $(SUPPORT_LIBS) -lcivetweb
endef
$(foreach t,$(FUZZ_SRC:tests/fuzz/%.c=%),$(eval $(call fuzz_rule,$(t))))
$(B)/tests/fuzz/corpus: $(B)/tests/fuzz/corpus.o $(COMMON_LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The scanner's peer is C++ and optional: without the library the bench goes without it.
CXX := $(if $(CLANG),clang++,g++)
ifneq ($(wildcard /usr/include/simdjson.h),)
ifneq ($(shell command -v $(CXX) 2>/dev/null),)
$(B)/tests/bench/bench_scanner $(B)/tests/bench/bench_depth: $(B)/tests/bench/peer_simdjson.o
$(B)/tests/bench/bench_scanner $(B)/tests/bench/bench_depth: LDLIBS += -lsimdjson -lstdc++
$(B)/%.o: %.cc
	$(call say,CXX,$<)
	@mkdir -p $(@D)
	$(Q)$(CXX) -I. -MMD -MP -std=c++17 -O2 -g $(SAN_FLAGS) -c -o $@ $<
endif
endif

.PHONY: unit-bins
unit-bins: $(UNIT_BINS) $(PLAIN_BINS) $(FUZZ_BINS) $(B)/tests/fuzz/corpus

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: clean
clean: ## Remove everything that was built
	rm -rf $(BASE_B)

# ---- packages, unit tests -----------------------------------------------------------------------

.PHONY: deps
deps: ## Install what is missing on this machine (apt-get, with sudo when not root)
	@deploy/local/deps.sh

# Of the plain programs those that say "// helper: ..." on line 2 are no tests of their own, and
# those that say "// tsan: yes" there run a second time under ThreadSanitizer.
plain_saying = $(foreach f,$(PLAIN_SRC),$(if $(shell sed -n '2{/^\/\/ $(1)/p}' $(f)),$(f)))
PLAIN_TESTS := $(filter-out $(call plain_saying,helper:),$(PLAIN_SRC))
TSAN_TESTS := $(call plain_saying,tsan: yes)

only = $(if $(ONLY),$(foreach t,$(1),$(if $(findstring $(ONLY),$(t)),$(t))),$(1))

.PHONY: test-unit tsan-bins
tsan-bins: $(TSAN_TESTS:tests/%.c=$(B)/tests/%)
# ONLY=word: only binaries with that word in their path. FILTER=suite/test: Criterion's own filter.
test-unit: unit-bins ## Unit tests of every module (ONLY=word, FILTER=suite/test)
ifneq ($(TSAN_TESTS),)
	@$(MAKE) --no-print-directory SAN=thread COV= BASE_B=$(BASE_B) tsan-bins
endif
	@tests/run_unit.sh $(B)/test-unit --unit $(call only,$(UNIT_BINS)) \
	  --plain $(call only,$(PLAIN_TESTS:tests/%.c=$(B)/tests/%)) \
	  --tsan $(call only,$(TSAN_TESTS:tests/%.c=$(BASE_B)/san-thread$(if $(CLANG),/clang)/tests/%))

# ---- fuzzing ----------------------------------------------------------------------------------

.PHONY: fuzz fuzz-bins fuzz-replay
fuzz-bins: $(FUZZ_BINS) $(B)/tests/fuzz/corpus
fuzz: ## Fuzz every parser of outside bytes (FUZZ_SECONDS=20 each, ONLY=word; needs clang)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) CC=clang FUZZ=1 SAN=address,undefined COV= BASE_B=$(BASE_B) fuzz-bins
	@ONLY="$(ONLY)" FUZZ_SECONDS="$(FUZZ_SECONDS)" tests/fuzz/run.sh fuzz $(BASE_B)/fuzz/san-address-undefined/clang
FUZZ_SECONDS ?= 20

fuzz-replay: fuzz-bins ## Play the fuzz corpus and 2,000 mutations of it through every parser
	@ONLY="$(ONLY)" tests/fuzz/run.sh replay $(B)

# ---- lint, format, generated documentation ------------------------------------------------------

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

.PHONY: lint format docs
lint: ## Everything that is checked without running it
	@$(MAKE) --no-print-directory deps
	@MAKE="$(MAKE)" tests/lint/run.sh

format: ## clang-format over every C file
	@clang-format -i $(wildcard $(C_FILES))

docs: build ## Write the option tables into the READMEs and .env.example
	@python3 tests/lint/options.py --write $(B)/bin
	@python3 tests/prometheus/check.py --write

# ---- whole-system tests, demo, bench ------------------------------------------------------------

# A test picks the binaries of its own build: SAN=... and friends reach them through BC4_BIN.
PYTHON3 := /usr/bin/python3
IT_ENV = BC4_BIN=$(abspath $(B))/bin BC4_PATIENCE=$(if $(SAN)$(COV),4,1)
export SAN COV

.PHONY: test test-long test-integration test-ccxt test-sdk
test: ## Everything the project claims, proven here (SAN=address,undefined: under the sanitizers)
	@MAKE="$(MAKE)" tests/run.sh test

test-long: ## The same at full size (long replays, many kills)
	@MAKE="$(MAKE)" tests/run.sh test-long

# MODE=test-long for the full size; ONLY=pattern for some tests.
test-integration: build ## The real binaries around a private Redis and a simulated exchange
	@$(IT_ENV) BC4_MODE=$(MODE) $(PYTHON3) tests/integration/run.py $(ONLY)

test-ccxt: build
	@$(IT_ENV) tests/integration/ccxt/run.sh

test-sdk: build
	@$(IT_ENV) tests/integration/sdk/run.sh

.PHONY: test-frontend e2e
test-frontend: ## The dashboard's unit tests, types and style
	@tests/e2e/unit.sh

e2e: build ## The dashboard in Chromium against the real services; pictures in build/e2e
	@$(IT_ENV) tests/e2e/run.sh

.PHONY: demo run stop
demo: ## A simulated market being analysed, in this terminal (REPLAY=FILE plays a recording)
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) build
	@REPLAY="$(REPLAY)" BIN=$(B)/bin exec deploy/local/stack.sh demo

run: ## The same services on the live venue
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) build
	@BIN=$(B)/bin exec deploy/local/stack.sh run

stop: ## End what demo or run started
	@deploy/local/stack.sh stop

.PHONY: bench bench-bins
bench-bins: $(BENCH_BINS)
bench: ## Figures against their limits, in build/bench.json
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory -j$$(nproc) build bench-bins
	@BC4_BIN=$(abspath $(B))/bin $(PYTHON3) tests/bench/run.py $(abspath $(B))/tests/bench $(ONLY)

# ---- containers -------------------------------------------------------------------------------

PROFILES ?= live
.PHONY: up down logs up-demo test-compose
up: ## The services in containers on the live venue (PROFILES="live bybit observability")
	@deploy/docker/compose.sh "$(PROFILES)" up -d --build

up-demo: ## The same around a simulated exchange
	@deploy/docker/compose.sh demo up -d --build

logs: ## What the containers say
	@deploy/docker/compose.sh "live bybit observability demo" logs -f --tail=100

down: ## End the containers; data stays in its volumes
	@deploy/docker/compose.sh "live bybit observability demo" down --remove-orphans

# Not part of `make test`: it needs a Docker engine (DOCKER_HOST) and takes minutes.
test-compose: ## Build the images and prove the demo profile in containers, kills included
	@$(PYTHON3) tests/compose/run.py

.PHONY: k8s-check prometheus-check
k8s-check: build ## The Kubernetes manifests, rendered and judged without a cluster
	@BIN=$(B)/bin deploy/k8s/check/run.sh

prometheus-check: ## Alert rules and dashboard: every metric is there, every alert fires when it should
	@$(PYTHON3) tests/prometheus/check.py

# What differs on arm64, tried on any machine: char without a sign, no SSE2 (the scanner's plain path).
.PHONY: test-portable
test-portable: ## Unit tests as another kind of processor compiles them
	@CFLAGS="-funsigned-char -U__SSE2__" $(MAKE) --no-print-directory BASE_B=$(BASE_B)/portable \
	  -j$$(nproc) test-unit ONLY="$(ONLY)"
