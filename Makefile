# fai-forge: `make debian-13` builds that image, `make test` tests everything, `make help` lists more.

VENV := .venv
FORGE := $(VENV)/bin/fai-forge
# As many tests at a time as there are processors; tests/conftest.py says what stays together.
PYTEST := $(VENV)/bin/pytest -n auto --dist loadscope --no-loadscope-reorder

# What building needs. The Python modules that Debian has in the versions wanted are used from there.
BUILD_PACKAGES := apt ca-certificates debian-archive-keyring distro-info-data fai-client file git \
	gpg gpg-agent gpgv mmdebstrap mount python3 python3-debian python3-distro-info python3-jinja2 python3-paramiko \
	python3-pydantic python3-requests python3-rich python3-setuptools python3-shtab python3-venv \
	python3-wheel python3-yaml uidmap util-linux zstd
# What booting needs beyond that; a root file system starts in a container.
BOOT_PACKAGES := dosfstools libvirt-clients libvirt-daemon libvirt-daemon-system mtools openssh-client ovmf \
	python3-libvirt qemu-system-x86 qemu-utils slirp4netns systemd-container xz-utils
# What booting images of other architectures needs beyond that.
ARCH_PACKAGES := qemu-efi-aarch64 qemu-system-arm qemu-system-misc qemu-system-ppc u-boot-qemu
# What tests need beyond that.
TEST_PACKAGES := apt-utils chromium-headless-shell e2fsprogs lxc nginx-light openssh-server openssl \
	python3-openstacksdk shellcheck

.DEFAULT_GOAL := help
# A word behind an image's name, and not an image: make debian-13 upload
UPLOAD := $(filter upload,$(MAKECMDGOALS))

.PHONY: help setup setup-boot setup-arch setup-pipeline setup-test test test-all test-fast lint bench plan nightly publish upload \
	list doctor clean distclean
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

help: ## this list
	@echo "make IMAGE        build an image into out/IMAGE/SERIAL/, such as: make debian-13"
	@echo "make boot-IMAGE   boot its newest build under libvirt, with all firmware kinds"
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo "ARGS=... adds arguments: make debian-13 ARGS='--format vmdk'"

setup: $(VENV)/.ready ## install what building needs
	@scripts/install-packages $(BUILD_PACKAGES)

setup-boot: setup $(VENV)/.ready-boot ## install what booting needs
	@scripts/install-packages $(BOOT_PACKAGES)

setup-arch: setup-boot ## install what booting images of other architectures needs
	@scripts/install-packages $(ARCH_PACKAGES)

# gitlab-ci-local, which npm installs where there is one.
setup-pipeline:
	@scripts/install-packages rsync

setup-test: setup-boot $(VENV)/.ready-test ## install what tests need
	@scripts/install-packages $(TEST_PACKAGES)

# A stamp is older than pyproject.toml when the list of modules may have changed.
$(VENV)/.ready: pyproject.toml
	@scripts/install-packages $(BUILD_PACKAGES)
	/usr/bin/python3 -m venv --system-site-packages $(VENV)
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-boot: $(VENV)/.ready
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --editable '.[boot]'
	@touch $@

$(VENV)/.ready-test: $(VENV)/.ready
	$(VENV)/bin/python -m pip install --quiet --no-build-isolation --editable '.[test]'
	@touch $@

test: setup-test lint ## style, types, units, real builds, live boots: an hour where guests are emulated
	$(PYTEST) tests -m 'not thorough' $(ARGS)

test-all: setup-test setup-arch setup-pipeline lint ## the same, and other architectures, roles, broken images: hours
	$(PYTEST) tests $(ARGS)

test-fast: setup-test lint ## style, types and unit tests: seconds
	$(PYTEST) tests/unit $(ARGS)

lint: setup-test
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

bench: setup-boot ## ratios of a build against plain mmdebstrap, mke2fs and qemu-img
	$(VENV)/bin/python -m bench $(ARGS)

plan: setup ## which images must be published anew, and why
	@$(FORGE) plan $(or $(ARGS),--all)

nightly: setup-boot ## publish what must be, with STORE=FOLDER|URL
	@$(FORGE) nightly $(if $(STORE),--store '$(STORE)') $(ARGS)

publish: setup ## publish the newest builds of out/, with STORE=FOLDER|URL
	$(if $(STORE),,$(error say where to, such as: make publish STORE=/srv/images))
	@$(FORGE) publish --to '$(STORE)' $(ARGS)

upload: ## behind an image: also take it into this site's store: make debian-13 upload
	$(if $(filter-out upload,$(MAKECMDGOALS)),@:,$(error say which image, such as: make debian-13 upload))

list: setup ## the images, and what is built of them
	@$(FORGE) list $(ARGS)

doctor: setup ## what this machine lacks
	@$(FORGE) doctor $(ARGS)

clean: setup ## remove what failed builds left; ARGS=--all also builds and caches
	@$(FORGE) clean $(ARGS)

distclean: ## remove the virtual environment
	rm -rf $(VENV)

boot-%: setup-boot
	$(FORGE) boot $* $(ARGS)

# Every other target is an image name; fai-forge says so if it is not.
.DEFAULT:
	@$(MAKE) --no-print-directory setup
	$(FORGE) build $@ $(if $(UPLOAD),--upload) $(ARGS)
