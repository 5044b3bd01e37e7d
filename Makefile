# The project's commands. `make run` and `make test` are all that a newcomer needs.
GO      ?= go
BIN     := bin/countersign
export CGO_ENABLED ?= 0
FUZZTIME ?= 20s
FLAGS   := -trimpath -ldflags="-s -w"

.PHONY: build run test race lint fuzz bench generate check tools

build: ## Build the one binary.
	$(GO) build $(FLAGS) -o $(BIN) ./cmd/countersign

run: build ## Start a complete gate on loopback with a demo account and recipient.
	./$(BIN) quickstart

test: tools build ## Run every test under the race detector.
	./scripts/test.sh

tools: ## Look for the programs that the tests drive; as root on Debian, install what is missing.
	./scripts/tools.sh

race: test ## All tests already run under the race detector.

lint: ## Static checks beyond the compiler's.
	$(GO) vet ./...
	./scripts/lint.sh

fuzz: ## Run each fuzz target for FUZZTIME (20 s by default).
	./scripts/fuzz.sh $(FUZZTIME)

bench: build ## Measure speed and memory; takes some minutes and is not a test.
	./scripts/bench.sh

generate: ## Write the generated pages.
	$(GO) run ./internal/config/generate
	$(GO) run ./internal/reference

check: generate lint ## Generate, format, lint; fails when that changes a committed file.
	./scripts/check.sh
