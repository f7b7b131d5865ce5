#!/usr/bin/env python3
"""Fingerprint v1 of a table, computed without karat: a second implementation of docs/fingerprint.md.

    fingerprint.py [--version N] [--bronze] [--exclude COLUMN]... PATH...

PATH is the folder of a Delta table, a Parquet file, or a folder of Parquet files; several paths count as one bag of
rows. Prints `{rows}:{sum}`. Needs pyarrow, for Delta also deltalake. `--bronze` leaves out `_run`, `_loaded_at` and
`_epoch`, as karat does for bronze tables.
"""

import argparse
import pathlib
import struct
import sys

import pyarrow as pa
from pyarrow import types

from xxh3 import xxh3_64, xxh3_128

BRONZE_EXCLUDES = ("_run", "_loaded_at", "_epoch")
_NAN = bytes.fromhex("000000000000f87f")
_MICROSECONDS = {"s": 1_000_000, "ms": 1000, "us": 1}


class Refused(Exception):
    """A type or value for which v1 states no encoding."""


class Fingerprint:
    """The value of a bag of rows: add batches, then read it."""

    def __init__(self, exclude=()):
        self.exclude = frozenset(exclude)
        self.rows = 0
        self.sum = 0

    def add(self, batch):
        """Adds the rows of a record batch or a table."""
        for row in row_bytes(batch, self.exclude):
            self.rows += 1
            self.sum += xxh3_128(row)

    def __str__(self):
        return f"{self.rows}:{self.sum % 2**128:032x}"


def row_bytes(batch, exclude=frozenset()):
    """The encoding of each row of a record batch or table."""
    names = [name for name in batch.schema.names if name not in exclude]
    if len(set(names)) != len(names):
        raise Refused("two columns have the same name")
    columns = []
    for name in sorted(names, key=lambda name: name.encode()):
        values = encode(flat(batch.column(name)), name)
        prefix = name_hash(name)
        columns.append([b"" if value is None else prefix + value for value in values])
    if not columns:
        return [b""] * batch.num_rows
    return map(b"".join, zip(*columns))


def name_hash(name):
    return struct.pack("<Q", xxh3_64(name.encode()))


def flat(column):
    """One array of a column that may be in chunks, with dictionaries replaced by their values."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def encode(array, name):
    """Tag and value of each element as bytes; None for null."""
    array = flat(array)
    kind = array.type
    if types.is_null(kind):
        return [None] * len(array)
    if types.is_boolean(kind):
        return each(array.to_pylist(), lambda value: b"\x01\x01" if value else b"\x01\x00")
    if types.is_integer(kind):
        return each(array.to_pylist(), lambda value: b"\x02" + minimal_integer(value))
    if types.is_decimal(kind):
        return each(unscaled_values(array), lambda value: decimal(value, kind.scale))
    if types.is_floating(kind):
        return each(array.to_pylist(), lambda value: b"\x04" + double(float(value)))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return each(array.to_pylist(), lambda value: sized(b"\x05", value.encode()))
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return each(array.to_pylist(), lambda value: sized(b"\x06", value))
    if types.is_date32(kind):
        return each(integers(array, pa.int32()), lambda days: b"\x07" + struct.pack("<i", days))
    if types.is_date64(kind):
        return each(integers(array, pa.int64()), date_of_milliseconds)
    if types.is_time32(kind):
        return each(integers(array, pa.int32()), lambda count: moment(8, count, kind.unit))
    if types.is_time64(kind):
        return each(integers(array, pa.int64()), lambda count: moment(8, count, kind.unit))
    if types.is_timestamp(kind):
        tag = 9 if kind.tz is None else 10
        return each(integers(array, pa.int64()), lambda count: moment(tag, count, kind.unit))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return lists(array, name)
    if types.is_struct(kind):
        return structs(array, name)
    if types.is_map(kind):
        return maps(array, name)
    raise Refused(f"column `{name}`: fingerprint v1 states no encoding for the type {kind}")


def each(values, encoding):
    return [None if value is None else encoding(value) for value in values]


def integers(array, storage):
    return array.view(storage).to_pylist()


def minimal_integer(value):
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return bytes((size,)) + value.to_bytes(size, "little", signed=True)


def unscaled_values(array):
    """The integers below decimals, read from the buffer: Python's Decimal would round to its context."""
    width = array.type.bit_width // 8
    data = array.buffers()[1]
    valid = array.is_valid().to_pylist()
    start = array.offset * width
    memory = memoryview(data)[start : start + len(array) * width] if data is not None else b""
    for i, is_valid in enumerate(valid):
        yield int.from_bytes(memory[i * width : (i + 1) * width], "little", signed=True) if is_valid else None


def decimal(unscaled, scale):
    if unscaled == 0:
        scale = 0
    else:
        while unscaled % 10 == 0:
            unscaled //= 10
            scale -= 1
    return b"\x03" + struct.pack("<h", scale) + minimal_integer(unscaled)


def double(value):
    return _NAN if value != value else struct.pack("<d", value)


def sized(tag, data):
    return tag + struct.pack("<Q", len(data)) + data


def date_of_milliseconds(count):
    days, rest = divmod(count, 86_400_000)
    if rest:
        raise Refused("a date in milliseconds is no whole day")
    return b"\x07" + struct.pack("<i", days)


def moment(tag, count, unit):
    if unit != "ns":
        return struct.pack("<Bq", tag, count * _MICROSECONDS[unit])
    microseconds, rest = divmod(count, 1000)
    if rest:
        return struct.pack("<BqH", tag | 0x80, microseconds, rest)
    return struct.pack("<Bq", tag, microseconds)


def lists(array, name):
    elements = iter(encode(array.flatten(), name))  # without what lies below null lists
    if types.is_fixed_size_list(array.type):
        sizes = [array.type.list_size if is_valid else None for is_valid in array.is_valid().to_pylist()]
    else:
        sizes = array.value_lengths().to_pylist()
    encoded = []
    for size in sizes:
        if size is None:
            encoded.append(None)
        else:
            parts = [next(elements) for _ in range(size)]
            encoded.append(b"\x0b" + struct.pack("<Q", size) + b"".join(b"\x00" if part is None else part for part in parts))
    return encoded


def structs(array, name):
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    if len(set(names)) != len(names):
        raise Refused(f"column `{name}`: two fields have the same name")
    fields = dict(zip(names, array.flatten()))  # a field below a null struct is null here
    columns = []
    for field in sorted(names, key=lambda field: field.encode()):
        columns.append((name_hash(field), encode(fields[field], f"{name}.{field}")))
    encoded = []
    for i, is_valid in enumerate(array.is_valid().to_pylist()):
        parts = [prefix + values[i] for prefix, values in columns if values[i] is not None]
        encoded.append(b"\x0c" + struct.pack("<Q", len(parts)) + b"".join(parts) if is_valid else None)
    return encoded


def maps(array, name):
    keys, items = encode(array.keys, f"{name} (keys)"), encode(array.items, f"{name} (values)")
    offsets = array.offsets.to_pylist()
    encoded = []
    for i, is_valid in enumerate(array.is_valid().to_pylist()):
        if not is_valid:
            encoded.append(None)
            continue
        entries = [keys[at] + (b"\x00" if items[at] is None else items[at]) for at in range(offsets[i], offsets[i + 1])]
        encoded.append(b"\x0d" + struct.pack("<Q", len(entries)) + b"".join(sorted(entries)))
    return encoded


def batches(path, version=None):
    """The record batches of a Delta table, a Parquet file or a folder of them."""
    path = pathlib.Path(path)
    if (path / "_delta_log").is_dir():
        from deltalake import DeltaTable

        yield from DeltaTable(str(path), version=version).to_pyarrow_dataset().to_batches()
        return
    import pyarrow.parquet

    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise Refused(f"{path}: neither a Delta table nor Parquet files")
    for file in files:
        yield from pyarrow.parquet.ParquetFile(file).iter_batches()


def main():
    parser = argparse.ArgumentParser(description="Fingerprint v1 of a table, without karat.")
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--version", type=int, help="version of a Delta table")
    parser.add_argument("--bronze", action="store_true", help="leave out the columns of bronze that are no content")
    parser.add_argument("--exclude", action="append", default=[], metavar="COLUMN")
    options = parser.parse_args()
    fingerprint = Fingerprint(options.exclude + list(BRONZE_EXCLUDES if options.bronze else ()))
    try:
        for path in options.paths:
            for batch in batches(path, options.version):
                fingerprint.add(batch)
    except (Refused, OSError) as error:
        sys.exit(f"fingerprint: {error}")
    print(fingerprint)


if __name__ == "__main__":
    main()
