# The targets make .venv when it is missing or out of date. PYTHON chooses the interpreter, EXTRAS the DALI build.
PYTHON ?= python3
EXTRAS ?= dev,dali-cuda110
RSCD := .venv/bin/rscd

.PHONY: help quickstart test lab slurm-lab reports docs bench clean
.DELETE_ON_ERROR:

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14

.venv/installed: settings.ini setup.py constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || { echo "Python 3.11 or 3.12 is needed (DALI's CUDA 11 build has no other), not $$($(PYTHON) --version 2>&1); choose one with: make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

quickstart: .venv/installed  ## All-Reduce, decent-dp and gossip once each on generated images, in an emulated slow network: ten minutes with the installation
	$(RSCD) data synthetic data/synthetic
	$(RSCD) quickstart

test: .venv/installed  ## every notebook as a test, and that package and notebooks agree; PART=31: what one notebook needs
	PART='$(PART)' .venv/bin/python .ci/test.py

lab: .venv/installed  ## the notebooks in JupyterLab
	.venv/bin/jupyter lab --LabApp.default_url=/lab/tree/nbs/start.ipynb

slurm-lab: .venv/installed  ## a shell with a Slurm cluster of this machine alone (needs slurm-wlm and munge)
	.venv/bin/python -m rscd_nb.slurmlab

reports: .venv/installed  ## the repository's own Method, Results and README, from reports/records
	$(RSCD) report --runs reports/records --out reports --readme README.md

docs: .venv/installed  ## the documentation site, in _docs (needs Quarto)
	@command -v quarto >/dev/null || { echo "Quarto is needed to build the site; install it from https://quarto.org"; exit 1; }
	rm -rf _proc
	.venv/bin/nbdev_proc_nbs
	.venv/bin/python .ci/docs.py _proc
	cd _proc && quarto render --no-cache
	rm -rf _docs && mv _proc/_docs .

bench: .venv/installed  ## images per second of each data loader
	$(RSCD) data synthetic data/synthetic
	$(RSCD) bench loader data/synthetic

clean:  ## remove what the targets above made, except your runs
	rm -rf .venv data/synthetic _docs _proc
