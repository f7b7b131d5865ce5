"""Other readers of a lake see the rows that karat sees: of a Delta table delta-rs, Polars, DuckDB's delta extension, and DuckDB on the files that the
log names; of an Iceberg table PyIceberg, Polars, and DuckDB's iceberg extension.

Usage: readers.py STATE.json            compares; exit 0 if all agree
       readers.py --checkpoint FOLDER…  writes a checkpoint into each table's log, as delta-rs does it

STATE.json is a list of {table, folder, version, answer, csv}: what `karat query --json` and `--format csv` said of this version (csv may be
missing). No reader promises an order, so rows are compared as a sorted list; each cell by its value and type, doubles by their shortest text.
"""

import glob
import io
import json
import os
import sys
import tempfile
from collections import Counter
from datetime import date, datetime, timezone
from decimal import Decimal

# Polars would rather plan with a package of its own, and says so each time.
os.environ["POLARS_ICEBERG_PLANNER"] = "pyiceberg"

import polars  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
from deltalake import DeltaTable  # noqa: E402
from pyiceberg.expressions import EqualTo, IsNull  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402

# A DuckDB of its own, which the wheel of the extension fits.
apart = os.path.join(sys.prefix, "duckdb-delta")
sys.path.insert(0, apart)
import duckdb  # noqa: E402

EXTENSIONS = [
    path
    for name in ("delta", "avro", "iceberg")
    for path in glob.glob(os.path.join(apart, f"duckdb_extension_{name}", "extensions", "*", f"{name}.duckdb_extension"))
]
assert len(EXTENSIONS) == 3, "DuckDB's extensions are not installed: run `cargo xtask peers`"


def connect():
    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    for extension in EXTENSIONS:
        db.execute(f"load '{extension}'")
    return db


DB = connect()


def cell(value):
    """A value as text that tells its type too."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"text {value}"
    if isinstance(value, bool):
        return f"boolean {value}"
    if isinstance(value, float):
        return f"double {value!r}"
    if isinstance(value, (int, Decimal)):
        return f"number {Decimal(value):f}"
    if isinstance(value, datetime):
        return f"timestamp {value.astimezone(timezone.utc).isoformat() if value.tzinfo else value.isoformat()}"
    if isinstance(value, date):
        return f"date {value.isoformat()}"
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    raise TypeError(f"no table of karat holds a {type(value)}")


def expected(kind, value):
    """What karat printed as JSON, by its type's name; numbers are still text."""
    if value is None:
        return None
    if kind in ("double", "real"):
        return float(value)
    if kind == "bigint" or kind == "integer" or kind.startswith(("decimal", "smallint", "tinyint")):
        return Decimal(value)
    if kind == "date":
        return date.fromisoformat(value)
    if kind.startswith("timestamp"):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    if kind == "binary":
        return bytes.fromhex(value)
    return value


def arrow_type(kind):
    """Arrow's type for one of karat's."""
    if kind.startswith("decimal("):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    return {
        "string": pa.string(),
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "real": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "binary": pa.binary(),
        "timestamp": pa.timestamp("us"),
        "timestamp with time zone": pa.timestamp("us", "UTC"),
    }[kind]


def of_arrow(table):
    return [tuple(row.values()) for row in table.to_pylist()], table.column_names


def of_polars(frame):
    return frame.rows(), frame.columns


def delta_rs(folder, version):
    return of_arrow(DeltaTable(folder, version=version).to_pyarrow_table())


def polars_scan(folder, version):
    return of_polars(polars.scan_delta(folder, version=version).collect())


def polars_read(folder, version):
    return of_polars(polars.read_delta(folder, version=version))


def duckdb_delta(folder, version):
    return of_arrow(DB.execute(f"select * from delta_scan('{quoted(folder)}', version = {version})").to_arrow_table())


def duckdb_newest(folder, _version):
    return of_arrow(DB.execute(f"select * from delta_scan('{quoted(folder)}')").to_arrow_table())


def duckdb_files(folder, version):
    table = DeltaTable(folder, version=version)
    files = table.file_uris()
    if not files:
        return [], [field.name for field in table.schema().fields]
    names = ", ".join(f"'{quoted(file)}'" for file in files)
    return of_arrow(DB.execute(f"select * from read_parquet([{names}], union_by_name = true)").to_arrow_table())


def is_iceberg(folder):
    return os.path.isdir(os.path.join(folder, "metadata"))


def metadata(folder, version):
    return os.path.join(folder, "metadata", f"v{version + 1}.metadata.json")


def pyiceberg(folder, version):
    return of_arrow(StaticTable.from_metadata(metadata(folder, version)).scan().to_arrow())


def pyiceberg_travels(folder, version):
    """From the newest version, found by the hint, back to the snapshot of this one; the columns are the newest ones."""
    table = StaticTable.from_metadata(folder)
    snapshots = [one for one in table.snapshots() if one.summary["karat.version"] == str(version)]
    assert len(snapshots) == 1, f"{len(snapshots)} snapshots are of version {version}"
    return of_arrow(table.scan(snapshot_id=snapshots[0].snapshot_id).to_arrow())


def polars_iceberg(folder, version):
    return of_polars(polars.scan_iceberg(metadata(folder, version)).collect())


def duckdb_iceberg(folder, version):
    return of_arrow(DB.execute(f"select * from iceberg_scan('{quoted(metadata(folder, version))}')").to_arrow_table())


def duckdb_hint(folder, _version):
    return of_arrow(DB.execute(f"select * from iceberg_scan('{quoted(folder)}')").to_arrow_table())


def filtered_iceberg(folder, version, rows, names):
    """The same as `filtered`: what a reader skips by the bounds and counts in manifests."""
    table = StaticTable.from_metadata(metadata(folder, version))
    lost = []
    for field in table.schema().fields:
        position = names.index(field.name.lower())
        counts = Counter(row[position] for row in rows if not is_nan(row[position]))
        for value, count in list(counts.items())[:1]:
            test = f'"{field.name}" is null' if value is None else f'"{field.name}" = ?'
            sql = f"select count(*) from iceberg_scan('{quoted(metadata(folder, version))}') where {test}"
            found = DB.execute(sql, [] if value is None else [value]).fetchall()[0][0]
            if found != count:
                lost.append(f"DuckDB finds {found} of {count} rows where {field.name} is {value!r}")
            # PyIceberg makes a literal of a date or time out of its text.
            literal = value.isoformat() if isinstance(value, date) else value
            condition = IsNull(field.name) if value is None else EqualTo(field.name, literal)
            found = table.scan(row_filter=condition).to_arrow().num_rows
            if found != count:
                lost.append(f"PyIceberg finds {found} of {count} rows where {field.name} is {value!r}")
    return lost


def plain_type(of):
    """Texts and bytes in their one spelling."""
    return {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}.get(of, of)


def quoted(path):
    return path.replace("'", "''")


def filtered(folder, version, rows, names):
    """Rows that a filter does not find by the value of one of their cells: what a reader skips by the statistics of log and files."""
    table = DeltaTable(folder, version=version)
    data_set = table.to_pyarrow_dataset()
    lost = []
    for field in data_set.schema:
        position = names.index(field.name.lower())
        counts = Counter(row[position] for row in rows if not is_nan(row[position]))
        for value, count in list(counts.items())[:3]:
            column = pc.field(field.name)
            condition = column.is_null() if value is None else column == pa.scalar(value, field.type)
            found = data_set.count_rows(filter=condition)
            if found != count:
                lost.append(f"delta-rs finds {found} of {count} rows where {field.name} is {value!r}")
            test = f'"{field.name}" is null' if value is None else f'"{field.name}" = ?'
            sql = f"select count(*) from delta_scan('{quoted(folder)}', version = {version}) where {test}"
            found = DB.execute(sql, [] if value is None else [value]).fetchall()[0][0]
            if found != count:
                lost.append(f"DuckDB finds {found} of {count} rows where {field.name} is {value!r}")
    return lost


def is_nan(value):
    return isinstance(value, float) and value != value


def of_csv(text, names):
    """The CSV as DuckDB reads it: all text, a quoted empty field is no null."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        columns = ", ".join(f"'{name}': 'varchar'" for name in names)
        options = f"header = true, delim = ',', quote = '\"', escape = '\"', allow_quoted_nulls = false, columns = {{{columns}}}"
        return of_arrow(DB.execute(f"select * from read_csv('{file.name}', auto_detect = false, {options})").to_arrow_table())


def compare(state):
    failures = 0
    for entry in state:
        table, folder, version = entry["table"], entry["folder"], int(entry["version"])
        columns = entry["answer"]["columns"]
        names = [column["name"] for column in columns]
        kinds = [column["type"] for column in columns]
        rows = [tuple(row[name] for name in names) for row in entry["answer"]["rows"]]
        typed = [tuple(expected(kind, value) for kind, value in zip(kinds, row)) for row in rows]
        want = sorted(tuple(cell(value) for value in row) for row in typed)
        # A query folds names (F3); the table keeps `__START_AT` and `__END_AT` as Lakeflow writes them.
        if is_iceberg(folder):
            schema = StaticTable.from_metadata(metadata(folder, version)).schema().as_arrow()
            readers = [pyiceberg, pyiceberg_travels, polars_iceberg, duckdb_iceberg]
            if not os.path.exists(metadata(folder, version + 1)):
                readers.append(duckdb_hint)
            # Iceberg has no shorter integer.
            wider = {"smallint": "integer", "tinyint": "integer"}
        else:
            schema = pa.schema(DeltaTable(folder, version=version).schema().to_arrow())
            readers = [delta_rs, polars_scan, duckdb_delta, duckdb_files]
            if len(rows) <= 1000:
                readers.append(polars_read)
                if DeltaTable(folder).version() == version:
                    readers.append(duckdb_newest)
            wider = {}
        types = {field.name.lower(): plain_type(field.type) for field in schema}
        bad = [
            f"column {name}: karat {kind}, elsewhere {types.get(name)}"
            for name, kind in zip(names, kinds)
            if types.get(name) != arrow_type(wider.get(kind, kind))
        ]
        for reader in readers:
            found, order = reader(folder, version)
            order = [name.lower() for name in order]
            if sorted(order) != sorted(names):
                bad.append(f"{reader.__name__} has the columns {order}")
                continue
            at = [order.index(name) for name in names]
            got = sorted(tuple(cell(row[i]) for i in at) for row in found)
            if got != want:
                extra, missing = Counter(got) - Counter(want), Counter(want) - Counter(got)
                bad.append(f"{reader.__name__}: {len(got)} rows, karat {len(want)}; it alone {list(extra)[:2]}, karat alone {list(missing)[:2]}")
        if len(typed) <= 20 and not bad:
            bad += (filtered_iceberg if is_iceberg(folder) else filtered)(folder, version, typed, names)
        if entry.get("csv") is not None:
            texts, order = of_csv(entry["csv"], names)
            shown = [tuple(None if value is None else as_csv(kind, value) for kind, value in zip(kinds, row)) for row in rows]
            if order != names or texts != shown:
                first = next((pair for pair in zip(texts, shown) if pair[0] != pair[1]), None)
                bad.append(f"as CSV: {len(texts)} rows, as JSON {len(shown)}; first difference {first}")
        agreed = " agree" if not bad else ""
        print(f"{table}@{version}: {len(rows)} rows of {len(names)} columns, {len(readers)} readers{agreed}")
        for line in bad:
            print(f"  {line}")
        failures += len(bad)
    return failures


def as_csv(kind, value):
    """A JSON value as the text of a CSV cell."""
    if kind == "double":
        return {"Infinity": "inf", "-Infinity": "-inf"}.get(value, value)
    return str(value).lower() if kind == "boolean" else value


if sys.argv[1] == "--checkpoint":
    for folder in sys.argv[2:]:
        DeltaTable(folder).create_checkpoint()
    os._exit(0)
else:
    with open(sys.argv[1], encoding="utf-8") as handle:
        # Numbers keep their text until the column's type says what they are.
        state = json.load(handle, parse_float=str, parse_int=str)
    failures = compare(state)
    sys.stdout.flush()
    # Threads of the native libraries may abort an interpreter that shuts down.
    os._exit(1 if failures else 0)
