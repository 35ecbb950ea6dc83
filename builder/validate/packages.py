# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages that a class asks for and that an archive of its releases does not have.

FAI's own `install_packages` reads each package_config, for each release and architecture that the
class combines with; apt is asked in a private root of that release.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.archive import predict, sources
from builder.archive.aptroot import AptRoot
from builder.classes import Catalogue, ImageSpec, resolve, series
from builder.classes.model import FILE
from builder.errors import BuildError, InfrastructureError, UsageError
from builder.install import fai
from builder.install.supplies import Archive
from builder.models import ExtraSource
from builder.names import Name
from builder.progress import Progress
from builder.run import run
from builder.validate.finding import Finding

CHECK = "packages"
AT_ONCE = 4
# What install_packages complains of while it reads.
COMPLAINT = re.compile(r"^(?:WARNING|ERROR):? (?P<what>.+)")
WORD = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True)
class Wish:
    """A package that a file of a class asks for."""

    package: str
    file: Path


@dataclass(frozen=True)
class Plan:
    """Images of one release and architecture, with the same sources: what classes want of them.

    `spec` is the first of these images; `release` is the class.yaml of their release.
    """

    spec: ImageSpec
    wishes: tuple[Wish, ...]
    release: Path

    @property
    def name(self) -> str:
        """The image that stands for all."""
        return str(self.spec.name)


@dataclass
class _Together:
    """With which classes each class may be in these images."""

    spec: ImageSpec
    classes: dict[str, set[str]] = field(default_factory=dict)


def plan(
    catalogue: Catalogue, chosen: Sequence[str]
) -> tuple[tuple[Plan, ...], tuple[Finding, ...]]:
    """What the chosen classes want, and what install_packages finds wrong in their lists."""
    together: dict[tuple[Name, tuple[ExtraSource, ...]], _Together] = {}
    for name in series(catalogue):
        spec = resolve(catalogue, name)
        known = together.setdefault((replace(name, roles=()), spec.sources), _Together(spec))
        for one in spec.classes:
            known.classes.setdefault(one, set()).update(spec.classes)
    reader = _Reader(catalogue)
    plans = []
    for known in together.values():
        wishes: dict[Wish, None] = {}
        for one in chosen:
            if one in known.classes:
                wishes |= dict.fromkeys(reader.wishes(one, known.classes[one], known.spec.arch))
        if wishes:
            plans.append(Plan(known.spec, tuple(wishes), _release(catalogue, known.spec)))
    return tuple(plans), tuple(dict.fromkeys(reader.complaints))


def _release(catalogue: Catalogue, spec: ImageSpec) -> Path:
    """The class.yaml of an image's release."""
    return next(one.path for one in catalogue.of_kind("release") if one.name in spec.classes)


class _Reader:
    """Reads package_config by FAI's own program, once for each set of classes that matters."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.complaints: list[Finding] = []
        self._catalogue = catalogue
        self._known: dict[tuple[Path, frozenset[str]], tuple[Wish, ...]] = {}

    def wishes(self, name: str, together: set[str], arch: str) -> Iterator[Wish]:
        """What a class asks for in images of an architecture that have some of these classes."""
        for overlay in self._catalogue.overlays((name,)):
            file = overlay.path / "package_config" / name
            if file.is_file():
                yield from self._read(file, name, together)
        one = self._catalogue.classes.get(name)
        if one is None:
            return
        promised = (*one.packages, *([one.kernel[arch]] if arch in one.kernel else []))
        yield from (Wish(package, one.path) for package in promised)

    def _read(self, file: Path, name: str, together: set[str]) -> tuple[Wish, ...]:
        # A list is read alike where the same of the classes that it speaks of are there.
        spoken_of = frozenset(WORD.findall(file.read_text(encoding="utf-8"))) & together
        key = (file, spoken_of)
        if key not in self._known:
            with TemporaryDirectory(prefix="fai-forge-") as folder:
                config = Path(folder)
                (config / "package_config").mkdir()
                shutil.copyfile(file, config / "package_config" / name)
                lines = fai.ask_packages(config, [name, *sorted(together - {name})])
            self.complaints += [
                Finding(CHECK, file, f"FAI says: {match['what']}", "mend that line")
                for line in lines
                if (match := COMPLAINT.match(line))
            ]
            self._known[key] = tuple(Wish(each, file) for each in fai.read_answer(lines).packages)
        return self._known[key]


@dataclass(frozen=True)
class Answer:
    """What the archives said: packages they lack, and which of them could not be asked, and why."""

    findings: tuple[Finding, ...]
    asked: tuple[str, ...]
    silent: Mapping[str, str]


def ask(plans: Sequence[Plan], archive: Archive, progress: Progress) -> Answer:
    """Ask each archive; a package that several releases lack is one finding."""
    lacking: dict[Wish, list[str]] = {}
    asked: list[str] = []
    silent: dict[str, str] = {}
    refused: list[Finding] = []
    # Refreshing is mostly waiting. Each plan has an apt root of its own.
    with ThreadPoolExecutor(max_workers=AT_ONCE) as workers:
        waiting = [
            (one, workers.submit(_missing, root, one))
            for one, root in _roots(plans, archive, silent, refused)
        ]
        for number, (one, answer) in enumerate(waiting):
            progress.update(number, len(waiting), one.name)
            try:
                missing = answer.result()
            except InfrastructureError as error:
                silent[one.name] = _reason(error)
                continue
            except UsageError as error:
                refused.append(_refusal(one, error))
                continue
            asked.append(one.name)
            for wish in one.wishes:
                if wish.package in missing:
                    lacking.setdefault(wish, []).append(one.name)
    missing_packages = (_finding(wish, names, asked) for wish, names in lacking.items())
    return Answer((*refused, *missing_packages), tuple(asked), silent)


def _roots(
    plans: Sequence[Plan], archive: Archive, silent: dict[str, str], refused: list[Finding]
) -> Iterator[tuple[Plan, AptRoot]]:
    """The private apt root of each plan; the others go to `silent` and `refused`."""
    for one in plans:
        distro = one.spec.name.distro
        try:
            own = sources.image_sources(distro, one.spec.codename, one.spec.sources)
            yield one, archive.open(own, one.spec.arch, distro)
        except InfrastructureError as error:
            silent[one.name] = _reason(error)
        except UsageError as error:
            refused.append(_refusal(one, error))


def _reason(error: InfrastructureError) -> str:
    """Why an archive could not be asked, with apt's own first complaint."""
    said = (line for line in error.hint.splitlines() if line.startswith("E: "))
    return ": ".join(filter(None, (error.message, next(said, "").removeprefix("E: "))))


def _refusal(one: Plan, error: UsageError) -> Finding:
    """An image can be named, and its archive has a suite, a component or an architecture less."""
    return Finding(
        CHECK,
        one.release,
        f"{one.name} can be named, but {error.message}",
        f"let classes that do not go together conflict; {error.hint}",
    )


def _missing(root: AptRoot, one: Plan) -> frozenset[str]:
    """Which of a plan's packages its archive lacks."""
    root.refresh()
    return unknown(root, tuple(dict.fromkeys(wish.package for wish in one.wishes)))


def unknown(root: AptRoot, packages: Sequence[str]) -> frozenset[str]:
    """Which of these words apt could not install anything for."""
    known = set(run(["apt-cache", "pkgnames"], env=root.environment, capture=True).output.split())
    missing = set()
    # Virtual packages, versions and patterns: apt has the last word.
    for word in packages:
        if word in known:
            continue
        try:
            predict.choose(root, [word])
        except BuildError:
            missing.add(word)
    return frozenset(missing)


def _finding(wish: Wish, names: Sequence[str], asked: Sequence[str]) -> Finding:
    where = "no release" if set(names) == set(asked) and len(asked) > 1 else ", ".join(names)
    has = f"{where} has" if where == "no release" else f"the archive of {where} does not have"
    verb = "promises" if wish.file.name == FILE else "asks for"
    return Finding(
        CHECK,
        wish.file,
        f"{has} the package {wish.package}, which the class {verb}",
        "correct the name, or list it for the releases and architectures that have it only:"
        " PACKAGES install-norec TRIXIE",
        _line(wish),
    )


def _line(wish: Wish) -> int:
    """The first line of a file that has the package as a word."""
    text = wish.file.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        words = re.split(r"[\s,\[\]{}:]+", line.partition("#")[0])
        if wish.package in words:
            return number
    return 0
