"""What the machine talks to in these tests."""

from collections.abc import Callable, Mapping
from typing import Any

from sfnx.testing import Call

type Answer = Callable[[Mapping[str, Any]], object]


class Cloud:
    """Answers the machine's tasks: functions by name, anything else by the last part of its resource."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.calls: list[tuple[str, Any]] = []

    def __call__(self, call: Call) -> object:
        arguments = call.arguments
        assert isinstance(arguments, dict)
        if call.resource.endswith(":lambda:invoke"):
            name = str(arguments["FunctionName"])
            self.calls.append((name, arguments["Payload"]))
            return {"StatusCode": 200, "Payload": self.answers[name.replace("-", "_")](arguments["Payload"])}
        if call.resource.endswith(":lambda:invoke.waitForTaskToken"):
            self.calls.append(("await", arguments["Payload"]))
            return self.answers["answered"](arguments["Payload"])
        name = call.resource.rpartition(":")[2]
        self.calls.append((name, arguments))
        return self.answers[name](arguments)

    def named(self, name: str) -> list[Any]:
        """Return the arguments of every call of one name."""
        return [arguments for called, arguments in self.calls if called == name]
