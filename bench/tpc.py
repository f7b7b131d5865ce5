"""TPC-DS and TPC-H: every answer of karat beside DuckDB's, cell by cell.

Usage: cargo xtask bench tpc [--scale N] [--suite ds|h] [--only NUMBER ...] [--data DIR]      (both suites at scale 1 unless told)
       cargo xtask bench tpc --beside ENGINE ... [--rounds N] [...]      (duckdb polars datafusion chdb sail spark plain; TPC-H unless told)

Rows and questions are those of DuckDB's extensions `tpcds` and `tpch`, written to Parquet. Prints a line a question: rows, seconds of the
processor and peak memory of each, and whether the answers are equal; karat's figures are those of the whole command, DuckDB's of its warm process.

Equal means: the same rows in the order that the question asks for. Integers, dates, texts and decimals are equal to the last digit. Where
DuckDB turns decimals into doubles (averages, quotients), karat's decimal must be the rounding of a number that is at most ULPS units in
the last place away from DuckDB's double: DuckDB adds exactly, then converts and divides, three roundings or four. Where karat rounds more than once, COARSE
says how often and why. Of standard deviations DuckDB is asked for exact sums first, since its own rounds at each row.

`--beside` measures instead: processor time and peak memory of each engine, medians of rounds in which one process follows the other, as
bench/query.py measures them. The peers answer the same text; an answer that is another is told (numbers to six digits, since their types differ).

Rows that tie at a LIMIT: karat completes the order (rule D2), and DuckDB is asked with the order that karat states.
"""

import argparse
import datetime
import decimal
import fractions
import glob
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import query

# DuckDB's extensions need the DuckDB that signed them, which is installed apart.
sys.path.insert(0, os.path.join(sys.prefix, "duckdb-delta"))

import duckdb
import pyarrow.ipc

KARAT = os.environ["KARAT"]
THREADS = 2
# Runs a command from a small process: a child's peak begins with that of its parent, and this one grows with DuckDB.
MEASURED = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, file=sys.stderr)
"""
SUITES = {"ds": ("tpcds", "dsdgen", 99), "h": ("tpch", "dbgen", 22)}
# Units in the last place of a double.
ULPS = 4
decimal.getcontext().prec = 100


def load(connection, suite):
    extension = SUITES[suite][0]
    [path] = [file for folder in sys.path for file in glob.glob(f"{folder}/duckdb_extension_{extension}/extensions/*/*.duckdb_extension")][:1]
    connection.execute(f"load '{path}'")


def write_tables(folder, suite, scale):
    connection = duckdb.connect()
    load(connection, suite)
    connection.execute(f"call {SUITES[suite][1]}(sf = {scale})")
    folder.mkdir(parents=True, exist_ok=True)
    for (table,) in connection.execute("show tables").fetchall():
        (folder / table).mkdir()
        connection.execute(f"copy {table} to '{folder / table / table}.parquet' (format parquet)")


def tables_of(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def ask_karat(folder, sql, scratch):
    """Rows with their names and types, seconds, and peak MiB; or what karat says."""
    command = [KARAT, "query", "--quiet", "--threads", str(THREADS), "--format", "arrow", "--output", str(scratch)]
    for table in tables_of(folder):
        command += ["--table", f"{table}={folder / table}"]
    scratch.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "-S", "-c", MEASURED, *command, sql], capture_output=True, text=True)
    *said, figures = done.stderr.splitlines()
    code, seconds, peak = figures.split()
    if code != "0":
        raise Failed(f"exit {code}: {' '.join(' '.join(said).split())[:300]}")
    table = pyarrow.ipc.open_stream(scratch.read_bytes()).read_all()
    columns = [column.to_pylist() for column in table.columns]
    return table.schema.names, list(zip(*columns)), float(seconds), int(peak) / 1024


class Failed(Exception):
    pass


def plain(value):
    """A value as both sides write it: numbers that are exact as decimals, doubles as they are."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, (int, decimal.Decimal)):
        number = decimal.Decimal(value)
        return number.normalize() + 0
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


class Question:
    """A text, taken apart at its end: `… order by KEYS limit N`."""

    def __init__(self, sql):
        self.text = sql.strip().rstrip(";").strip()
        found = re.search(r"\s+limit\s+(\d+)$", self.text, re.I)
        self.limit = int(found[1]) if found else None
        self.whole = self.text[: found.start()] if found else self.text
        tail = self.whole[self.whole.lower().rfind("order by") :]
        self.ordered = tail.lower().startswith("order by") and tail.count("(") == tail.count(")")

    def sorted_by(self, more, limit=None):
        """The text with its order completed by columns of the answer, given by position."""
        by = ", ".join(f"{at + 1} nulls last" for at in more)
        text = f"{self.whole}, {by}" if self.ordered else f"{self.whole} order by {by}"
        return text if limit is None else f"{text} limit {limit}"


# Where karat's value was rounded more than once: the question, how the names of the columns end, what is allowed in halves of the last
# place of a decimal and as a part of a double, and why.
COARSE = [
    ("ds 66", "_sales_per_sq_foot", 2, 0, "a sum of two quotients, each rounded to the type of a quotient (E1)"),
    ("ds 17", "cov", 1, 5e-7, "a double divided by an average, which has six places (E1) and is 1 at least"),
    ("ds 39", "cov", 1, 5e-7, "the same"),
    ("ds 39", "cov1", 1, 5e-7, "the same"),
]


def allowance(name, column):
    for question, end, halves, part, _ in COARSE:
        if question == name and column.endswith(end):
            return halves, part
    return 1, 0


def ulp(value):
    return fractions.Fraction(math.ulp(value))


def far(ours, theirs, halves, part):
    """How far apart a value of karat's and a double of DuckDB's are beyond what their types allow; 0 or less is equal."""
    if ours is None or theirs is None or isinstance(ours, str):
        return 0 if ours == theirs else math.inf
    if isinstance(ours, float) and (math.isnan(ours) or math.isnan(theirs)):
        return 0 if math.isnan(ours) and math.isnan(theirs) else math.inf
    if math.isnan(theirs) or math.isinf(theirs):
        return 0 if ours == theirs else math.inf
    allowed = ULPS * ulp(theirs) + fractions.Fraction(part) * abs(fractions.Fraction(theirs))
    if isinstance(ours, decimal.Decimal):
        allowed += fractions.Fraction(halves, 2) * fractions.Fraction(10) ** ours.as_tuple().exponent
    return abs(fractions.Fraction(ours) - fractions.Fraction(theirs)) - allowed


def well_conditioned(sql):
    """With standard deviations of integers from exact sums: three roundings, where DuckDB's own rounds at each row."""
    sums = r"sqrt((count(\1) * sum(\1::hugeint * \1) - sum(\1)::hugeint * sum(\1))::double / nullif(count(\1)::hugeint * (count(\1) - 1), 0)::double)"
    return re.sub(r"stddev_samp\(([^()]*)\)", sums, sql, flags=re.I)


def open_duckdb(folder, memory):
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": memory})
    for table in tables_of(folder):
        connection.execute(f"create view {table} as select * from read_parquet('{folder / table}/*.parquet')")
    return connection


def ask_duckdb(connection, sql):
    relation = connection.sql(well_conditioned(sql))
    return relation.columns, [str(kind) == "DOUBLE" for kind in relation.types], relation.fetchall()


def difference(name, connection, question, names, ours):
    """What is not equal, or an empty text."""
    by_name = sorted(range(len(names)), key=lambda at: names[at])
    left_to_right = range(len(names))
    _, doubles, theirs = ask_duckdb(connection, question.sorted_by(by_name, question.limit))
    ours, theirs = [list(map(plain, row)) for row in ours], [list(map(plain, row)) for row in theirs]
    if len(ours) != len(theirs):
        return f"{len(ours)} rows here and {len(theirs)} there"

    def exact(row):
        return tuple(str(value) for value, double in zip(row, doubles) if not double)

    def by(row):
        return exact(row), tuple((value is None, value or 0) for value, double in zip(row, doubles) if double)

    for here, there in zip(sorted(ours, key=by), sorted(theirs, key=by)):
        for column, double, own, other in zip(names, doubles, here, there):
            if not double and own != other:
                return f"`{column}` is {own} here and {other} there, in {here} and {there}"
            if double and far(own, other, *allowance(name, column)) > 0:
                return f"`{column}` is {own} here and {other!r} there, in {here} and {there}"
    if question.ordered:
        # The order of the answer: what the question asks for, then its columns from left to right.
        at = 0
        whole = [exact(map(plain, row)) for row in ask_duckdb(connection, question.sorted_by(left_to_right))[2]]
        for row in ours:
            while at < len(whole) and whole[at] != exact(row):
                at += 1
            if at == len(whole):
                return f"the row {row} is not in its place"
            at += 1
    return ""


def text_of(connection, suite, number):
    [(sql,)] = connection.execute(f"select query from {SUITES[suite][0]}_queries() where query_nr = {number}").fetchall()
    return sql


def compare(name, number, folder, scratch, memory):
    connection = open_duckdb(folder, memory)
    load(connection, name)
    sql = text_of(connection, name, number)
    question = Question(sql)
    label = f"{name} {number}"
    try:
        names, ours, seconds, peak = ask_karat(folder, question.text, scratch)
    except Failed as failed:
        print(f"{label}: {failed}", flush=True)
        return False, 0, 0
    started = time.process_time()
    connection.execute(sql).fetchall()
    theirs = time.process_time() - started
    wrong = difference(label, connection, question, names, ours)
    print(f"{label}: {len(ours)} rows, {seconds:.2f} s, {peak:.0f} MiB; DuckDB {theirs:.2f} s; {wrong or 'equal'}", flush=True)
    return not wrong, seconds, theirs


def close(left, right):
    """Whether two answers are one, up to the digits that types of numbers leave: by position, since engines name columns in their own ways."""

    def equal(a, b):
        if isinstance(a, (float, decimal.Decimal)) and isinstance(b, (float, decimal.Decimal)):
            return abs(float(a) - float(b)) <= 1e-4 + 1e-6 * abs(float(b))
        return a == b

    left, right = ([list(row.values()) for row in query.cells(rows)] for rows in (left, right))
    return len(left) == len(right) and all(len(one) == len(other) and all(map(equal, one, other)) for one, other in zip(left, right))


def beside(suite, number, folder, sql, engines, rounds):
    """Medians of one question: seconds and peak of each engine that answers."""
    tables = [table for table in tables_of(folder) if re.search(rf"\b{table}\b", sql, re.I)]
    runs, notes = {engine: [] for engine in engines}, {}
    for _ in range(rounds):
        for engine in engines:
            if engine in notes:
                continue
            run, why = query.measured(engine, tables, sql.strip().rstrip(";"), folder)
            if run is None:
                notes[engine] = f"failed: {why}"
            else:
                runs[engine].append(run)
    expected = next((run[2] for run in runs["karat"]), [])
    found = {}
    for engine in engines:
        if notes.get(engine):
            print(f"{suite} {number:2} {engine:11} {notes[engine]}", flush=True)
            continue
        seconds, peak = statistics.median(run[0] for run in runs[engine]), max(run[1] for run in runs[engine])
        note = "" if all(close(expected, run[2]) for run in runs[engine]) else "   DIFFERS"
        print(f"{suite} {number:2} {engine:11} {seconds:7.3f} s   {peak:6.0f} MB{note}", flush=True)
        found[engine] = (seconds, peak)
    return found


def measure(suite, numbers, folder, arguments):
    engines = ["karat", *arguments.beside]
    connection = duckdb.connect()
    load(connection, suite)
    found = {number: beside(suite, number, folder, text_of(connection, suite, number), engines, arguments.rounds) for number in numbers}
    print("\n| | " + " | ".join(engines) + " |\n|---|" + "---|" * len(engines))
    for number, of in found.items():
        shown = (f"{of[engine][0]:.2f} s, {of[engine][1]:.0f} MB" if engine in of else "—" for engine in engines)
        print(f"| {number} | " + " | ".join(shown) + " |")
    for engine in engines:
        both = [of for of in found.values() if engine in of and "karat" in of]
        ours, theirs = (sum(of[name][0] for of in both) for name in ("karat", engine))
        behind = [str(number) for number, of in found.items() if engine in of and "karat" in of and of["karat"][0] > of[engine][0]]
        print(f"{engine}: {len(both)} of {len(found)} answered, {theirs:.2f} s, karat {ours:.2f} s; karat behind in {', '.join(behind) or 'none'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="1")
    parser.add_argument("--suite", choices=SUITES)
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--memory", default="8GB", help="DuckDB's limit")
    parser.add_argument("--beside", nargs="+", choices=["plain", *query.OPEN])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="karat-tpc-") as name:
        for suite in [arguments.suite] if arguments.suite else ["h"] if arguments.beside else SUITES:
            folder = (arguments.data or pathlib.Path(name)) / f"{suite}-{arguments.scale}"
            if not folder.is_dir():
                write_tables(folder, suite, arguments.scale)
            numbers = arguments.only or range(1, SUITES[suite][2] + 1)
            if arguments.beside:
                measure(suite, numbers, folder, arguments)
                continue
            told = [compare(suite, number, folder, pathlib.Path(name) / "answer.arrow", arguments.memory) for number in numbers]
            right = sum(equal for equal, _, _ in told)
            ours, theirs = sum(seconds for _, seconds, _ in told), sum(seconds for _, _, seconds in told)
            print(f"{SUITES[suite][0]} at scale {arguments.scale}: {right} of {len(told)} equal; karat {ours:.1f} s of the processor, DuckDB {theirs:.1f} s", flush=True)
            failed |= right < len(told)
    if failed:
        sys.exit("answers differ")


if __name__ == "__main__":
    main()
