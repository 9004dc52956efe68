"""/docs: the description of the API as one page that needs no other file, in light and dark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --text: #1f2328; --back: #fff; --mark: #0969da; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3d444d; --soft: #151b23; --text: #f0f6fc; --back: #0d1117; --mark: #4493f8; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
  max-width: 60rem; padding: 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; overflow-wrap: anywhere; }
h2 code { background: none; padding: 0; }
code, pre { font: .875em ui-monospace, monospace; background: var(--soft); border-radius: 4px; padding: .1em .3em; }
pre { padding: .75rem; overflow-x: auto; border: 1px solid var(--line); }
.method { color: var(--mark); font-weight: 700; margin-right: .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: .35rem .5rem; }
a { color: var(--mark); }
summary { cursor: pointer; }
"""


def docs_page(description: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description."""
    info = description["info"]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(info['title'])}: API</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}: API</h1>",
        f"<p>{escape(info['description'])} ",
        'The same for programs: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts += _operation(method, path, operation)
    parts.append("<h2>Records</h2>")
    for name, schema in sorted(description["components"]["schemas"].items()):
        parts += _schema(name, schema)
    parts.append("</main></body></html>")
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    parts = [
        f'<section id="{escape(operation["operationId"])}">',
        f'<h2><span class="method">{method.upper()}</span><code>{escape(path)}</code></h2>',
        f"<p>{escape(operation['summary'])}</p>",
    ]
    if operation["parameters"]:
        rows = [
            (f"<code>{escape(parameter['name'])}</code>", _type(parameter["schema"]), escape(parameter["description"]))
            for parameter in operation["parameters"]
        ]
        parts.append(_table(("Parameter", "Type", "Meaning"), rows))
    sent = operation.get("requestBody", {}).get("content", {})
    for media, content in sent.items():
        parts.append(f"<p>Takes <code>{escape(media)}</code>: {_type(content['schema'])}</p>")
    answers = []
    for code, answer in operation["responses"].items():
        types = ", ".join(
            _type(content["schema"]) or f"<code>{escape(media)}</code>" for media, content in answer["content"].items()
        )
        answers.append((code, types, escape(answer["description"])))
    parts += [_table(("Status", "Answer", "When"), answers), "</section>"]
    return parts


def _schema(name: str, schema: Mapping[str, Any]) -> list[str]:
    text = str(schema.get("description", ""))
    parts = [f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>']
    parts.append(f"<p>{escape(text)}</p>")
    rows = [(f"<code>{escape(field)}</code>", _type(part)) for field, part in schema.get("properties", {}).items()]
    parts.append(
        _table(("Field", "Type"), rows) if rows else f"<pre>{escape(json.dumps(schema, indent=1))}</pre>",
    )
    return [*parts, "</details>"]


def _type(schema: Mapping[str, Any]) -> str:
    """The type in words, with links to records."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for joined in ("anyOf", "oneOf"):
        if joined in schema:
            return " or ".join(_type(part) for part in schema[joined])
    if "enum" in schema:
        return " | ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {})) or 'anything'}"
    return escape(" ".join(part for part in (str(schema.get("type", "")), str(schema.get("format", ""))) if part))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide" tabindex="0"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
