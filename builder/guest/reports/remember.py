# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the report of a boot goes: into the document, the page and, of a build, the manifest.

Boots of one build may end at the same moment, in threads or in other processes: who writes holds a
lock on the folder itself, since all that lies in it is published.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.builds import Built
from builder.errors import UsageError
from builder.guest.reports import page, report
from builder.guest.reports.report import Boot, Report
from builder.manifest import document
from builder.manifest.model import Manifest, Verdict


@dataclass(frozen=True)
class Records:
    """What is written about the boots of one image, in `folder`; `built` is None for a file."""

    folder: Path
    name: str
    arch: str
    built: Built | None = None

    @property
    def stem(self) -> str:
        """What the names of the files begin with."""
        return str(self.built) if self.built else self.name

    @property
    def document(self) -> Path:
        """The report for programs."""
        return self.folder / f"{self.stem}{report.SUFFIX}"

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.folder / f"{self.stem}{page.SUFFIX}"

    def add(self, boot: Boot) -> Report:
        """Write a boot down, in place of an older one of its kind; the report of all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            whole = self._known(boot).with_boot(boot)
            _replace(self.document, report.dump(whole))
            manifest = _remembered(self.built, boot, self.folder) if self.built else None
            checks = manifest.checks if manifest else ()
            title = manifest.title if manifest else self.name
            subject = page.Subject(self.stem, title, self.arch, manifest)
            _replace(self.page, page.render(subject, checks, whole, self.folder))
            return whole

    def report(self, boots: Iterable[Boot]) -> Report:
        """The document about these boots alone."""
        serial = self.built.serial if self.built else None
        return Report(name=self.name, serial=serial, arch=self.arch, boots=tuple(boots))

    def _known(self, boot: Boot) -> Report:
        """What is known of this very image; of another one under this name, nothing is.

        A build has more than one image: a container starts from its tarball.
        """
        new = self.report(())
        try:
            found = report.load(self.document)
        except UsageError:
            # Somebody else's, or of a program to come: this one is about what is there now.
            return new
        if found is None:
            return new
        same = [
            each
            for each in found.boots
            if each.image.sha256 == boot.image.sha256
            or (self.built is not None and each.image.name != boot.image.name)
        ]
        return new.model_copy(update={"boots": tuple(same)})


def _remembered(built: Built, boot: Boot, folder: Path) -> Manifest:
    """The build's manifest with a boot's verdict, in place of an older one; it is written."""
    known = document.load(built.manifest)
    junit = f"boot-{boot.name}.xml"
    entry = Verdict(
        name=boot.name,
        verdict=boot.verdict,
        detail=page.counted(boot),
        log=junit if folder == built.folder and (folder / junit).is_file() else None,
    )
    others = tuple(each for each in known.boots if each.name != entry.name)
    boots = tuple(sorted((*others, entry), key=lambda each: each.name))
    changed = known.model_copy(update={"boots": boots})
    _replace(built.manifest, document.dump(changed))
    return changed


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
