# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of a project at a GitLab: its generic packages, or the artifacts of a job.

https://docs.gitlab.com/api/jobs and /api/job_artifacts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, NonNegativeInt

from builder.checksums import Checksum
from builder.downloads import records
from builder.downloads.client import Client
from builder.downloads.documents import Documents
from builder.downloads.records import Moment
from builder.errors import InfrastructureError
from builder.facility.kinds import AssetProduct, GitlabRemote
from builder.facility.remotes import access, assets, ziplist
from builder.facility.remotes.assets import Asset, Choice, Listed
from builder.facility.site import Site
from builder.imports import bringing, gitlabapi
from builder.imports.gitlabapi import Package, PackageFile
from builder.imports.offers import Brought, Offer
from builder.imports.vouching import Voucher
from builder.store.keys import Keyring
from builder.store.place import OnBytes

ARCHIVE: Final = "archive"


class _Pipeline(BaseModel):
    id: int


class _Artifact(BaseModel):
    file_type: str
    size: NonNegativeInt


class _Job(BaseModel):
    id: int
    name: str
    created_at: Moment
    finished_at: Moment | None = None
    artifacts: list[_Artifact] = []

    @property
    def archive(self) -> int | None:
        """The size of its archive in bytes; None where it has none, or none any more."""
        return next((each.size for each in self.artifacts if each.file_type == ARCHIVE), None)


@dataclass(frozen=True)
class GitlabProject:
    """A remote of the kind `gitlab`."""

    name: str
    entry: GitlabRemote
    site: Site
    client: Client
    documents: Documents

    @property
    def url(self) -> str:
        """The project, as the API has it."""
        return gitlabapi.project(self.entry.url, self.entry.project)

    def offers(self, name: str | None = None) -> Sequence[Offer]:
        """The images of the newest packages, or of the job; see `Remote`."""
        choice = Choice(self.name, access.chosen(self.entry.images, name))
        if self.entry.job:
            return assets.newest(choice, [self._job()], self._of_job)
        return assets.newest(choice, self._packages(), self._of_package)

    def bring(
        self, offer: Offer, formats: Sequence[str], folder: Path, on_bytes: OnBytes
    ) -> Brought:
        """Bring the images of one package or job; see `Remote`."""
        image: AssetProduct = access.product(self.entry.images, offer)
        return bringing.bring(
            self.client, offer, access.described(image), formats, folder, on_bytes
        )

    @cached_property
    def _keyring(self) -> Keyring | None:
        return access.keyring(self.entry.keyring, self.site)

    def _packages(self) -> Iterable[Package]:
        return gitlabapi.packages(self.documents, self.url, self.entry.package)

    def _of_package(self, package: Package) -> Listed:
        found = gitlabapi.files(self.documents, self.url, package)
        version = package.version or ""
        where = f"the package {package.name} {version} of {self.entry.project}"
        folder = gitlabapi.folder(self.url, package)

        def read(file: str, largest: int) -> bytes:
            if file not in found:
                raise InfrastructureError(
                    f"{where} has no {file}",
                    hint="its digests are nowhere else; it may be uploaded later than the images",
                )
            return self.documents.get(f"{folder}/{records.part(file)}", largest=largest).content

        def asset(file: PackageFile) -> Asset:
            return Asset(
                name=file.file_name,
                url=f"{folder}/{records.part(file.file_name)}",
                version=version,
                date=file.created_at,
                size=file.size,
                told=Checksum("sha256", file.file_sha256) if file.file_sha256 else None,
            )

        return Listed(
            [(name, partial(asset, file)) for name, file in found.items()],
            lambda: access.voucher(self.entry, self._keyring, read, where),
        )

    def _job(self) -> _Job:
        """The job whose artifacts count: of the pipeline, or of the branch's newest good one."""
        pipeline = self.entry.pipeline or self._pipeline()
        jobs = [
            job
            for page in self.documents.pages(
                f"{self.url}/pipelines/{pipeline}/jobs?scope=success&per_page=100"
            )
            for job in records.rows(_Job, page)
            if job.name == self.entry.job
        ]
        if not jobs:
            raise InfrastructureError(
                f"the pipeline {pipeline} of {self.entry.project} has no successful job"
                f" {self.entry.job}",
                hint="a job's name is written as in .gitlab-ci.yml",
            )
        job = max(jobs, key=lambda each: each.id)
        if job.archive is None:
            raise InfrastructureError(
                f"the job {job.id} of {self.entry.project} has no artifacts, or none any more",
                hint="artifacts:expire_in of .gitlab-ci.yml says how long they are kept",
            )
        return job

    def _pipeline(self) -> int:
        branch = records.part(self.entry.branch)
        url = f"{self.url}/pipelines?ref={branch}&status=success&order_by=id&sort=desc&per_page=1"
        found = records.rows(_Pipeline, self.documents.get(url))
        if not found:
            raise InfrastructureError(
                f"the branch {self.entry.branch} of {self.entry.project} has no good pipeline",
                hint="is the branch's name right?",
            )
        return found[0].id

    def _of_job(self, job: _Job) -> Listed:
        folder = f"{self.url}/jobs/{job.id}/artifacts"
        where = f"the job {job.id} of {self.entry.project}"

        def read(file: str, largest: int) -> bytes:
            return self.documents.get(f"{folder}/{records.path(file)}", largest=largest).content

        voucher = access.voucher(self.entry, self._keyring, read, where)
        files = self._artifacts(folder, job, voucher)

        def asset(file: str) -> Asset:
            return Asset(
                name=file.rpartition("/")[2],
                url=f"{folder}/{records.path(file, InfrastructureError)}",
                version=f"job {job.id}",
                dated=False,
                date=job.finished_at or job.created_at,
                size=files[file],
            )

        return Listed(
            [(file.rpartition("/")[2], partial(asset, file)) for file in files], lambda: voucher
        )

    def _artifacts(
        self, folder: str, job: _Job, voucher: Voucher | None
    ) -> Mapping[str, int | None]:
        """The files of a job by their paths: those beside the list of digests, or all."""
        if voucher is None:
            return ziplist.files(self.client, folder, job.archive or 0)
        beside = (self.entry.checksums or "").rpartition("/")[0]
        names = (name for name in voucher.sums.names if "/" not in name)
        return {f"{beside}/{name}" if beside else name: None for name in names}


def _private(token: str) -> Mapping[str, str]:
    return {"PRIVATE-TOKEN": token}


def open_remote(name: str, entry: GitlabRemote, site: Site) -> GitlabProject:
    """The remote that an entry of `facility.yaml` names; UsageError for what cannot be meant."""
    for image in entry.images:
        access.pattern(image.asset, name)
    client = access.client(entry.url, entry.token, site, _private)
    return GitlabProject(name, entry, site, client, access.documents(client))
