# Twinrail. Two commands to begin with: `make demo` and `make test`. Both need Debian 12, Rust and root rights.

.PHONY: help demo test test-guest deps bench-deps release sim sim-bugs model model-rules vhba-check chaos bench bench-api bench-lan bench-failover bench-vhba

help:
	@echo 'make demo            three directors, real servers, real traffic, power cuts: the story, in under 90 s after the build'
	@echo 'make demo STAY=1     the same, and the lab stays up until Ctrl-C'
	@echo 'make test            formatting, clippy, all tests, docs'
	@echo 'make test-guest      the lab on RDMA rails (Soft-RoCE), in a Debian kernel under QEMU'
	@echo 'make sim             whole clusters on a virtual clock, faults of every kind: SEEDS=1000 of them; SEED=7: that one'
	@echo 'make sim-bugs        deliberate bugs, each of which the simulator must find'
	@echo 'make model           models of the failover protocol, every state of them; MODEL=disk,move: those alone'
	@echo 'make model-rules     each rule of it switched off, and how that goes wrong; RULE=fence: that one'
	@echo 'make vhba-check      a disk under load through 50 takeovers on each of 4 seeds; SEED=1 TAKEOVERS=50: one seed'
	@echo 'make chaos           faults from a seed against real processes, and a report; MINUTES=10 SEED=1 FAULTS=pause,drain ROUNDS=20'
	@echo 'make bench           all benchmarks; bench-api, bench-lan, bench-failover, bench-vhba: each alone'
	@echo 'make deps            installs what the above need (debian-packages.txt); they call it themselves'

demo: release
	@STAY=$(STAY) target/release/demo

test: deps
	@chaos-tests/scripts/test

test-guest: deps
	@chaos-tests/scripts/test-guest

deps:
	@chaos-tests/scripts/deps

bench-deps:
	@chaos-tests/scripts/deps bench

release: | deps
	@cargo build --release --quiet --locked -p twinrail -p twinrail-chaos-tests

SEEDS ?= 1000

# Needs no root rights and no packages.
sim sim-bugs:
	@cargo build --release --quiet --locked -p twinrail -p twinrail-chaos-tests --bin sim
	@target/release/sim $(if $(filter sim-bugs,$@),--bugs --seeds 200,$(if $(SEED),--seed $(SEED),--seeds $(SEEDS)))

# Needs no root rights and no packages.
model model-rules:
	@cargo build --release --quiet --locked -p twinrail -p twinrail-chaos-tests --bin model
	@target/release/model $(if $(filter model-rules,$@),$(if $(RULE),--without $(RULE),--rules),$(if $(MODEL),--only $(MODEL)))

CHECK_SEEDS = 1,2,3,4
TAKEOVERS ?= 50

vhba-check: release
	@target/release/vhba-check --seed $(or $(SEED),$(CHECK_SEEDS)) --takeovers $(TAKEOVERS)

# MINUTES, SEED, FAULTS, ROUNDS, DIRECTORS, INVARIANTS, SCHEDULE, OLD_BINARY, REPORT: `target/release/chaos --help` says what they are.
chaos: release
	@target/release/chaos \
		$(if $(SCHEDULE)$(ROUNDS),,--minutes $(or $(MINUTES),10)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS)) $(if $(INVARIANTS),--invariants $(INVARIANTS)) \
		$(if $(DIRECTORS),--directors $(DIRECTORS)) \
		$(if $(SCHEDULE),--schedule $(SCHEDULE)) $(if $(OLD_BINARY),--old-binary $(OLD_BINARY)) $(if $(REPORT),--report $(REPORT))

bench bench-api bench-lan bench-failover bench-vhba: bench-deps

bench: release
	@target/release/lab bench

bench-api: release
	@target/release/lab bench api

bench-lan: release
	@target/release/lab bench lan

bench-failover: release
	@target/release/lab bench failover

bench-vhba: release
	@target/release/lab bench vhba
