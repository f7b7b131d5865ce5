#!/usr/bin/env python3
"""Checks the vectors of fingerprint v1 against the second implementation in fingerprint.py; exit code 1 on a difference.

    check_vectors.py [VECTORS]

Without an argument: crates/karat-exact/tests/fingerprint-vectors.json of this repository. Needs pyarrow.
"""

import json
import pathlib
import re
import struct
import sys

import pyarrow as pa

from fingerprint import Fingerprint, row_bytes
from xxh3 import xxh3_64, xxh3_128

VECTORS = pathlib.Path(__file__).parent.parent / "crates" / "karat-exact" / "tests" / "fingerprint-vectors.json"

# XXH3 of bytes 0, 7, 14, … modulo 251, by the reference implementation (xxHash 0.8.4, through python-xxhash),
# at the lengths where the algorithm takes another path.
HASHES = [
    (0, 0x2d06800538d394c2, 0x99aa06d3014798d86001c324468d497f),
    (1, 0xc44bdff4074eecdb, 0xa6cd5e9392000f6ac44bdff4074eecdb),
    (3, 0xc3489259e968ad9e, 0x656e81c56e41fe02c3489259e968ad9e),
    (4, 0xd3d60c1519014e89, 0xab5c3e7474d809db81a65295de8e7dde),
    (8, 0xb88dee77f6bf6980, 0xe4b9dd0b66ff3c50ebabbd0695002ff6),
    (9, 0x03688dcad730d826, 0x82ddc95bc76007671c69c3f04aaed08c),
    (16, 0x9da23836adf2be1e, 0xddf6c1254d70f76794eaa17b20756f46),
    (17, 0xf34c3c9cf5a112d1, 0x263f67af63088041735fe434ded90c3c),
    (128, 0x4c659b745f435148, 0x381610c474b8adfb2dfb73305de1f91a),
    (129, 0xb85222b83902b6e5, 0x4e05eed4427255d51f8b5092c9ba3be8),
    (240, 0xd6dfbf67b0675b54, 0x17ffe035d71c1ec8e6bf81617aad6c4a),
    (241, 0xc614c8c3575348c1, 0x29bc1e9cffb6d79bc614c8c3575348c1),
    (1024, 0xf22ef3dc84ff47ea, 0x07fe8eadab1cf098f22ef3dc84ff47ea),
    (1025, 0x43f869a83769a435, 0xc89d767cdacc7c7643f869a83769a435),
    (5000, 0xce29a19460ee1bfc, 0x5ecbf80121973a82ce29a19460ee1bfc),
]

NAMED_TYPES = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "tinyint unsigned": pa.uint8(),
    "smallint unsigned": pa.uint16(),
    "integer unsigned": pa.uint32(),
    "bigint unsigned": pa.uint64(),
    "half": pa.float16(),
    "real": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
}


def parse_type(text):
    """The pyarrow type behind the name of a type in a vector."""
    text = text.strip()
    if text in NAMED_TYPES:
        return NAMED_TYPES[text]
    if match := re.fullmatch(r"decimal\((\d+),\s*(-?\d+)\)", text):
        precision, scale = int(match[1]), int(match[2])
        return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    if match := re.fullmatch(r"time\((s|ms|us|ns)\)", text):
        return pa.time32(match[1]) if match[1] in ("s", "ms") else pa.time64(match[1])
    if match := re.fullmatch(r"timestamp\((s|ms|us|ns)\)( with time zone)?", text):
        return pa.timestamp(match[1], "UTC" if match[2] else None)
    if match := re.fullmatch(r"(list|struct|map)<(.*)>", text):
        parts = split_top(match[2])
        if match[1] == "list":
            return pa.list_(parse_type(match[2]))
        if match[1] == "map":
            return pa.map_(parse_type(parts[0]), parse_type(parts[1]))
        fields = [part.split(":", 1) for part in parts]
        return pa.struct([(name.strip(), parse_type(kind)) for name, kind in fields])
    raise ValueError(f"unknown type `{text}`")


def split_top(text):
    """Splits at the commas that stand in no brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return parts + [text[start:]]


def value(given, kind):
    """A value of a vector as Python holds it for pyarrow; counts and unscaled numbers stay integers."""
    if given is None or pa.types.is_boolean(kind) or pa.types.is_string(kind):
        return given
    if pa.types.is_floating(kind):
        if given.startswith("0x"):
            return struct.unpack(">d", bytes.fromhex(given[2:]))[0]
        return float(given)
    if pa.types.is_binary(kind):
        return bytes.fromhex(given)
    if pa.types.is_list(kind):
        return [value(element, kind.value_type) for element in given]
    if pa.types.is_struct(kind):
        return {field.name: value(given.get(field.name), field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(value(key, kind.key_type), value(item, kind.item_type)) for key, item in given]
    if pa.types.is_decimal(kind):
        return unscaled(given, kind.scale)
    return int(given)


def unscaled(text, scale):
    """`1.50` with scale 2 is 150, without Python's Decimal, which rounds."""
    whole, _, fraction = text.partition(".")
    if len(fraction.rstrip("0")) > scale:
        raise ValueError(f"{text} has more than {scale} decimals")
    return int(whole + fraction[:scale].ljust(scale, "0"))


def array(values, kind):
    if pa.types.is_decimal(kind):
        width = kind.bit_width // 8
        data = b"".join((number or 0).to_bytes(width, "little", signed=True) for number in values)
        valid = pa.array([number is not None for number in values]).buffers()[1]
        return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(data)])
    if pa.types.is_date(kind):
        return pa.array(values, pa.int32()).view(kind)
    if pa.types.is_time32(kind):
        return pa.array(values, pa.int32()).view(kind)
    if pa.types.is_time64(kind) or pa.types.is_timestamp(kind):
        return pa.array(values, pa.int64()).view(kind)
    return pa.array(values, kind)


def table(case):
    kinds = [parse_type(column["type"]) for column in case["columns"]]
    names = [column["name"] for column in case["columns"]]
    columns = [[value(row[i], kind) for row in case["rows"]] for i, kind in enumerate(kinds)]
    return pa.Table.from_arrays([array(values, kind) for values, kind in zip(columns, kinds)], names)


def differences(case):
    """What differs in one case, each in a line."""
    whole = table(case)
    found = [row.hex() for row in row_bytes(whole)]
    for i, (row, expected) in enumerate(zip(found, case.get("row_bytes", found), strict=True)):
        if row != expected:
            yield f"row {i}: expected {expected}, found {row}"
    pieces = [whole.slice(i, 1) for i in reversed(range(whole.num_rows))]
    for how, tables in [("", [whole]), (" of single rows in reverse order", pieces)]:
        fingerprint = Fingerprint()
        for part in tables:
            fingerprint.add(part)
        if str(fingerprint) != case["fingerprint"]:
            yield f"fingerprint{how}: expected {case['fingerprint']}, found {fingerprint}"


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    problems = 0
    for length, low, high in HASHES:
        data = bytes(i * 7 % 251 for i in range(length))
        if (xxh3_64(data), xxh3_128(data)) != (low, high):
            problems += 1
            print(f"xxh3 of {length} bytes differs from the reference")
    cases = json.loads(path.read_text(encoding="utf-8"))
    for case in cases:
        for difference in differences(case):
            problems += 1
            print(f"{case['case']}: {difference}")
    print(f"fingerprint vectors: {len(cases)} cases, {problems} differences")
    sys.exit(1 if problems or not cases else 0)


if __name__ == "__main__":
    main()
