"""openai as the Langfuse SDK wraps it; its keys are a name and a key of the monitor."""

from langfuse import Langfuse, propagate_attributes
from langfuse.openai import OpenAI
from standard_calls import KEY, MONITOR, SESSION, USER, call_openai, call_responses, openai_client

langfuse = Langfuse(public_key="pk-lf-shop", secret_key=KEY, base_url=MONITOR)
client = openai_client(OpenAI)
with propagate_attributes(session_id=SESSION, user_id=USER):
    call_openai(client)
    call_responses(client)
langfuse.flush()
langfuse.shutdown()
