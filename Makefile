# Two commands do everything on a fresh machine: `make train` and `make test`.
ARGS ?= experiment=echo_both
PYTHON ?= python3
BIN := .venv/bin
# modules are compiled once, and not by each of the hundred processes that tests start
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env train test coverage test-quick test-slow test-cluster lint pictures picture-of-report results staircase bits groups references published map verdicts diagnostics six chapters bench
.DEFAULT_GOAL := train

env: .venv/ready

# the programs in an environment hold its path: in a folder that was moved it is built anew
ifneq ($(shell cat .venv/ready 2>/dev/null),$(CURDIR))
.PHONY: .venv/ready
endif

# rebuilt when a dependency changes, left alone otherwise
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	echo "$(CURDIR)" > $@

train: env
	$(BIN)/python train.py $(ARGS)

# file by file, in their order: sorted by how many tests they have, the few that take long come last
SHORT_TESTS := -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not cluster"

test: env
	$(BIN)/pytest $(SHORT_TESTS)

# the same with coverage, which makes it half as long again
coverage: env
	$(BIN)/pytest $(SHORT_TESTS) --cov --cov-report=term:skip-covered --cov-fail-under=90

# the laws of one task, network or engine, by the name of its yaml: make test-quick ONLY=leaky
ONLY ?= echo
test-quick: env
	$(BIN)/pytest -n 2 tests/laws -k "$(ONLY)"

test-slow: env
	LOSSLADDER_CHECK_ALL=1 $(BIN)/pytest -n 2 -m slow

# sweeps on a real Slurm and a real Ray, of one's own on the loopback, and every death of a worker;
# as root, after apt-get install slurmctld slurmd slurm-client munge; without, it says what it skips
test-cluster: env
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,slurm,ray]"
	$(BIN)/pytest -m cluster -rs tests/cluster

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/codespell src tests conf docs template README.md CHANGELOG.md

SHOWN := seed=0,1,2 trainer.max_epochs=null trainer.max_steps=3000 trainer.progress=false data.windows_per_chunk=5

FOLDER := trainer.progress=false hydra.run.dir=logs/pictures

# the pictures of README and docs, made anew
pictures: env
	rm -rf logs/pictures
	$(BIN)/python train.py -m model=rnn,lstm,gru $(SHOWN) hydra.sweep.dir=logs/pictures/echo
	$(BIN)/python train.py -m experiment=echo_lag3 $(SHOWN) hydra.sweep.dir=logs/pictures/echo_lag3
	$(BIN)/python docs/figures/curves.py logs/pictures/echo logs/pictures/echo_lag3 --out docs/pictures/echo.png
	$(BIN)/python train.py task=xor model=mlp $(FOLDER)/xor
	$(BIN)/python train.py task=unfold model=rnn $(FOLDER)/unfold
	$(BIN)/python train.py task=count model=lstm $(FOLDER)/count
	$(BIN)/python train.py task=echo model=rnn data.windows_per_chunk=5 $(FOLDER)/echo_once
	$(BIN)/python docs/figures/shapes.py $(addprefix logs/pictures/,xor unfold count echo_once) --out docs/pictures/shapes.png
	$(BIN)/python docs/figures/order.py S4 --out docs/pictures/order.png

# the report of a sweep on a bad day, as a browser shows it: a run raises, one diverges, one is killed
BAD := logs/pictures/bad_day
BROWSER := chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
  --hide-scrollbars --force-device-scale-factor=1.4 --window-size=900,1920

picture-of-report: env
	rm -rf $(BAD) && mkdir -p $(BAD) && touch $(BAD)/it_is
	BAD_DAY=$(BAD)/it_is LOSSLADDER_PACKAGES=mischief PYTHONPATH=tests/runs $(BIN)/python train.py -m \
	  model._target_=mischief.Moody model.hidden_size=4,16 'seed=range(8)' engine=autograd \
	  trainer.max_epochs=1 trainer.progress=false hydra.sweep.dir=$(BAD); test $$? = 1
	$(BROWSER) --screenshot=docs/pictures/report.png file://$(CURDIR)/$(BAD)/report.html

# the search of docs/search.md, and its picture: two minutes on two cores
picture-of-search: env
	rm -rf logs/search
	$(BIN)/python train.py -m search=optuna search.trials=64 'optimizer.lr=tag(log,interval(1e-4,3e-1))' \
	  'model.hidden_size=choice(4,8,16,32)' hydra.sweep.dir=logs/search
	cp logs/search/search.png docs/pictures/search.png

# the tables of README and docs/tasks.md, made anew: every task with its networks, ten seeds each
RESULTS := echo:rnn,lstm,gru count:rnn,lstm,gru parity:rnn,lstm,gru unfold:rnn,lstm,gru xor:mlp worked_example:mlp
COMMA := ,
FIELD := words source recall copy flipflop counter dyck modular markov_in_context adding delay xor_lags

results: pictures
	rm -rf logs/results
	set -e; for row in $(RESULTS) $(addsuffix :rnn$(COMMA)lstm$(COMMA)gru,$(FIELD)); do \
	  $(BIN)/python train.py -m task=$${row%%:*} model=$${row##*:} 'seed=range(10)' hydra.sweep.dir=logs/results/$${row%%:*}; \
	done
	$(BIN)/python docs/figures/overview.py $(foreach row,$(RESULTS),logs/results/$(firstword $(subst :, ,$(row)))) --into README.md
	$(BIN)/python docs/figures/overview.py $(addprefix logs/results/,$(FIELD)) --into docs/tasks.md

# losses of words that never end, falling out of short strings onto the rungs of the group
STAIRS := S3 Z6 A4
staircase: env
	rm -rf logs/staircase
	set -e; for group in $(STAIRS); do \
	  $(BIN)/python train.py -m experiment=words_endless task.group=$$group model=lstm,gru,rnn 'seed=range(16)' \
	    hydra.sweep.dir=logs/staircase/$$group; \
	done
	$(BIN)/python docs/figures/staircase.py $(addprefix logs/staircase/,$(STAIRS)) --out docs/pictures/staircase.png

# losses of networks whose state is few bits, over the bound of data processing
FEW_BITS := model=gru_cell model.bits=1,2,4 model.hidden_size=1,2,3,4,6,8,12 'seed=range(3)' trainer.max_epochs=null
bits: env
	rm -rf logs/bits
	$(BIN)/python train.py -m task=copy task.delay=1 $(FEW_BITS) trainer.max_steps=4000 hydra.sweep.dir=logs/bits/copy
	$(BIN)/python train.py -m task=recall task.distinct=false task.pairs=2 task.values=4 $(FEW_BITS) trainer.max_steps=4000 hydra.sweep.dir=logs/bits/recall
	$(BIN)/python docs/figures/bits.py logs/bits/copy logs/bits/recall --out docs/pictures/bits.png

# networks on endless words of groups, beside what theory says of them: an hour and a half on two cores
groups: env
	$(BIN)/python docs/figures/groups.py --seeds 16 --into docs/theory.md

# the networks that passports are held against, at 32 numbers of state: an hour and a half on two cores;
# a window of attention would take two hours more at published lengths
SEEDS ?= 10
references: env
	set -e; for network in lstm gru rnn mingru "diagonal model.range=unit,signed,complex" "delta model.key_size=4"; do \
	  $(BIN)/python train.py -m suite=passport suite.seeds=$(SEEDS) model=$$network hydra.sweep.dir=logs/references; \
	done
	$(BIN)/python train.py -m suite=quick suite.seeds=$(SEEDS) model=attention model.state=null model.window=8 hydra.sweep.dir=logs/references
	$(BIN)/python docs/figures/references.py logs/references/passport.csv

# what others have published, and what comes of it here: a quarter of an hour on two cores
PUBLISHED := $(BIN)/python train.py -m suite=published hydra.sweep.dir=logs/published
MQAR := $(BIN)/python train.py -m suite=mqar hydra.sweep.dir=logs/mqar model.state=8,16,32,64
published: env
	$(PUBLISHED) model=lstm
	$(PUBLISHED) model=diagonal model.range=unit,signed
	$(MQAR) model=gru_cell
	$(MQAR) model=delta model.key_size=4
	$(BIN)/python docs/figures/published.py logs/published/passport.csv --into docs/tasks.md --mark published
	$(BIN)/python docs/figures/published.py logs/mqar/passport.csv --into docs/tasks.md --mark mqar

# what they learn, as a table and as a picture
map: env
	$(BIN)/python docs/figures/map.py --into docs/passport.md --out docs/pictures/map.png

# the six networks of docs/verdict.md
verdicts: env
	$(BIN)/python docs/figures/verdicts.py --into docs/verdict.md

# the pictures of docs/diagnostics.md: a few runs, looked into
LOOKED := logs/diagnostics
RUN := $(BIN)/python train.py trainer.progress=false hydra.run.dir=$(LOOKED)
diagnostics: env
	rm -rf $(LOOKED)
	$(RUN)/echo trainer.snapshots=true trainer.validate_every=25
	$(RUN)/words experiment=words_endless
	$(RUN)/strings task=words model=lstm
	$(RUN)/mess3 task=source task.process=mess3 model=gru
	$(RUN)/parity task=parity model=rnn
	mkdir -p docs/pictures/diagnostics
	set -e; for row in echo:behaviour echo:calibration echo:horizon echo:memory words:decoding mess3:counterfactual strings:length \
	    words:automaton echo:recurrence echo:triviality parity:counterfactual parity:automaton; do \
	  run=$(LOOKED)/$${row%%:*}; name=$${row##*:}; \
	  $(BIN)/python evaluate.py run=$$run diagnostics=$$name; \
	  cp $$run/diagnostics/$$name.png docs/pictures/diagnostics/$${row%%:*}_$$name.png; \
	done

# six kinds of networks on echo, five seeds each, looked into: ten minutes on two cores
SIX := $(BIN)/python train.py -m experiment=r2rt_grid 'seed=range(5)'
six: env
	rm -rf logs/six
	$(SIX) model.hidden_size=16,4 data.bptt_steps=10,5 hydra.sweep.dir=logs/six/trained
	$(SIX) model.hidden_size=16 data.bptt_steps=1 hydra.sweep.dir=logs/six/one_step
	$(SIX) model.hidden_size=16 data.bptt_steps=10 readout.alone=true hydra.sweep.dir=logs/six/frozen
	$(BIN)/python docs/figures/six_networks.py $(addprefix logs/six/,trained one_step frozen) \
	  --out docs/pictures/diagnostics/six_networks.png --into docs/diagnostics.md

# the chapters of docs/notebooks, executed in full: minutes
chapters: env
	rm -rf logs/chapters
	$(BIN)/python docs/notebooks/execute.py

# us and the peers side by side; the peers live apart, because TensorBoard would load TensorFlow
# with every run of ours
PEERS := jax keras tensorflow

.venv-bench/ready: constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check -c constraints.txt jax optax keras tensorflow-cpu
	touch $@

bench: env .venv-bench/ready
	$(BIN)/python benchmark.py $(foreach peer,$(PEERS),--python $(peer)=.venv-bench/bin/python)
	$(BIN)/python benchmark.py growth
