"""Writes files of typed formats into a folder, and prints what their rows say, one a line, as karat's silver table should hold them."""

import datetime
import decimal
import pathlib
import sys

import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

folder, kind = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
day = datetime.date(2026, 1, 5)
noon = datetime.datetime(2026, 1, 5, 12, 30, 0, 250)


def shown(time):
    """As karat prints a time: as many groups of three digits as it takes."""
    return time.isoformat(timespec="microseconds").removesuffix("000")


def table(first, count):
    ids = list(range(first, first + count))
    return pa.table(
        {
            "id": pa.array(ids, pa.uint32()),
            "big": pa.array([2**64 - 1 - i for i in ids], pa.uint64()),
            "amount": pa.array([decimal.Decimal(i) / 8 - 1 for i in ids], pa.decimal128(18, 3)),
            "day": pa.array([day + datetime.timedelta(i) for i in ids], pa.date32()),
            "at": pa.array([noon + datetime.timedelta(microseconds=i) for i in ids], pa.timestamp("ns")),
            "zoned": pa.array([noon for _ in ids], pa.timestamp("ms", "Europe/Zurich")),
            "word": pa.array(["even" if i % 2 == 0 else None for i in ids]).dictionary_encode(),
            "text": pa.array([f"ä{i}" for i in ids], pa.large_string()),
            "flag": pa.array([i % 3 == 0 for i in ids]),
            "ratio": pa.array([i / 10 for i in ids], pa.float64()),
        }
    )


def write(name, rows, **options):
    pq.write_table(rows, folder / name, **options)


def parquet():
    write("a.parquet", table(0, 20_000), compression="zstd", row_group_size=3_000)
    write("b.parquet", table(20_000, 10), compression="gzip", use_dictionary=False, data_page_version="2.0")
    write("c.parquet", table(20_010, 10).drop_columns(["at"]).append_column("at", table(20_010, 10)["at"]), compression="brotli")
    write("old.parquet", table(20_020, 10).drop_columns(["zoned"]), use_deprecated_int96_timestamps=True, compression="snappy")
    write("lz4.parquet", table(20_030, 3), compression="lz4")
    for i in range(20_033):
        word = "even" if i % 2 == 0 else ""
        amount = decimal.Decimal(i) / 8 - 1
        at = shown(noon + datetime.timedelta(microseconds=i))
        print(f"{i},{2**64 - 1 - i},{amount:.3f},{day + datetime.timedelta(i)},{at},{word},ä{i},{str(i % 3 == 0).lower()}")


def nested():
    """Two extracts: the second changes a list, a struct and a map, and has a time that is finer than a microsecond."""
    fine = pa.scalar(1_767_614_400_000_000_001, pa.timestamp("ns"))
    whole = pa.scalar(1_767_614_400_000_001_000, pa.timestamp("ns"))
    kinds = {"tags": pa.list_(pa.string()), "inner": pa.struct([("x", pa.int16()), ("Y", pa.float32())]), "pairs": pa.map_(pa.string(), pa.int32())}
    days = {
        "day1": ([1, 2, 3], [["a"], [], None], [{"x": 1, "Y": 0.5}, None, {"x": None, "Y": None}], [[("k", 1)], [], None], [whole, whole, whole]),
        "day2": ([1, 2, 3, 4], [["a", None], [], None, ["z"]], [{"x": 1, "Y": 0.5}, {"x": 2, "Y": None}, {"x": None, "Y": None}, None], [[("k", 1)], [], [("k", None)], None], [whole, whole, whole, fine]),
    }
    for name, (ids, tags, inner, pairs, at) in days.items():
        columns = {"id": pa.array(ids, pa.int64()), "tags": pa.array(tags, kinds["tags"]), "inner": pa.array(inner, kinds["inner"])}
        columns["pairs"] = pa.array(pairs, kinds["pairs"])
        columns["at"] = pa.array([one.value for one in at], pa.timestamp("ns"))
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


AVRO = {
    "type": "record",
    "name": "Row",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 3}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
        {"name": "word", "type": {"type": "enum", "name": "Word", "symbols": ["even", "odd"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "pairs", "type": {"type": "map", "values": "int"}},
        {"name": "inner", "type": {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": ["null", "double"]}]}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 2}},
    ],
}


def avro():
    zoned = noon.replace(tzinfo=datetime.timezone.utc)
    count = 0
    for name, rows, codec in [("a", 20_000, "deflate"), ("b", 10, "null"), ("c", 10, "bzip2")]:
        records = [
            {
                "id": i,
                "amount": None if i % 7 == 0 else decimal.Decimal(i) / 8 - 1,
                "day": day + datetime.timedelta(i),
                "at": None if i % 5 == 0 else zoned + datetime.timedelta(microseconds=i),
                "local": datetime.datetime(2026, 1, 5, 12, 30, 0, 250_000),
                "word": "even" if i % 2 == 0 else "odd",
                "tags": [f"t{i}"] * (i % 3),
                "pairs": {"k": i},
                "inner": {"x": i / 10},
                "code": i.to_bytes(2, "big"),
            }
            for i in range(count, count + rows)
        ]
        count += rows
        with open(folder / f"{name}.avro", "wb") as out:
            fastavro.writer(out, fastavro.parse_schema(AVRO), records, codec=codec)
        for record in records:
            amount = "" if record["amount"] is None else f"{record['amount']:.3f}"
            at = "" if record["at"] is None else shown(record["at"].replace(tzinfo=None))
            print(f"{record['id']},{amount},{record['day']},{at},{record['word']}")


def excel():
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.sheet_state = "hidden"
    sheet = book.create_sheet("Plan")
    sheet.append(["Sales plan"])
    sheet.append([])
    sheet.append(["id", "amount", "day", "at", "text", "share"])
    for i in range(1_000):
        sheet.append([i, i / 8, day + datetime.timedelta(i), noon.replace(microsecond=0), f"ä{i}", i / 10])
    sheet.merge_cells("A1:F1")
    book.save(folder / "plan.xlsx")
    for i in range(1_000):
        amount = repr(i / 8).removesuffix(".0")
        print(f"{i},{amount},{day + datetime.timedelta(i)},2026-01-05 12:30:00,ä{i},{repr(i / 10).removesuffix('.0')}")


{"parquet": parquet, "nested": nested, "avro": avro, "excel": excel}[kind]()
