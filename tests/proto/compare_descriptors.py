#!/usr/bin/env python3
"""Compares proto/onnx.proto with the descriptors inside the `onnx` package, field by field.

usage: compare_descriptors.py PROTOC ONNX_PROTO

Exit code 0: equal. 1: differences, one a line. 77: no `onnx` package here.
"""

import pathlib
import subprocess
import sys
import tempfile

try:
    from google.protobuf import descriptor_pb2
    from onnx import onnx_data_pb2, onnx_ml_pb2, onnx_operators_ml_pb2
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def enum_facts(prefix, enum, facts):
    for value in enum.value:
        facts[f"enum {prefix}{enum.name}.{value.name}"] = value.number


def message_facts(prefix, message, facts):
    path = f"{prefix}{message.name}"
    facts[f"message {path}"] = True
    for field in message.field:
        oneof = ""
        if field.HasField("oneof_index"):
            oneof = message.oneof_decl[field.oneof_index].name
        facts[f"field {path}.{field.name}"] = {
            "number": field.number,
            "label": field.label,
            "type": field.type,
            "type_name": field.type_name,
            "packed": field.options.packed,
            "default": field.default_value,
            "oneof": oneof,
        }
    for reserved in message.reserved_range:
        for number in range(reserved.start, reserved.end):
            facts[f"reserved {path} {number}"] = True
    for name in message.reserved_name:
        facts[f"reserved {path} {name}"] = True
    for enum in message.enum_type:
        enum_facts(path + ".", enum, facts)
    for nested in message.nested_type:
        message_facts(path + ".", nested, facts)


def file_facts(file, facts):
    facts["package"] = file.package
    facts["syntax"] = file.syntax or "proto2"
    for enum in file.enum_type:
        enum_facts("", enum, facts)
    for message in file.message_type:
        message_facts("", message, facts)


def our_facts(protoc, proto):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "onnx.desc"
        subprocess.run(
            [protoc, f"--proto_path={proto.parent}", f"--descriptor_set_out={out}", proto.name],
            check=True,
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    facts = {}
    for file in files.file:
        file_facts(file, facts)
    return facts


def their_facts():
    facts = {}
    for module in (onnx_ml_pb2, onnx_operators_ml_pb2, onnx_data_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        file_facts(file, facts)
    return facts


def main():
    ours = our_facts(sys.argv[1], pathlib.Path(sys.argv[2]))
    theirs = their_facts()
    differences = 0
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            print(f"{key}: ours {ours.get(key)}, theirs {theirs.get(key)}")
            differences += 1
    fields = sum(key.startswith("field ") for key in theirs)
    print(f"{len(theirs)} facts, {fields} fields, {differences} differences")
    return 1 if differences or not fields else 0


if __name__ == "__main__":
    sys.exit(main())
