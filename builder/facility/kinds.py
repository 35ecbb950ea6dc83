# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of remotes and targets, as `facility.yaml` writes them: one model for each kind.

What a kind does is in the module of its name, below `remotes/` and `targets/`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from builder.manifest.parts import Series

Line = Annotated[str, StringConstraints(pattern=r"^\S[^\n]*$")]
HttpsUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]


class Entry(BaseModel):
    """What all parts of the file share: no unknown field, no change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, populate_by_name=True
    )


class Token(Entry):
    """Where a secret is; never the secret itself."""

    env: Variable | None = None
    """The environment variable that holds it."""
    file: Line | None = None
    """The file that holds it, which only its owner may read (mode 0600)."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("a token is in a variable (env) or in a file, and not in both")
        return self


class StoreRemote(Entry):
    """A store of fai-forge, also that of another site: a folder, or https, sftp, s3."""

    kind: Literal["store"]
    url: Line
    """Where it is: a folder, or a URL with https://, sftp:// or s3://."""
    keyring: Line
    """The file with the public keys that may sign its index."""


class Product(Entry):
    """One image that a remote has under another name."""

    name: Series
    """What it is called here, such as alpine-322-arm64."""
    title: Line | None = None
    """The name for people; the remote's own if it is not there."""
    default_user: str = ""
    """Who logs in, where that is known."""
    format: str = ""
    """The file's format, such as raw, where its name does not tell it."""


class SimplestreamsProduct(Product):
    """One product of a simplestreams server."""

    product: Line
    """The product's key in the index, such as com.ubuntu.cloud:server:24.04:amd64."""
    item: str = ""
    """The item of each version to take; by its file type where it is not there."""


class SimplestreamsRemote(Entry):
    """A simplestreams server, such as Incus' and Ubuntu's image servers are."""

    kind: Literal["simplestreams"]
    url: HttpsUrl
    """The folder above streams/v1."""
    keyring: Line | None = None
    """The public keys that sign it (.sjson); without, only TLS vouches, and manifests say so."""
    images: tuple[SimplestreamsProduct, ...]


class AssetProduct(Product):
    """An image among the files of a release, a package or a job."""

    asset: Line
    """A regular expression for the file's whole name; a group (?P<version>...) is its version."""


class Checksums(Entry):
    """The files that vouch for a remote's files."""

    checksums: Line | None = None
    """The name of the file with digests (SHA256SUMS, SHA512SUMS, or CHECKSUM as BSD writes it)."""
    signature: Line | None = None
    """The name of the file with its signature; the same name if the file itself is clearsigned."""
    keyring: Line | None = None
    """The public keys that may sign it."""

    @model_validator(mode="after")
    def _signature_needs_keys(self) -> Self:
        if self.signature and not (self.checksums and self.keyring):
            raise ValueError("a signature needs checksums and a keyring")
        if self.keyring and not self.signature:
            raise ValueError("a keyring needs a signature")
        return self


class GithubRemote(Checksums):
    """The releases of a repository at GitHub."""

    kind: Literal["github"]
    repository: Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]
    """OWNER/NAME."""
    api: HttpsUrl = "https://api.github.com"
    """Where the API is, for GitHub Enterprise."""
    token: Token | None = None
    """For private repositories, and for more than 60 requests in an hour."""
    prereleases: bool = False
    """Whether to take prereleases as well."""
    images: tuple[AssetProduct, ...]


class GitlabRemote(Checksums):
    """A project at a GitLab: its generic packages, or the artifacts of a job."""

    kind: Literal["gitlab"]
    url: HttpsUrl
    """The GitLab itself, such as https://gitlab.example.org."""
    project: Line
    """GROUP/NAME, or the project's number."""
    package: str = ""
    """The generic package that has the files; its versions are the builds."""
    job: str = ""
    """The job whose artifacts have the files."""
    branch: str = ""
    """The branch whose newest successful pipeline counts (for a job)."""
    pipeline: Annotated[int, Field(gt=0)] | None = None
    """The pipeline that counts, instead of a branch's newest."""
    token: Token | None = None
    images: tuple[AssetProduct, ...]

    @model_validator(mode="after")
    def _is_package_or_job(self) -> Self:
        if bool(self.package) == bool(self.job):
            raise ValueError("either package or job is needed, and not both")
        if self.job and bool(self.branch) == (self.pipeline is not None):
            raise ValueError("a job needs a branch or a pipeline, and not both")
        return self


class TemplateProduct(Product):
    """An image at a URL with its version in it."""

    file: Line
    """The URL behind the remote's own; {version} stands for the version, {arch} for the machine."""
    arch: str = "amd64"
    """What stands in place of {arch}."""


class TemplateRemote(Checksums):
    """Any web server, by URLs with the version in them."""

    kind: Literal["url"]
    url: HttpsUrl
    """The folder that the others are relative to; {version} and {arch} may stand in those."""
    versions: Line | None = None
    """A document (relative to url); the greatest match of `version` in it is the newest version."""
    version: Line = r"[0-9][0-9A-Za-z._-]*"
    """The regular expression of a version, or of a group (?P<version>...) around it; the version
    itself where `versions` is not there."""
    token: Token | None = None
    """Sent as a bearer token."""
    images: tuple[TemplateProduct, ...]


RemoteEntry = Annotated[
    StoreRemote | SimplestreamsRemote | GithubRemote | GitlabRemote | TemplateRemote,
    Field(discriminator="kind"),
]


class KeepingTarget(Entry):
    """What all targets of ours share."""

    keep: Annotated[int, Field(ge=0)] = 2
    """How many older images of each series stay there; those in use stay in any case."""


class FolderTarget(KeepingTarget):
    """A plain folder: NAME-SERIAL files, and a link NAME to the newest."""

    kind: Literal["folder"]
    path: Line
    formats: tuple[str, ...] = ("qcow2", "raw")
    """The formats that it takes, the best one first."""


class LibvirtTarget(KeepingTarget):
    """A storage pool of libvirt."""

    kind: Literal["libvirt"]
    uri: Line = "qemu:///system"
    """The connection; for another host such as qemu+ssh://kvm1/system."""
    pool: Line = "default"


class GlanceTarget(KeepingTarget):
    """OpenStack's image service; older images stay there hidden."""

    kind: Literal["glance"]
    cloud: Line
    """The cloud's name in clouds.yaml, which has the login."""
    visibility: Literal["private", "shared", "community", "public"] = "private"
    properties: dict[str, str] = {}
    """Properties to add to those that are known of each image."""
    formats: tuple[str, ...] = ("qcow2", "raw")


class IncusTarget(KeepingTarget):
    """The image store of an Incus server."""

    kind: Literal["incus"]
    remote: Line = "local"
    """The server, by its name in Incus' client."""
    project: Line = "default"
    formats: tuple[str, ...] = ("qcow2", "rootfs.tar.xz")


class PythonTarget(Entry):
    """A target that a site wrote itself: docs/targets.md says how."""

    kind: Literal["python"]
    entry_point: Line
    """Its name among the entry points `fai_forge.targets` of installed packages."""
    options: dict[str, str] = {}
    """What it wants to know; it looks at them itself."""


TargetEntry = Annotated[
    FolderTarget | LibvirtTarget | GlanceTarget | IncusTarget | PythonTarget,
    Field(discriminator="kind"),
]
