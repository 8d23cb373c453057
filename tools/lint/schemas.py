"""Holds each file in schema/ to what a JSON Schema may be. Exit status: 0 if all are, 1 if not."""

import json
import sys
from pathlib import Path

from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

SCHEMAS = Path(__file__).resolve().parents[2] / "schema"


def main():
    faults = [f"{path.name}: {why}" for path in sorted(SCHEMAS.glob("*.json")) if (why := fault(path.read_text("utf-8")))]
    for why in faults:
        print(f"schemas: {why}", file=sys.stderr)
    return 1 if faults else 0


def fault(text):
    """What is wrong with a schema; nothing if it can be used."""
    try:
        schema = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(schema, dict) or "$schema" not in schema:
        return "does not say which JSON Schema it is, in $schema"
    validator = validator_for(schema, default=None)
    if validator is None:
        return f"$schema names a JSON Schema that is not known: {schema['$schema']}"
    try:
        validator.check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message}"
    return None


if __name__ == "__main__":
    sys.exit(main())
