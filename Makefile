GO      ?= go
INSTALL  = $(GO) run ./internal/tools/install
# Test data may be badly formatted on purpose.
SOURCES  = find . -name '*.go' -not -path '*/testdata/*' -not -path './.git/*'
# Modules of their own, so that what they need is needed by them alone.
MODULES  = examples/grpc

.DEFAULT_GOAL := help
.PHONY: help build demo test lint fmt bench growth soak benchmarks faults clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Without C libraries it runs on any Linux, and takes less memory.
build: ## build bin/ctmpl
	CGO_ENABLED=0 $(GO) build -o bin/ctmpl ./cmd/ctmpl

demo: ## show what ctmpl does (with nginx where there is one)
	@$(INSTALL) -optional nginx
	@$(GO) build -o bin/demo ./examples/demo
	@bin/demo

# The first run builds Consul, which takes some minutes; see internal/tools.
test: ## install what the tests need, check the code, run all tests
	@$(INSTALL)
	@$(MAKE) --no-print-directory lint
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...
	@set -e; for m in $(MODULES); do \
	  echo "$(GO) test -C $$m -race ./..."; CGO_ENABLED=1 $(GO) test -C $$m -race -timeout 20m ./...; done
	$(GO) test -run "TestWhateverHappens|TestAMemoMakesNoDifference" ./watch ./render

lint: ## check format, go vet, staticcheck
	@$(INSTALL) staticcheck >/dev/null
	@bad=$$($(SOURCES) -exec gofmt -l {} +) || exit 1; \
	  if [ -n "$$bad" ]; then echo "not formatted, run make fmt:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	@echo staticcheck ./...
	@"$$($(INSTALL) -path staticcheck)" ./...
	@set -e; check="$$($(INSTALL) -path staticcheck)"; for m in $(MODULES); do \
	  echo "$$m: go vet, staticcheck"; $(GO) vet -C $$m ./...; (cd $$m && "$$check" ./...); done

fmt: ## format the code
	@$(SOURCES) -exec gofmt -l -w {} +

bench: ## measure ctmpl, and beside it consul-template (20 minutes)
	@$(INSTALL)
	$(GO) run ./internal/bench

growth: ## draw how costs grow with the services into docs/growth.svg (10 minutes)
	@$(INSTALL) consul consul-template
	$(GO) run ./internal/bench -only growth

soak: ## change everything in Consul for half an hour, and see that nothing is lost
	@$(INSTALL) consul consul-template
	$(GO) run ./internal/bench -only soak

# To compare: make benchmarks, mv benchmarks.out benchmarks.old.out, change the code,
# make benchmarks.
OLD     ?= benchmarks.old.out

benchmarks: ## run the benchmarks of the hot paths, and compare with those in OLD=FILE where there is one
	@$(INSTALL) benchstat >/dev/null
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./watch ./watch/consul ./render >benchmarks.out || { cat benchmarks.out; exit 1; }
	@"$$($(INSTALL) -path benchstat)" $(wildcard $(OLD)) benchmarks.out

faults: ## do to ctmpl, nginx and Consul what goes wrong in operation (10 minutes, as root), and print what became of it
	@$(INSTALL)
	$(GO) run ./internal/faults

clean: ## remove what build and tests have left here
	rm -rf bin dist
	rm -f *.test *.out *.prof coverage.*
