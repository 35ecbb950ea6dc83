# SPDX-License-Identifier: GPL-2.0-or-later
"""GitLab's generic packages, as its API has them: https://docs.gitlab.com/api/packages.

Plain requests and not python-gitlab: that would send a token along wherever a download is
redirected to.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, NonNegativeInt

from builder.downloads import records
from builder.downloads.documents import Documents
from builder.downloads.records import Moment
from builder.errors import InfrastructureError
from builder.manifest.parts import Sha256


class Package(BaseModel):
    """One version of a package."""

    id: int
    name: str
    version: str | None = None
    status: str = "default"
    created_at: Moment


class PackageFile(BaseModel):
    """One file of it."""

    id: int
    file_name: str
    size: NonNegativeInt
    created_at: Moment
    file_sha256: Sha256 | None = None


def project(url: str, name: str) -> str:
    """A project of a GitLab, by its full name or its number, as the API has it."""
    return f"{url.rstrip('/')}/api/v4/projects/{records.part(name)}"


def packages(documents: Documents, address: str, name: str) -> list[Package]:
    """All versions of a generic package of a project, the newest first.

    InfrastructureError where there is none.
    """
    # The server's search knows parts of names only.
    url = (
        f"{address}/packages?package_type=generic&package_name={records.part(name)}"
        "&order_by=created_at&sort=desc&per_page=100"
    )
    found = [
        package
        for page in documents.pages(url)
        for package in records.rows(Package, page)
        if package.name == name and package.status == "default" and package.version
    ]
    if not found:
        raise InfrastructureError(
            f"{address} has no generic package {name}",
            hint="the token may not read the package registry, or the name is another",
        )
    return sorted(found, key=lambda each: (each.created_at, each.id), reverse=True)


def files(documents: Documents, address: str, package: Package) -> Mapping[str, PackageFile]:
    """The files of one version, by their names."""
    pages = documents.pages(f"{address}/packages/{package.id}/package_files?per_page=100")
    # A file that was uploaded again stays beside the new one; a download gives the newest.
    found: dict[str, PackageFile] = {}
    for each in (each for page in pages for each in records.rows(PackageFile, page)):
        if each.file_name not in found or found[each.file_name].id < each.id:
            found[each.file_name] = each
    return found


def folder(address: str, package: Package) -> str:
    """Where the files of one version are, without a slash at its end."""
    name, version = records.part(package.name), records.part(package.version or "")
    return f"{address}/packages/generic/{name}/{version}"
