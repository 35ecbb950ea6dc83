# SPDX-License-Identifier: GPL-2.0-or-later
"""How an image is built, from its name to its files: a table of contents that calls the rooms.

`build` runs inside the sandbox. Each step is one function of one room; what they hand on is in
`Supplies` and `Installed`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder import buildlog, classes, configspace, images, names, provenance
from builder.archive import pool, sources
from builder.builds import BUILD_LOG, MANIFEST, Builds, Built, Draft
from builder.checks import offline, predicted
from builder.checks.culprits import culprits
from builder.checks.meant import meant
from builder.checks.terms import CheckResult
from builder.disk import formats
from builder.disk.assemble import assemble
from builder.disk.normalise import clamp_times
from builder.errors import UsageError
from builder.install import rootfs, sandbox, tools, workspace
from builder.install.installation import install
from builder.install.supplies import Archive, Supplies, provide
from builder.manifest import collect, compose, document, model, text
from builder.manifest.decision import Decision
from builder.models import BuildId, DiskIds
from builder.progress import Progress, Stopwatch
from builder.run import run
from builder.sites.outside import Outside

DEFAULT_FORMATS = (formats.DEFAULT_FORMAT,)


@dataclass(frozen=True)
class Request:
    """What to build, and from where; paths are absolute.

    `epoch` overrides the time that files carry (SOURCE_DATE_EPOCH); `decision` is what asked for
    this build, if a person did not.
    """

    name: names.Name
    out: Path
    archive: Archive
    project: Path
    formats: tuple[str, ...] = ()
    serial: str | None = None
    epoch: int | None = None
    workspace: str = "auto"
    overlays: tuple[Outside, ...] = ()
    decision: Decision | None = None


@dataclass(frozen=True)
class Result:
    """A finished build and what it took."""

    built: Built
    seconds: Mapping[str, float]
    downloaded_bytes: int


@dataclass(frozen=True)
class Image:
    """What is being built: its classes, its merged config space, and its identity.

    `brought` says for each class which overlay brought it.
    """

    spec: classes.ImageSpec
    config: configspace.ConfigSpace
    build: BuildId
    image_sources: tuple[sources.Source, ...]
    brought: Mapping[str, str]


def build(request: Request, progress: Progress) -> Result:
    """Build an image; must run inside the sandbox."""
    watch = Stopwatch()
    known = catalogue(request.project, request.overlays)
    spec = classes.resolve(known, request.name)
    wanted = request.formats or _listed_formats(request) or spec.formats or DEFAULT_FORMATS
    for each in wanted:
        formats.find(each)
    promises = classes.promises(known, spec.classes)

    sandbox.furnish()
    builds = Builds(request.out)
    kept = request.archive.cache.root
    with (
        workspace.room(request.out, kept),
        builds.new(str(spec.name.series), request.serial) as draft,
        workspace.open_workspace(request.workspace, spec.disk_size, request.archive.cache) as space,
        workspace.room(space.root, request.out, kept),
    ):
        with buildlog.kept_in(draft.file(f".{BUILD_LOG}")):
            with watch.stage("Refreshing the package indexes", progress):
                image, supply = prepare(request, spec, known, draft, space)
            with watch.stage("Fetching packages", progress):
                supplies = provide(
                    request.archive,
                    spec,
                    supply,
                    space,
                    epoch=image.build.epoch,
                    on_package=progress.update,
                )
            with watch.stage("Unpacking tools", progress):
                toolbox = unpack_tools(supplies, space, draft)
            with (
                watch.stage("Installing with FAI", progress),
                draft.write_log(image.build.epoch) as log,
            ):
                install(
                    image.spec,
                    image.build,
                    image.image_sources,
                    supplies,
                    space,
                    log=log,
                    progress=progress,
                )
            with watch.stage("Checking the tree", progress):
                results = check(image, promises, supplies, space, draft)
            with watch.stage("Assembling the disk", progress):
                made = make_files(image, wanted, space, draft, toolbox)
            with watch.stage("Writing the manifest", progress):
                describe(request, image, supplies, space, draft, made, results)
        return Result(draft.publish(), watch.seconds, supplies.downloaded_bytes)


def _listed_formats(request: Request) -> tuple[str, ...]:
    """The formats that images.yaml names for this image, if it does."""
    return images.read(request.project).row(request.name).formats


def catalogue(project: Path, outside: Sequence[Outside] = ()) -> classes.Catalogue:
    """All classes of a project and of overlays from outside; they fit together."""
    folders = [*classes.own_overlays(project)]
    for each in outside:
        if each.path == project:
            raise UsageError(
                f"the overlay {each.origin} is the project itself", hint="leave it out"
            )
        folders += classes.outside_overlays(each)
    known = classes.load(folders)
    configspace.check_replaces(project / "fai-config", known)
    return known


def prepare(
    request: Request,
    spec: classes.ImageSpec,
    known: classes.Catalogue,
    draft: Draft,
    space: workspace.Workspace,
) -> tuple[Image, pool.Supply]:
    """Read the archive's state, and merge the config space that will be installed from it."""
    own = sources.image_sources(spec.name.distro, spec.codename, spec.sources)
    root = request.archive.open(own, spec.arch, spec.name.distro)
    supply = pool.open_supply(root, space.root / "supply-image", space.pool)

    # The same archive gives the same image on any day.
    epoch = supply.newest if request.epoch is None else request.epoch
    if epoch > time.time():
        raise UsageError(
            f"the image's files would carry a time in the future: {epoch} seconds",
            hint="correct SOURCE_DATE_EPOCH, or this machine's clock",
        )
    identity = BuildId(draft.built.name, draft.built.serial, epoch)
    config = configspace.merge(
        request.project / "fai-config",
        known.overlays(spec.classes),
        space.config,
        mtime=identity.epoch,
        settings=spec.settings,
    )
    brought = {one.name: one.overlay.name for one in known.classes.values()}
    return Image(spec, config, identity, own, brought), supply


def unpack_tools(supplies: Supplies, space: workspace.Workspace, draft: Draft) -> tools.ToolsTree:
    """The tools tree, ready to work on the workspace and on the folder of the build."""
    rootfs.unpack(supplies.tools, space.tools)
    outside = sandbox.ROOT / "out"
    outside.mkdir()
    run(["mount", "--bind", draft.folder, outside])
    toolbox = tools.ToolsTree(space.tools)
    toolbox.mount()
    return toolbox


def check(
    image: Image,
    promises: tuple[classes.ClassPromise, ...],
    supplies: Supplies,
    space: workspace.Workspace,
    draft: Draft,
) -> tuple[CheckResult, ...]:
    """Look at the finished tree; a check that fails ends the build."""
    installed = collect.packages(space.tree)
    promise = meant(image.spec, image.build, image.image_sources, promises, installed)
    # The check of times is about what will be in the image.
    clamp_times(space.tree, image.build.epoch)

    def blame(packages: Collection[str]) -> dict[str, str]:
        with draft.read_log() as log:
            return culprits(log, image.config.root, packages)

    results = (
        predicted.check((each.package for each in supplies.candidates), installed, blame),
        *offline.check(space.tree, promise, installed),
    )
    offline.require(results)
    return results


def make_files(
    image: Image,
    wanted: tuple[str, ...],
    space: workspace.Workspace,
    draft: Draft,
    toolbox: tools.ToolsTree,
) -> tuple[collect.Produced, ...]:
    """The disk, in every format that is wanted."""
    raw = space.scratch / "disk.raw"
    work = space.scratch / "disk"
    work.mkdir()
    ids = DiskIds.of(image.build)
    assemble(
        space.tree,
        raw,
        arch=image.spec.arch,
        size=image.spec.disk_size,
        ids=ids,
        epoch=image.build.epoch,
        tools=toolbox,
        work=work,
    )
    source = formats.Source(raw, space.tree, ids, image.build.epoch, toolbox)
    stem = sandbox.ROOT / "out" / str(draft.built)
    made = []
    for each in wanted:
        row = formats.find(each)
        path = formats.convert(each, source, stem)
        made.append(collect.Produced(draft.folder / path.name, row.name, reproducible=True))
    return tuple(made)


def describe(
    request: Request,
    image: Image,
    supplies: Supplies,
    space: workspace.Workspace,
    draft: Draft,
    made: tuple[collect.Produced, ...],
    results: tuple[CheckResult, ...],
) -> None:
    """Write the manifest and the package list."""
    manifest = compose.manifest(
        image.spec,
        image.config,
        image.build,
        releases=supplies.supply.releases,
        origins={
            (each.package.name, each.package.version): each.package.origins
            for each in supplies.candidates
        },
        tree=space.tree,
        tools=supplies.tools_recipe,
        emulator=supplies.emulator,
        files=made,
        checks=[
            model.Verdict(
                name=each.name,
                verdict="passed" if each.passed else "failed",
                detail=each.detail,
            )
            for each in results
        ],
        command=provenance.rebuild_command(
            image.build,
            formats=[each.format for each in made],
            overlays=[each.argument for each in request.overlays],
        ),
        project=request.project,
        brought=image.brought,
        overlays=request.overlays,
        decision=request.decision,
    )
    draft.file(f".{MANIFEST}").write_text(document.dump(manifest), encoding="utf-8")
    draft.file(".manifest").write_text(text.manifest_text(manifest), encoding="utf-8")
