"""`pixstream config schema`."""

import json

from click.testing import CliRunner
from jsonschema import Draft202012Validator

from pixstream.cli.config import config


def test_the_schema_is_json_for_editors() -> None:
    result = CliRunner().invoke(config, ["schema"])
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    Draft202012Validator.check_schema(schema)
    assert {"kafka", "environments", "producers"} <= schema["properties"].keys()
