# SPDX-License-Identifier: GPL-2.0-or-later
"""Images, a store and an archive, and `fai-forge plan` run on them as a user does."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from builder import classes, cli, names, paths, pipeline
from builder.archive.aptroot import AptRoot
from builder.archive.sources import KEYRINGS
from builder.builds import Builds, Built
from builder.manifest import collect, document, model
from builder.manifest.decision import Decision
from builder.planning.prospect import Ground, look
from builder.policy.facts import Prospect
from tests.integration.aptarchive import Debian
from tests.integration.harness import NAME, ROOT, in_private_mounts

# Where the keyring is that tests put another in the place of.
MACHINES_KEYRING = KEYRINGS["debian"]
# The same image under another policy.
OTHER = f"{NAME}-other"
POLICIES = {NAME: "security", OTHER: "reboot-required"}
# What it is made of; nginx is in the archive and not in the image.
ASKED = ("netbase", "openssl", "curl", "less", "linux-image-amd64")
PROJECT = {"TINY/package_config/TINY": f"PACKAGES install-norec\n{' '.join(ASKED)}\n"}

# kind, package, old, new, effect
Told = tuple[str, str | None, str | None, str | None, str]


def images_yaml() -> str:
    """The repository's policies, the images of these tests, and a list of advisories."""
    file = yaml.safe_load((ROOT / "images.yaml").read_text())
    file["images"] = [
        {"name": name, "formats": ["qcow2"], "policy": policy} for name, policy in POLICIES.items()
    ]
    file["advisories"] = {"dsa": "dsa.list"}
    return yaml.safe_dump(file)


def reasons(decision: Decision) -> list[Told]:
    """What a decision tells, without the words."""
    return [(one.kind, one.package, one.old, one.new, one.effect) for one in decision.reasons]


@dataclass(frozen=True)
class Ran:
    """A `fai-forge` that ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Story:
    """What happens to an archive and to the images that are published from it.

    The project and the cache are those of the environment.
    """

    debian: Debian
    project: Path
    store: Path

    @property
    def ground(self) -> Ground:
        """What a plan stands on."""
        known = pipeline.catalogue(self.project)
        return Ground(self.project, known, paths.cache(), *self.debian.mirrors)

    @property
    def root(self) -> AptRoot:
        """The private apt root of the first image."""
        ground = self.ground
        return ground.root(classes.resolve(ground.known, names.parse(NAME)))

    def advise(self, advisory: str, source: str, version: str, *cves: str) -> None:
        """The security team announces an update."""
        with (self.project / "dsa.list").open("a") as file:
            file.write(
                f"[21 Nov 2026] {advisory} {source} - security update\n"
                f"\t{{{' '.join(cves)}}}\n\t[trixie] - {source} {version}\n"
            )

    def publish_image(self, name: str = NAME) -> None:
        """Publish what a build would get now."""
        prospect = look(self.ground, names.parse(name))
        existing = [built.serial for built in Builds(self.store).of(name)]
        serial = names.next_serial(datetime.now(UTC).date(), existing)
        built = Built(name, serial, self.store / name / serial)
        built.folder.mkdir(parents=True)
        built.manifest.write_text(document.dump(manifest_of(prospect, serial)))

    def words(self, *argv: str) -> list[str]:
        """The arguments that plan with this store and archive."""
        main, security = self.debian.mirrors
        mirrors = ("--mirror", main, "--security-mirror", security)
        return ["plan", *argv, "--store", str(self.store), *mirrors]

    def run(self, *argv: str) -> Ran:
        """`fai-forge plan`, within this process: a story has many of them."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = cli.main(self.words(*argv))
        return Ran(code, out.getvalue(), err.getvalue())

    def run_program(self, *argv: str) -> Ran:
        """`fai-forge plan` as a program, where the key of the archive is the machine's own."""
        path, _ = MACHINES_KEYRING
        bind = f"mount --bind {self.debian.key.keyring} {path}"
        done = subprocess.run(
            [*in_private_mounts(bind), sys.executable, "-m", "builder", *self.words(*argv)],
            check=False,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def plan(self, *argv: str, code: int = 0) -> dict[str, Decision]:
        """The decisions, by image."""
        ran = self.run(*argv, "--json")
        assert ran.code == code, ran.out + ran.err
        found = [Decision.model_validate(each) for each in json.loads(ran.out)["decisions"]]
        return {each.name: each for each in found}

    def decide(self, *argv: str, code: int = 0) -> Decision:
        """The decision on the first image."""
        return self.plan(NAME, *argv, code=code)[NAME]


def manifest_of(prospect: Prospect, serial: str) -> model.Manifest:
    """The manifest of a build that got what was predicted, made now."""
    name = names.parse(prospect.name)
    now = datetime.now(UTC).replace(microsecond=0)
    return model.Manifest(
        name=prospect.name,
        serial=serial,
        title=names.title(name),
        distro=name.distro,
        release=name.release,
        codename="trixie",
        arch=name.arch,
        roles=name.roles,
        classes=(model.FaiClass(name="DEBIAN", overlay="DEBIAN"),),
        build=model.Build(
            tool_version=prospect.tool_version,
            fai_version="6",
            source_date_epoch=int(now.timestamp()),
            date=now,
            command=f"fai-forge build {name}",
            config_space=model.ConfigSpace(digest=prospect.config, files=()),
            commits=(),
            apt_sources=tuple(model.AptSource.of(source) for source in prospect.releases),
            tools_tree=model.ToolsTree(digest="0" * 64, packages=()),
        ),
        packages=collect.entries(collect.Installed(**vars(each)) for each in prospect.packages),
        files=(),
    )
