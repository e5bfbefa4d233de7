"""Validation against a pydantic model: one message lists all problems of a block, each with its key and a remedy."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from prn_pipeline.errors import UserError, closest

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: dict[str, Any], where: str, union: TypeAdapter[Any] | None = None) -> Model:
    """The values as an instance of a model.

    Args:
        model: pydantic model of the block.
        values: the block.
        where: dotted key of the block, for messages; "" for the root.
        union: adapter of a tagged union that contains `model`; it replaces the validation of `model` alone.

    Raises:
        UserError: the values are invalid; the message has one line per problem.
    """
    try:
        validate = model.model_validate if union is None else union.validate_python
        return cast(Model, validate(values))
    except ValidationError as error:
        skipped = 0 if union is None else 1  # the tag, which is no key of the block
        raise UserError("parameters are wrong:\n" + "\n".join(_lines(error, model, where, skipped))) from None


def _lines(error: ValidationError, model: type[BaseModel], where: str, skipped: int) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        path = [str(key) for key in problem["loc"][skipped:]]
        key = ".".join([where, *path]).strip(".")
        if problem["type"] == "extra_forbidden":
            known = _fields_at(model, path[:-1])
            near = closest(path[-1], known)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
            lines.append(f"  {key} = {problem['input']!r}: no such parameter; {hint}")
        elif problem["type"] == "union_tag_not_found":
            lines.append(f"  {key} = {problem['input']!r}: its key {problem['ctx']['discriminator']} is missing")
        elif problem["type"] == "missing":
            lines.append(f"  {key}: missing")
        else:
            lines.append(f"  {key} = {problem['input']!r}: {problem['msg']}")
    return lines


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    for name in path:
        field = model.model_fields.get(name)
        inner = getattr(field, "annotation", None)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return list(model.model_fields)
