"""What an application does with the official `openai` client, told nothing but another base_url. Prints one JSON line for each
thing it did.

usage: openai_client.py BASE_URL
"""

import json
import sys

import openai


def tell(**facts):
    print(json.dumps(facts), flush=True)


client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-of-the-application", max_retries=0)
messages = [{"role": "system", "content": "ignored"}, {"role": "user", "content": "Where is my card?"}]


def headers(user):
    return {"X-User-Id": user}


answer = client.chat.completions.with_raw_response.create(model="whatever", messages=messages, extra_headers=headers("user-1"))
chat = answer.parse()
tell(
    did="chat", said=chat.choices[0].message.content, model=chat.model, total=chat.usage.total_tokens,
    variant=answer.headers["x-openclaw-variant"], request=answer.headers["x-openclaw-request-id"])

pieces, with_usage, empty = [], 0, 0
for event in client.chat.completions.create(model="whatever", messages=messages, stream=True, extra_headers=headers("user-1")):
    with_usage += event.usage is not None
    empty += not event.choices
    pieces += [choice.delta.content or "" for choice in event.choices]
tell(did="stream", said="".join(pieces), with_usage=with_usage, empty=empty)

stream = client.chat.completions.create(
    model="whatever", messages=messages, stream=True, stream_options={"include_usage": True}, extra_headers=headers("user-1"))
last = list(stream)[-1]
tell(did="stream with usage", total=last.usage.total_tokens, choices=len(last.choices))

with_variables = client.chat.completions.create(
    model="whatever", messages=messages, metadata={"tone": "brief"}, extra_headers=headers("user-1"))
tell(did="metadata", said=with_variables.choices[0].message.content)
with_variables = client.chat.completions.create(
    model="whatever", messages=messages, extra_body={"variables": {"tone": "brief"}}, extra_headers=headers("user-1"))
tell(did="variables", said=with_variables.choices[0].message.content)

try:
    client.chat.completions.create(
        model="whatever", messages=messages, extra_body={"variables": {"tone": "rude"}}, extra_headers=headers("user-1"))
except openai.BadRequestError as refused:
    tell(did="refused", status=refused.status_code, message=refused.body["message"])

vectors = client.embeddings.create(model="small", input=["one", "two words"])
tell(did="embeddings", count=len(vectors.data), total=vectors.usage.total_tokens)
tell(did="models", ids=sorted(model.id for model in client.models.list()))

try:
    for _ in range(200):
        client.chat.completions.create(model="whatever", messages=messages, extra_headers=headers("user-1"))
except openai.RateLimitError as refused:
    tell(did="budget", status=refused.status_code, code=refused.code, message=refused.body["message"])
