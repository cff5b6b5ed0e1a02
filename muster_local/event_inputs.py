"""What a rule hands to a target: the event, a part of it, a constant, or a text made of parts. Pure."""

import json
import re
from collections.abc import Mapping
from typing import Any

type Event = Mapping[str, Any]

_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\['(?P<quoted>[^']+)'\]|\[(?P<number>\d+)\]")
_PLACE = re.compile(r"<(?P<name>[A-Za-z0-9_.-]+)>")
_ABSENT = object()


class InputError(ValueError):
    """A target's input cannot be made of this event."""


def input_for(target: Mapping[str, Any], event: Event, *, rule_name: str, rule_arn: str) -> str:
    """Return what a target gets, as text. Raises InputError."""
    if "Input" in target:
        return str(target["Input"])
    if "InputPath" in target:
        found = _at(str(target["InputPath"]), event)
        if found is _ABSENT:
            raise InputError(f"the event has nothing at {target['InputPath']}")
        return json.dumps(found)
    if "InputTransformer" in target:
        return _transformed(target["InputTransformer"], event, rule_name, rule_arn)
    return json.dumps(event)


def _transformed(transformer: Mapping[str, Any], event: Event, rule_name: str, rule_arn: str) -> str:
    values = {name: _at(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.rule-name": rule_name,
        "aws.events.rule-arn": rule_arn,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
        "aws.events.event.ingestion-time": event["time"],
    }
    template = str(transformer["InputTemplate"])
    text, end, is_quoted = "", 0, False
    for place in _PLACE.finditer(template):
        between = template[end : place.start()]
        is_quoted ^= bool(len(re.findall(r'(?<!\\)"', between)) % 2)
        end = place.end()
        text += between + (_written(values[place["name"]], is_quoted) if place["name"] in values else place[0])
    text += template[end:]
    if template.lstrip().startswith(("{", "[")):
        try:
            json.loads(text)
        except ValueError as error:
            raise InputError("the input template makes no JSON of this event") from error
    return text


def _written(value: Any, is_quoted: bool) -> str:  # noqa: FBT001 - said by the one caller
    if value is _ABSENT:
        return "" if is_quoted else '""'
    if not is_quoted:
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _at(path: str, event: Event) -> Any:
    """Return what lies at a JSON path: names and numbers only, as EventBridge takes them."""
    if path == "$":
        return event
    rest = path.removeprefix("$")
    if path == rest or _STEP.sub("", rest):
        raise InputError(f"{path} is no JSON path that EventBridge takes")
    found: Any = event
    for step in _STEP.finditer(rest):
        name = step["name"] or step["quoted"]
        if name is not None and isinstance(found, Mapping) and name in found:
            found = found[name]
        elif name is None and isinstance(found, list) and int(step["number"]) < len(found):
            found = found[int(step["number"])]
        else:
            return _ABSENT
    return found
