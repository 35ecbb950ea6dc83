# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of indexes, as `upstreams/*.yaml` writes them: one model for each kind.

What a kind does is in the module that `indexes/open.py` names for it.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from builder.facility.kinds import Entry, Line, Token

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[^\s/]+$")]


class ChecksumsIndex(Entry):
    """A list of digests that names all versions, in the folder of the images."""

    kind: Literal["checksums"]
    list: Url
    """The list: SHA256SUMS, CHECKSUM and their kin."""


class ListingIndex(Entry):
    """A folder that a web server lists."""

    kind: Literal["listing"]
    url: Url
    """The folder, with a slash at its end."""
    form: Literal["html", "jsontable"] = "html"
    """`jsontable` for what openSUSE's servers answer to `?jsontable`."""
    folder: str = ""
    """The regular expression of a sub-folder's name; its groups are those of `file`. The images are
    in the greatest one that has them."""
    below: str = ""
    """The folder of the images below that sub-folder, with a slash at its end."""
    releases: Url | None = None
    """The JSON document that says which releases there are, in the form of openSUSE's."""
    product: Line = ""
    """What the distribution is called in that document."""


class SimplestreamsIndex(Entry):
    """A simplestreams server, such as Ubuntu's."""

    kind: Literal["simplestreams"]
    url: Url
    product: Line
    """The product's key in the index."""
    item: Line
    """The item of each version."""


class DebianIndex(Entry):
    """Debian's own description of its cloud images."""

    kind: Literal["debian"]
    url: Url
    """The JSON document of the newest image."""
    images: Url
    """The folder that the document's references are relative to, with a slash at its end."""
    format: Literal["qcow2", "raw"] = "qcow2"


class FedoraIndex(Entry):
    """Fedora's releases.json; a compose's images.json tells what that leaves out."""

    kind: Literal["fedora"]
    url: Url
    """releases.json."""
    variant: Line = "Cloud"
    subvariant: Line = "Cloud_Base"
    compose: Url | None = None
    """The folder of a release's compose metadata, with a slash at its end. composeinfo.json in it
    tells the day, images.json what releases.json leaves out; both only if they are of the same
    compose as the images."""


class AlpineIndex(Entry):
    """Alpine's releases: branches, each with a folder of cloud images."""

    kind: Literal["alpine"]
    url: Url
    """The folder of the branches, with a slash at its end."""
    below: str = "releases/cloud/"
    """The folder of the images below a branch."""
    newest: Url | None = None
    """A latest-releases.yaml, which tells the newest branch; the folder's list where nothing is
    said, or where that branch has no images yet."""


class GitlabIndex(Entry):
    """The generic packages of a project at a GitLab, such as Arch Linux' images."""

    kind: Literal["gitlab"]
    url: Url
    """The GitLab itself."""
    project: Line
    package: Line
    files: Url | None = None
    """A folder with a folder for each version of the package, where the same files are; with a
    slash at its end. The GitLab's own files where nothing is said."""


class GithubIndex(Entry):
    """The releases of a repository at GitHub, such as CirrOS'."""

    kind: Literal["github"]
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    api: Url = "https://api.github.com"
    token: Token | None = None


class VersionFileIndex(Entry):
    """A file with nothing but the newest version in it, such as CirrOS'."""

    kind: Literal["version-file"]
    url: Url
    image: Url
    """The image; {version} stands for what the file says."""


class OracleIndex(Entry):
    """Oracle's description of its templates."""

    kind: Literal["oracle"]
    url: Url
    """The JSON document of one template."""
    format: Line = "kvm"
    """Which of its images."""


class RhelIndex(Entry):
    """Red Hat's API, which wants an offline token."""

    kind: Literal["rhel"]
    url: Url = "https://api.access.redhat.com/management/v1/images"
    login: Url = "https://sso.redhat.com/auth/realms/redhat-external/protocol/openid-connect/token"
    content_set: Line
    """Such as rhel-{release}-for-{arch}-baseos-isos."""
    token: Token
    """Where the offline token is."""


class GivenImage(Entry):
    """One version of an image that a site supplies."""

    arch: Line
    """Debian's name of the architecture."""
    file: Line | None = None
    """A path; relative to the folder of the YAML file."""
    url: Url | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    date: date
    """The day on which its makers made it, or the site."""
    version: Line | None = None
    """What its makers call it; as the name tells it where nothing is said."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.file is None) == (self.url is None):
            raise ValueError("the image is a file, or at a url, and not both")
        return self


class GivenIndex(Entry):
    """Images that a site supplies, since nobody may fetch them without a login or a licence.

    Without any, the file says only what else is known of the distribution.
    """

    kind: Literal["given"]
    images: tuple[GivenImage, ...] = ()

    def of(self, arch: str) -> tuple[GivenImage, ...]:
        """Those for an architecture."""
        return tuple(each for each in self.images if each.arch == arch)


IndexEntry = Annotated[
    ChecksumsIndex
    | ListingIndex
    | SimplestreamsIndex
    | DebianIndex
    | FedoraIndex
    | AlpineIndex
    | GitlabIndex
    | GithubIndex
    | VersionFileIndex
    | OracleIndex
    | RhelIndex
    | GivenIndex,
    Field(discriminator="kind"),
]
