"""Our lexicon files as others read them: the Python SDK parses them, and what we restate is what it has."""

import json
from pathlib import Path
from typing import Any

import pytest
from atproto import models  # type: ignore[import-untyped]
from atproto_lexicon.parser import lexicon_parse_file  # type: ignore[import-untyped]
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

FOLDER = Path(__file__).resolve().parents[2] / "lexicons"
FILES = sorted(FOLDER.rglob("*.json"))

RESTATED = [
    ("com.atproto.label.defs", "label", models.ComAtprotoLabelDefs.Label, set()),
    ("com.atproto.label.subscribeLabels", "labels", models.ComAtprotoLabelSubscribeLabels.Labels, set()),
    ("com.atproto.label.subscribeLabels", "info", models.ComAtprotoLabelSubscribeLabels.Info, set()),
    ("com.atproto.admin.defs", "repoRef", models.ComAtprotoAdminDefs.RepoRef, set()),
    ("com.atproto.repo.strongRef", "main", models.ComAtprotoRepoStrongRef.Main, set()),
    ("tools.ozone.moderation.defs", "modEventView", models.ToolsOzoneModerationDefs.ModEventView, set()),
    ("tools.ozone.moderation.defs", "modEventLabel", models.ToolsOzoneModerationDefs.ModEventLabel, set()),
    ("tools.ozone.moderation.defs", "modEventComment", models.ToolsOzoneModerationDefs.ModEventComment, set()),
    ("tools.ozone.moderation.defs", "modEventAcknowledge", models.ToolsOzoneModerationDefs.ModEventAcknowledge, set()),
    ("tools.ozone.moderation.defs", "modEventEscalate", models.ToolsOzoneModerationDefs.ModEventEscalate, set()),
    ("tools.ozone.moderation.defs", "modTool", models.ToolsOzoneModerationDefs.ModTool, set()),
    ("com.atproto.label.queryLabels", "main/parameters", models.ComAtprotoLabelQueryLabels.Params, set()),
    ("com.atproto.label.queryLabels", "main/output/schema", models.ComAtprotoLabelQueryLabels.Response, set()),
    ("com.atproto.label.subscribeLabels", "main/parameters", models.ComAtprotoLabelSubscribeLabels.Params, set()),
    (
        "com.atproto.moderation.createReport",
        "main/input/schema",
        models.ComAtprotoModerationCreateReport.Data,
        set(),
    ),
    (
        "com.atproto.moderation.createReport",
        "main/output/schema",
        models.ComAtprotoModerationCreateReport.Response,
        set(),
    ),
    ("com.atproto.moderation.createReport", "modTool", models.ComAtprotoModerationCreateReport.ModTool, set()),
    (
        "tools.ozone.moderation.emitEvent",
        "main/input/schema",
        models.ToolsOzoneModerationEmitEvent.Data,
        {"reportAction"},
    ),
]


def ours(nsid: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / (nsid.replace(".", "/") + ".json")).read_text())["defs"]
    for step in path.split("/"):
        found = found[step]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.row(288)
def test_the_sdk_parses_every_file(file: Path) -> None:
    assert lexicon_parse_file(file).id == ".".join(file.relative_to(FOLDER).with_suffix("").parts)


@pytest.mark.parametrize(("nsid", "path", "model", "left_out"), RESTATED, ids=lambda value: str(value)[:60])
def test_what_we_restate_has_the_fields_of_the_sdk(
    nsid: str, path: str, model: type[BaseModel], left_out: set[str]
) -> None:
    fields = {field.alias or to_camel(name): field for name, field in model.model_fields.items() if name != "py_type"}
    schema = ours(nsid, path)
    assert set(schema["properties"]) == set(fields) - left_out
    assert set(schema.get("required", ())) == {name for name, field in fields.items() if field.is_required()}


def test_the_limits_of_a_report_are_those_of_the_sdk() -> None:
    (limit,) = models.ComAtprotoModerationCreateReport.Data.model_fields["reason"].metadata
    reason = ours("com.atproto.moderation.createReport", "main/input/schema/properties/reason")
    assert reason["maxLength"] == limit.max_length == 20_000
    assert reason["maxGraphemes"] == 2_000


def test_the_limit_of_a_label_value_is_that_of_the_sdk() -> None:
    (limit,) = models.ComAtprotoLabelDefs.Label.model_fields["val"].metadata
    assert ours("com.atproto.label.defs", "label")["properties"]["val"]["maxLength"] == limit.max_length
