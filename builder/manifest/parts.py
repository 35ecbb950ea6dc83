# SPDX-License-Identifier: GPL-2.0-or-later
"""What all documents that fai-forge writes share: the form of their parts, and checked words."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

API_VERSION: Final = "fai-forge/v1"

Text = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Sha512 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
# These become paths where an image is stored or pulled, and the document may come from elsewhere:
# no slash, and no dot in front.
Series = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,127}$")]
Serial = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}(\.[1-9][0-9]{0,3})?$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]{0,254}$")]
Time = Annotated[AwareDatetime, AfterValidator(lambda time: time.astimezone(UTC))]


class Part(BaseModel):
    """What all parts of a document share: camelCase in JSON, no unknown field, no change."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )
