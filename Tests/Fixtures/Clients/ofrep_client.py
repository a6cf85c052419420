"""Asks flags with the official OpenFeature SDK and its OFREP provider, and prints one JSON object a line.

usage: ofrep_client.py BASE_URL [TOKEN] < questions, one a line: {"flag", "unit", "attributes", "default"}
"""
import json
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

base_url = sys.argv[1]
token = sys.argv[2] if len(sys.argv) > 2 else None
headers = (lambda: {"Authorization": f"Bearer {token}"}) if token else None
api.set_provider(OFREPProvider(base_url, headers_factory=headers))
client = api.get_client()

for line in sys.stdin:
    question = json.loads(line)
    context = EvaluationContext(targeting_key=question.get("unit"), attributes=question.get("attributes") or {})
    ask = client.get_object_details if isinstance(question["default"], dict) else client.get_string_details
    details = ask(question["flag"], question["default"], context)
    print(
        json.dumps(
            {
                "value": details.value,
                "variant": details.variant,
                "reason": str(details.reason) if details.reason else None,
                "error": details.error_code.value if details.error_code else None,
                "message": details.error_message,
                "metadata": dict(details.flag_metadata or {}),
            }
        )
    )
