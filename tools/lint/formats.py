"""Holds the findings in schema/examples/ to the formats that they claim: asff.json to AWS's own model of BatchImportFindings,
as botocore has it, and ocsf.json to OCSF's own compiled schema. Exit status: 0 if all are, 1 if not."""

import json
import sys
from functools import cache
from pathlib import Path

import botocore.session
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

EXAMPLES = Path(__file__).resolve().parents[2] / "schema" / "examples"

# OCSF's times are milliseconds. A time in seconds is a whole number as well, of the year 1970.
EARLIEST = 1_000_000_000_000


def main():
    faults = [
        *of_file("asff.json", asff_faults),
        *of_file("ocsf.json", ocsf_faults),
    ]
    for fault in faults:
        print(f"formats: {fault}", file=sys.stderr)
    return 1 if faults else 0


def of_file(name, faults_of):
    documents = json.loads((EXAMPLES / name).read_text("utf-8"))
    if not documents:
        return [f"{name}: no document"]
    return [f"{name}: document {n}: {fault}" for n, document in enumerate(documents) for fault in faults_of(document)]


@cache
def import_shape():
    model = botocore.session.get_session().get_service_model("securityhub")
    return model.operation_model("BatchImportFindings").input_shape


def asff_faults(document):
    """What AWS's model says against a document: members, their types, and its enumerations."""
    shape = import_shape()
    report = ParamValidator().validate({"Findings": [document]}, shape)
    faults = report.generate_report().splitlines() if report.has_errors() else []
    finding = shape.members["Findings"].member
    return [*faults, *unknown_words(document, finding, "finding")]


def unknown_words(value, shape, path):
    """ParamValidator passes over enumerations."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for key, member in value.items():
            if key in shape.members:
                yield from unknown_words(member, shape.members[key], f"{path}.{key}")
    elif shape.type_name == "list" and isinstance(value, list):
        for n, member in enumerate(value):
            yield from unknown_words(member, shape.member, f"{path}[{n}]")
    elif getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value!r} is none of {', '.join(shape.enum)}"


@cache
def ocsf_validator(version, class_uid, profiles):
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version))
    class_name = schema.lookup_class_name_from_uid(class_uid)
    return Draft202012Validator(schema.get_class_schema(class_name, list(profiles)))


def ocsf_faults(event):
    """What the schema of the version that an event names says against it: members, their types and enumerations."""
    try:
        metadata = event["metadata"]
        validator = ocsf_validator(metadata["version"], event["class_uid"], tuple(metadata["profiles"]))
    except (KeyError, ValueError) as error:
        return [f"cannot be looked up: {error!r}"]
    faults = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(event)]
    if event.get("type_uid") != event["class_uid"] * 100 + event.get("activity_id", 0):
        faults.append("$.type_uid: not the class and the activity")
    return [*faults, *seconds(event, "$")]


def seconds(value, path):
    """Times that are not milliseconds."""
    if isinstance(value, dict):
        for key, member in value.items():
            if (key == "time" or key.endswith("_time")) and isinstance(member, int) and member < EARLIEST:
                yield f"{path}.{key}: {member} is no time in milliseconds"
            # Our own finding, which has its own schema.
            if key != "unmapped":
                yield from seconds(member, f"{path}.{key}")
    elif isinstance(value, list):
        for n, member in enumerate(value):
            yield from seconds(member, f"{path}[{n}]")


if __name__ == "__main__":
    sys.exit(main())
