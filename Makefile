# Thin wrappers of the command line: `make lab-2` is `.venv/bin/lab start 2`, after a set-up that does nothing if all is there.
# make ends with 2 whenever a command fails; `.venv/bin/lab verify 2` gives the verdict's own exit code.
LAB := scripts/bootstrap && $(if $(RUNTIME),LAB_RUNTIME=$(RUNTIME)) .venv/bin/lab
FORCE ?=
JSON ?=
RUNTIME ?=
N ?=

.DEFAULT_GOAL := help
.PHONY: help labs verify-all up down status logs doctor audit test check bench setup clean

help:
	@echo "make lab-N        start lab N (the first time: sets everything up)"
	@echo "make verify-N     check your work (JSON=1 for a machine)"
	@echo "make hint-N       the next hint"
	@echo "make solution-N   the reference, once you have passed (FORCE=1: now)"
	@echo "make reset-N      begin again; your old work is kept"
	@echo "make watch-N      verify again on each save; shows a lab's streams meanwhile"
	@echo "make labs         all labs, with your progress"
	@echo "make verify-all   check again all that you have passed"
	@echo
	@echo "make up | down | status | logs | doctor     the services, and this machine"
	@echo "make audit | audit-N                        prove labs (for authors)"
	@echo "RUNTIME=compose with any of these               on containers instead of processes"
	@echo "make test | bench                           the project's own tests and benchmarks"

lab-%:
	@$(LAB) start $*
verify-%:
	@$(LAB) verify $* $(if $(JSON),--json)
hint-%:
	@$(LAB) hint $*
solution-%:
	@$(LAB) solution $* $(if $(FORCE),--force)
reset-%:
	@$(LAB) reset $*
watch-%:
	@$(LAB) watch $*
audit-%:
	@$(LAB) audit $*

verify-all:
	@$(LAB) verify-all
labs up down status logs doctor audit:
	@$(LAB) $@

setup:
	@scripts/bootstrap
test check:
	@scripts/check
bench:
	@scripts/bootstrap postgres kafka jdk spark flink dbt airflow dev && scripts/bench
clean: down
	@rm -rf .lab .venv .venv-flink .setup.lock
	@echo "removed the environment and the services' data; your files in work/ are kept"
