"""Expand the SAM template and put the state machines' definitions into it, so that cfn-lint sees what is deployed.

Under the SAM transform cfn-lint looks neither at IAM actions nor into a definition that lies in a file of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

REGION = "eu-west-1"
NOWHERE = "s3://bucket/key"
EMPTY = {"StartAt": "Empty", "States": {"Empty": {"Type": "Succeed"}}}


def expand(path: Path) -> dict[str, Any]:
    """Return the template as CloudFormation gets it, definitions inlined with their substitutions beside them."""
    document = yaml_parse(path.read_text())
    machines: dict[str, dict[str, Any]] = {}
    for name, resource in document["Resources"].items():
        properties = resource.get("Properties", {})
        for uri in {"CodeUri", "ContentUri"} & set(properties):
            properties[uri] = NOWHERE
        if resource["Type"] == "AWS::Serverless::StateMachine":
            definition = yaml.safe_load((path.parent / properties.pop("DefinitionUri")).read_text())
            machines[name] = {
                "Definition": definition,
                "DefinitionSubstitutions": properties.pop("DefinitionSubstitutions", {}),
            }
            properties["Definition"] = EMPTY
    expanded: dict[str, Any] = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION)).translate(
        document, {"AWS::Region": REGION}
    )
    for name, definition in machines.items():
        properties = expanded["Resources"][name]["Properties"]
        properties.pop("DefinitionString", None)
        properties |= definition
    return expanded


def main(source: str, target: str) -> None:
    """Write the expanded template."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(expand(Path(source)), indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
