"""Writes the JSON Schemas of the documents: ``python -m muster_console.schemas [FOLDER]``."""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from muster.messages.approval import ApprovalRequestDocument
from muster.messages.assessment import Assessment
from muster.messages.containment import Containment
from muster.messages.desired_state_documents import DesiredStateDocument
from muster.messages.plan import PlanDocument
from muster.messages.preference import PreferenceDocument
from muster.messages.preflight import PreflightDocument
from muster.messages.report import Report

FOLDER: Final = Path("docs/schemas")
DOCUMENTS: Final[dict[str, type[BaseModel]]] = {
    "desired-state.schema.json": DesiredStateDocument,
    "assessment.schema.json": Assessment,
    "containment.schema.json": Containment,
    "report.schema.json": Report,
    "plan.schema.json": PlanDocument,
    "preference.schema.json": PreferenceDocument,
    "preflight.schema.json": PreflightDocument,
    "approval-request.schema.json": ApprovalRequestDocument,
}


def texts() -> dict[str, str]:
    """Return the schemas as they should lie in ``docs/schemas``, by file name."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        name: json.dumps({**dialect, **model.model_json_schema()}, indent=2, ensure_ascii=False) + "\n"
        for name, model in DOCUMENTS.items()
    }


def write(folder: Path) -> None:
    """Write every schema."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
