# SPDX-License-Identifier: GPL-2.0-or-later
"""YAML files that people write: read into a pydantic model, or refused in one sentence.

`class.yaml` and its kin are read here. Every scalar is the text that is written there (`token:
24.10` is no number), a key stands once, and an unknown field is an error that offers the nearest
one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from builder.errors import UsageError
from builder.names import did_you_mean

M = TypeVar("M", bound=BaseModel)
Key = int | str

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class DocumentError(UsageError):
    """A file is not what its model wants; `line` counts from 1, 0 where none is known.

    It is caught where all that is wrong with many files is collected.
    """

    def __init__(self, path: Path, sentence: str, hint: str, line: int = 0) -> None:
        super().__init__(f"{path}: {sentence}", hint)
        self.path = path
        self.sentence = sentence
        self.line = line


class _Loader(yaml.BaseLoader):
    """YAML in which every scalar is text, and keys stand once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                problem=f"{twice[0]} stands there twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def read_text(path: Path, missing: str) -> str:
    """The text of a file; `missing` is the hint for one that is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError(path, str(error.strerror), missing) from error
    except UnicodeDecodeError as error:
        raise DocumentError(path, "this is not UTF-8 text", "save it as UTF-8") from error


def parse(model: type[M], text: str, path: Path, schema: str = "") -> M:
    """The document that a text holds; `path` is for messages, `schema` names the JSON Schema.

    Raises DocumentError only.
    """
    content = parse_yaml(text, path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise _flaw(error.errors()[0], model, text, path, schema) from error


def flaws(model: type[BaseModel], text: str, path: Path, schema: str = "") -> list[DocumentError]:
    """All that `parse` could say of a text, by lines; empty if nothing is wrong."""
    try:
        model.model_validate(parse_yaml(text, path))
    except DocumentError as error:
        return [error]
    except ValidationError as error:
        details = error.errors()
        # A list whose only member is wrong is not empty as well.
        places = {detail["loc"][:end] for detail in details for end in range(len(detail["loc"]))}
        own = [detail for detail in details if detail["loc"] not in places]
        found = [_flaw(detail, model, text, path, schema) for detail in own]
        return sorted(found, key=lambda each: each.line)
    return []


def _flaw(
    detail: ErrorDetails, model: type[BaseModel], text: str, path: Path, schema: str
) -> DocumentError:
    keys, owner = _place(model, detail["loc"])
    more = f"; {schema} says more" if schema else ""
    hint = f"fields are {', '.join(field_names(owner))}{more}"
    if detail["type"] == "union_tag_invalid":
        hint = f"there are {detail['ctx']['expected_tags'].replace(chr(39), '')}{more}"
    elif schema and detail["type"] not in ABOUT_FIELDS:
        hint = f"{schema} says what it may be"
    return DocumentError(path, _explain(detail, keys, owner), hint, line_of(text, keys))


def _place(model: type[BaseModel], loc: Sequence[Key]) -> tuple[list[Key], type[BaseModel]]:
    """The keys of the file that lead to a flaw, and the model whose field the last one is.

    Of models that a field chooses between, pydantic puts the chosen one's tag among the keys.
    """
    keys: list[Key] = []
    owner, models = model, [model]
    for part in loc:
        tagged = [each for each in models if _has_tag(each, part)] if len(models) > 1 else []
        if tagged:
            models = tagged
            owner = models[0]
            continue
        if part == "[key]":
            continue
        keys.append(part)
        if isinstance(part, int) or len(models) != 1:
            continue
        (owner,) = models
        named = {field.alias or name: field for name, field in owner.model_fields.items()}
        if part in named:
            models = _models(named[part].annotation) or models
    return keys, owner


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold, or a list or a mapping in it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _has_tag(model: type[BaseModel], tag: Key) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def parse_yaml(text: str, path: Path) -> object:
    """The one YAML document in a text; raises DocumentError."""
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        where = f" in line {line}" if line else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise DocumentError(
            path, f"this is not YAML: {problem}{where}", "mend that line", line
        ) from error


def field_names(model: type[BaseModel]) -> list[str]:
    """The fields as they are written in YAML."""
    return [field.alias or name for name, field in model.model_fields.items()]


def line_of(text: str, keys: Sequence[Key]) -> int:
    """The line, from 1, on which a value is, such as that of ("requires", 0); 0 if nowhere.

    What is not there itself, such as a missing field, is on the line of what it should be in.
    """
    node = yaml.compose(text, Loader=yaml.BaseLoader)
    line = 0
    for key in keys:
        found = next((pair for pair in _children(node) if pair[0] == str(key)), None)
        if found is None:
            break
        line, node = found[1], found[2]
    return line


def _children(node: yaml.Node | None) -> Iterable[tuple[str, int, yaml.Node]]:
    """The key, line and value of each member of a mapping or a list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield str(number), value.start_mark.line + 1, value


def schema_of(model: type[BaseModel], schema_id: str, title: str) -> dict[str, Any]:
    """The JSON Schema of a model's files; `schema_id` is a name: nothing has to be reachable."""
    body = model.model_json_schema(by_alias=True, schema_generator=_PlainSchema)
    return {"$schema": DIALECT, "$id": schema_id, **body, "title": title}


class _PlainSchema(GenerateJsonSchema):
    """Without titles made from field names, and without null: a field is there or it is not."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}


def _unknown_field(field: str, _detail: ErrorDetails, model: type[BaseModel]) -> str:
    return f"there is no field {field}{did_you_mean(field.rpartition('.')[2], field_names(model))}"


def _not_a_mapping(field: str, _detail: ErrorDetails, model: type[BaseModel]) -> str:
    where = f"the field {field}: " if field else ""
    known = field_names(model)
    example = "`kind: role`" if "kind" in known else f"`{known[-1]}: ...`"
    return f"{where}fields and their values are expected, such as {example}"


def _not_a_dict(field: str, _detail: ErrorDetails, model: type[BaseModel]) -> str:
    # A model may show what a mapping of it looks like, by field.
    example = getattr(model, "EXAMPLES", {}).get(field, "{A: B}")
    return f"the field {field}: a mapping is expected, such as {example}"


def _unknown_tag(field: str, detail: ErrorDetails, _model: type[BaseModel]) -> str:
    said, known = detail["ctx"], detail["ctx"]["expected_tags"].replace("'", "").split(", ")
    which = said["discriminator"].strip("'")
    return f"the field {field}.{which} is {said['tag']!r}{did_you_mean(said['tag'], known)}"


def _no_tag(field: str, detail: ErrorDetails, _model: type[BaseModel]) -> str:
    which = detail["ctx"]["discriminator"].strip("'")
    return f"the field {field}.{which} is missing"


# Flaws of fields as such, and not of what they say.
ABOUT_FIELDS = ("missing", "extra_forbidden", "model_type")
# How pydantic's types of errors read; the others say "the field X: ..." and pydantic's own words.
SENTENCES: dict[str, Callable[[str, ErrorDetails, type[BaseModel]], str]] = {
    "missing": lambda field, _, __: f"the field {field} is missing",
    "extra_forbidden": _unknown_field,
    "model_type": _not_a_mapping,
    "dict_type": _not_a_dict,
    "tuple_type": lambda field, _, __: f"the field {field}: a list is expected, such as [A, B]",
    "union_tag_invalid": _unknown_tag,
    "union_tag_not_found": _no_tag,
    "value_error": lambda field, detail, _: (
        (f"the field {field}: " if field else "") + str(detail["ctx"]["error"])
    ),
}


def _explain(detail: ErrorDetails, keys: Sequence[Key], model: type[BaseModel]) -> str:
    """One of pydantic's errors as a sentence about a field of the file."""
    field = ".".join(map(str, keys))
    sentence = SENTENCES.get(detail["type"])
    if sentence is not None:
        return sentence(field, detail, model)
    words = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"the field {field} is {detail['input']!r}: {words}"
