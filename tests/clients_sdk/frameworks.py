"""LangChain and LiteLLM with the product's callbacks."""

import asyncio
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from standard_calls import KEY, MONITOR, OPENAI_MODEL, PROVIDER, SESSION, USER, failing

import monitor

monitor.init(endpoint=MONITOR, api_key=KEY)
BASE = f"{PROVIDER}/v1"


@tool
def hours(day: str) -> str:
    """Hours of the shop."""
    return f"nine to five on {day}"


model = ChatOpenAI(model=OPENAI_MODEL, base_url=BASE, api_key="none", max_retries=0, stream_usage=True)
chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")]) | model
told = {
    "callbacks": [monitor.langchain_callback(feature="chain")],
    "metadata": {"session_id": SESSION, "user_id": USER},
}
assert "nine" in chain.invoke({"question": "When do you open?"}, config=told).content
assert "nine" in "".join(str(piece.content) for piece in chain.stream({"question": "And on Sunday?"}, config=told))
assert "nine" in asyncio.run(chain.ainvoke({"question": "And later?"}, config=told)).content
hours.invoke({"day": "Monday"}, config=told)
failing(lambda: chain.invoke({"question": "Please fail 429."}, config=told))

litellm.callbacks = [monitor.litellm_callback(feature="gateway")]
asked = {
    "model": f"openai/{OPENAI_MODEL}",
    "api_base": BASE,
    "api_key": "none",
    "num_retries": 0,
    "metadata": {"session_id": SESSION, "user_id": USER},
}
litellm.completion(messages=[{"role": "user", "content": "gateway"}], **asked)
for _ in litellm.completion(
    messages=[{"role": "user", "content": "gateway stream"}],
    stream=True,
    stream_options={"include_usage": True},
    **asked,
):
    pass
failing(lambda: litellm.completion(messages=[{"role": "user", "content": "Please fail 500."}], **asked))


async def later() -> None:
    """LiteLLM tells its callbacks afterwards, from the same loop or from a thread of its own."""
    await litellm.acompletion(messages=[{"role": "user", "content": "gateway async"}], **asked)
    await asyncio.sleep(0.5)


asyncio.run(later())
time.sleep(0.5)
assert monitor.flush(10) == 0
