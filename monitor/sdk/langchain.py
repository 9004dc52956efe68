"""A callback handler for LangChain: models, chains, tools and retrievers become the spans of a trace."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from monitor.clock import now
from monitor.sdk import client
from monitor.sdk.client import CallFields
from monitor.sdk.snapshot import snapshot

MAX_RUNS = 10_000


class Runs:
    """The runs that are under way, by LangChain's id."""

    def __init__(self, fields: CallFields) -> None:
        self._fields = fields
        self._open: dict[Any, dict[str, Any]] = {}

    def start(
        self, run: Any, parent: Any, kind: str, name: str, *, prompt: Any, metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Opens a run; one whose parent is known becomes part of its trace."""
        above = self._open.get(parent)
        outer = client.current.get()
        record: dict[str, Any] = {
            "id": client.new_span_id(),
            "trace_id": above["trace_id"] if above else outer.trace_id if outer else client.new_trace_id(),
            "kind": kind,
            "name": name,
            "time": now(),
            "prompt": prompt,
            "started": time.perf_counter(),
        }
        if above or outer:
            record["parent_id"] = above["id"] if above else outer.span_id if outer else ""
        details = metadata or {}
        for field, keys in (("session_id", ("session_id", "thread_id", "conversation_id")), ("user_id", ("user_id",))):
            value = next((details[key] for key in keys if details.get(key)), None)
            if value is not None:
                record[field] = str(value)
        if details.get("ls_provider"):
            record["provider"] = str(details["ls_provider"])
        if details.get("ls_model_name"):
            record["model"] = str(details["ls_model_name"])
        if len(self._open) < MAX_RUNS:
            self._open[run] = record

    def arrived(self, run: Any) -> None:
        """A token came; the first one is timed."""
        record = self._open.get(run)
        if record is not None and "time_to_first_token_s" not in record:
            record["time_to_first_token_s"] = time.perf_counter() - record["started"]

    def end(self, run: Any, fields: Mapping[str, Any]) -> None:
        """Closes a run and reports it."""
        record = self._open.pop(run, None)
        if record is None:
            return
        record["latency_s"] = time.perf_counter() - record.pop("started")
        client.submit_call(client.get_client(), {**record, **fields, **self._fields})


def langchain_callback(**fields: Unpack[CallFields]) -> Any:
    """A handler to be given to LangChain: `model.invoke(..., config={"callbacks": [monitor.langchain_callback()]})`.

    `fields` are those of the call record, the same for each call. `session_id`, `thread_id` and `user_id` in
    LangChain's metadata become session and user. Raises ImportError where langchain-core is not installed.
    """
    from langchain_core.callbacks import BaseCallbackHandler

    runs = Runs(fields)

    class MonitorCallback(BaseCallbackHandler):  # type: ignore[misc] # untyped
        """Reports runs to the monitor."""

        raise_error = False
        run_inline = True

        def on_chat_model_start(
            self, serialized: Any, messages: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            prompt = [_message(message) for conversation in messages for message in conversation]
            runs.start(
                run_id,
                parent_run_id,
                "llm",
                _name(serialized, more, "model"),
                prompt=prompt,
                metadata=more.get("metadata"),
            )

        def on_llm_start(
            self, serialized: Any, prompts: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            prompt = "\n\n".join(prompts)
            runs.start(
                run_id,
                parent_run_id,
                "llm",
                _name(serialized, more, "model"),
                prompt=prompt,
                metadata=more.get("metadata"),
            )

        def on_llm_new_token(self, *_token: str, run_id: Any, **_more: Any) -> None:
            runs.arrived(run_id)

        def on_llm_end(self, response: Any, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, _answer(response))

        def on_llm_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, _failure(error))

        def on_chain_start(
            self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            runs.start(run_id, parent_run_id, "chain", _name(serialized, more, "chain"), prompt=_text(inputs))

        def on_chain_end(self, outputs: Any, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, {"response": _text(outputs)})

        def on_chain_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, _failure(error))

        def on_tool_start(
            self, serialized: Any, input_str: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            runs.start(run_id, parent_run_id, "tool", _name(serialized, more, "tool"), prompt=_text(input_str))

        def on_tool_end(self, output: Any, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, {"response": _text(output)})

        def on_tool_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, _failure(error))

        def on_retriever_start(
            self, serialized: Any, query: str, *, run_id: Any, parent_run_id: Any = None, **more: Any
        ) -> None:
            runs.start(run_id, parent_run_id, "retriever", _name(serialized, more, "retriever"), prompt=query)

        def on_retriever_end(self, documents: Any, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, {"context": [str(getattr(item, "page_content", item)) for item in documents]})

        def on_retriever_error(self, error: BaseException, *, run_id: Any, **_more: Any) -> None:
            runs.end(run_id, _failure(error))

    return MonitorCallback()


def _name(serialized: Any, more: Mapping[str, Any], default: str) -> str:
    named = more.get("name") or (serialized.get("name") if isinstance(serialized, Mapping) else None)
    return str(named or default)


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else snapshot(value)[0]


def _message(message: Any) -> dict[str, Any]:
    found = {"role": str(getattr(message, "type", "user")), "content": snapshot(getattr(message, "content", ""))[0]}
    calls = getattr(message, "tool_calls", None)
    return {**found, "tool_calls": snapshot(calls)[0]} if calls else found


def _failure(error: BaseException) -> dict[str, Any]:
    return {"status": "error", "error": f"{type(error).__name__}: {error}"}


def _answer(response: Any) -> dict[str, Any]:
    """What LangChain's result says: the messages or texts, usage in its own names, model and reason to end."""
    generations: Sequence[Any] = [item for row in response.generations for item in row]
    found: dict[str, Any] = {}
    messages = [item.message for item in generations if getattr(item, "message", None) is not None]
    if messages:
        found["response"] = [_message(message) for message in messages]
        last = messages[-1]
        details = dict(getattr(last, "response_metadata", None) or {})
        usage = getattr(last, "usage_metadata", None)
        if usage:
            found["usage"] = snapshot(usage)[0]
    else:
        found["response"] = "\n\n".join(str(getattr(item, "text", "")) for item in generations)
        details = {}
    output = dict(response.llm_output or {})
    if "usage" not in found and (output.get("token_usage") or output.get("usage")):
        found["usage"] = snapshot(output.get("token_usage") or output.get("usage"))[0]
    model = details.get("model_name") or details.get("model") or output.get("model_name") or output.get("model")
    reason = details.get("finish_reason") or details.get("stop_reason")
    return {**found, **({"model": str(model)} if model else {}), **({"finish_reason": str(reason)} if reason else {})}
