"""docs/reference/api.md from the routers of `nodes/api`, through the OpenAPI description that FastAPI makes of them.

No node is needed: routes are declared on routers, and what is behind them is asked for when a request comes. A role's
router is made around its agent, by a function `make_..._router`; here it is made around nothing.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from nodes.api.app import DESCRIPTION
from scripts.reference.source import cell, code, fields, list_modules, load, page, render_docstring, table

INTRODUCTION = """
HTTPS with the certificate of the organisation's own authority, TLS 1.3. `GET /openapi.json` of a running node is the
same description for programs, with the routes of that organisation's role.

An error has a status and a JSON body with `code` and `message`: one sentence that says what was expected.
"""

ROUTER_MAKER = re.compile(r"make_\w+_router")
METHODS = ("get", "post", "put", "patch", "delete")


def render() -> str:
    """Return the page."""
    schema = make_schema()
    authentication = load("nodes.authentication").docstring
    return page(
        "HTTP API",
        INTRODUCTION,
        f"## Who calls\n\n{DESCRIPTION.strip()}\n\n{authentication}",
        *_render_routes(schema),
        "## Bodies",
        *_render_models(schema),
    )


def make_schema() -> dict[str, Any]:
    """Return the OpenAPI description of every route of every role."""
    app = FastAPI(title="Xinpei", version="1", description=DESCRIPTION)
    included: list[APIRouter] = []
    for name in list_modules("nodes.api"):
        for word, value in vars(load(name).module).items():
            if ROUTER_MAKER.fullmatch(word) and value.__module__ == name:
                app.include_router(value(*[None for _ in inspect.signature(value).parameters]))
            elif isinstance(value, APIRouter) and value not in included:
                included.append(value)
                app.include_router(value)
    return app.openapi()


def _render_routes(schema: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method in METHODS:
            if method in methods:
                route = methods[method]
                by_tag.setdefault(", ".join(route.get("tags", ["other"])), []).append(
                    _render_route(method, path, route)
                )
    for tag, routes in by_tag.items():
        yield f"## Routes: {tag}"
        yield from routes


def _render_route(method: str, path: str, route: Mapping[str, Any]) -> str:
    parts = [f"### {method.upper()} {path}", render_docstring(route.get("description", ""))]
    rows = [
        (
            code(item["name"]),
            item["in"],
            cell(_type(item["schema"])),
            "required" if item.get("required") else "optional",
        )
        for item in route.get("parameters", [])
    ]
    parts.append(table("parameter", "in", "type", "", rows=rows))
    if "requestBody" in route:
        parts.append("Body: " + _contents(route["requestBody"]["content"]))
    for status, answer in route["responses"].items():
        if status.startswith("2"):
            parts.append(f"Answer {status}: " + _contents(answer.get("content", {})))
    return "\n\n".join(part for part in parts if part)


def _contents(content: Mapping[str, Any]) -> str:
    shown = [f"{_type(item.get('schema', {})) or 'an object'} ({media})" for media, item in content.items()]
    return (", or ".join(shown) or "nothing") + "."


def _render_models(schema: Mapping[str, Any]) -> Iterator[str]:
    words = _field_texts()
    for name, model in sorted(schema.get("components", {}).get("schemas", {}).items()):
        if name in {"HTTPValidationError", "ValidationError"}:
            continue
        required = model.get("required", [])
        rows = [
            (
                code(field),
                cell(_type(item)),
                _need(field in required),
                cell(item.get("description") or words.get((name, field), "")),
            )
            for field, item in model.get("properties", {}).items()
        ]
        shown = table("field", "type", "", "meaning", rows=rows)
        parts = [f"### {name}", render_docstring(model.get("description", "")), shown]
        yield "\n\n".join(part for part in parts if part)


def _field_texts() -> dict[tuple[str, str], str]:
    """Return the strings below the fields of the models: OpenAPI does not carry them."""
    found: dict[tuple[str, str], str] = {}
    for package in ("nodes.api", "nodes.schemas"):
        for name in list_modules(package):
            source = load(name)
            for kind in vars(source.module).values():
                if inspect.isclass(kind) and issubclass(kind, BaseModel) and kind.__module__ == name:
                    for field, _, _, text in fields(source.definition(kind.__name__)):
                        found[kind.__name__, field] = text
    return found


def _need(required: bool) -> str:  # noqa: FBT001 - it is the subject
    return "required" if required else "optional"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(item) for item in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{item}`" for item in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type", "")
    if kind == "array":
        items = [_type(item) for item in schema.get("prefixItems", [schema.get("items", {})])]
        return f"array of {' and '.join(items) or 'anything'}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        return f"object of {_type(schema['additionalProperties']) or 'anything'}"
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minLength", "from"), ("maxLength", "to"), ("minimum", "from"), ("maximum", "to"))
        if key in schema
    ]
    pattern = f"pattern `{schema['pattern']}`" if "pattern" in schema else ""
    return ", ".join(part for part in (kind, " ".join(bounds), pattern) if part)
