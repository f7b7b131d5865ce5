"""DataFusion's own SQL tests, asked of `karat query`: how many are answered, with which answers, and why the others are refused.

Usage: KARAT=target/release/karat python bench/sqllogictests.py [--only PART_OF_A_FILE_NAME] [--show KIND] [--tests FOLDER] [--data FOLDER]

The tests are those of the crate datafusion-sqllogictest, which `cargo fetch` brings; `--tests` names another folder of .slt files, and
`--data` a checkout of apache/arrow-testing, for the tests that read its CSV files. Statements that make tables are carried out by the
Python package `datafusion`; each SELECT then reads the tables as Parquet files through `karat query --table`.
"""

import argparse
import collections
import concurrent.futures
import datetime
import decimal
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KARAT = os.path.abspath(os.environ["KARAT"])
CRATE = "datafusion-sqllogictest"
VERSION = "55.2.0"
# A query of these tests is small.
SECONDS = 20


APPROXIMATE = "stated: approx_ functions give the exact answer"
TYPES = "stated: arrow_typeof names the type that karat has"
LOSS = "stated: a cast that would lose something is an error"
MICROSECONDS = "stated: timestamps have microseconds"
OFFSET = "stated: text with an offset is an instant"
ON_PURPOSE = "stated: refused on purpose"
TIES = "stated: other rows where no order chooses"
QUOTIENT = "stated: quotient of integers"
HALVES = "stated: halves are computed as reals"
REALS = "stated: functions of reals give doubles"
INTERVALS = "stated: one kind of interval"
DIALECT = "stated: the test is in another dialect"
# The Python package makes another table of these statements than the tests' own program: a list of places, days for milliseconds.
NOT_MADE = "table is missing"
# What a person judged, and no comparison tells: file, part of the query, the kind of docs/sql.md.
JUDGED = [
    ("aggregate.slt", "string_agg(k, ',' order by v desc)", "stated: nulls come last"),
    ("aggregates_topk.slt", "order by max_trace desc", "stated: nulls come last"),
    ("aggregate.slt", "FIRST_VALUE(column1)", TIES),
    ("window.slt", "FIRST_VALUE(column1)", TIES),
    ("window.slt", "LIMIT 5) GROUP BY rn", TIES),
    ("window_limits.slt", "AS running_sum", TIES),
    ("topk.slt", "limit 8) order by x limit 3", TIES),
    ("distinct_on.slt", "SELECT DISTINCT ON (c1) *", TIES),
    ("group_by.slt", "FROM sales_global", TIES),
    ("group_by.slt", "SELECT LAST_VALUE(x) FROM FOO", TIES),
    ("pg_compat/pg_compat_window.slt", "OVER ()", TIES),
    ("group_by.slt", "- 53 / cor0.col0", QUOTIENT),
    ("expr.slt", "c8/nullif(c7, 0)", QUOTIENT),
    ("predicates.slt", "c7 / 10", QUOTIENT),
    ("order.slt", "FROM ordered_u8", "stated: integers do not wrap, and overflow is an error"),
    ("predicates.slt", "FROM test_float", "stated: one NaN, and doubles compared by their exact values"),
    ("string_numeric_coercion.slt", "IN ('5', 325.7)", "stated: one NaN, and doubles compared by their exact values"),
    ("datetime/date_part.slt", "c1_ts_tz", "stated: the project's zone"),
    ("datetime/timestamps.slt", "date_trunc", "stated: the project's zone"),
    ("functional_dependencies.slt", "FROM t_uniq", "stated: DataFusion's is wrong, and the test says so"),
    ("aggregate.slt", "'Float16')", HALVES),
    ("math.slt", "'Float16')", HALVES),
    ("aggregate.slt", "'Interval(YearMonth)'", INTERVALS),
    ("aggregate.slt", "array_agg(millis", TIES),
    ("aggregate.slt", "percentile_cont(0.3)", "stated: digits of a decimal"),
    ("array/array_range.slt", "interval '1' year", "stated: DataFusion's is wrong"),
    ("array/arrays_zip.slt", "interval '1' year", "stated: DataFusion's is wrong"),
    ("array/array_to_string.slt", "array_to_string(array_agg(", TIES),
    ("array/array_to_string.slt", "'Duration(Millisecond)'", INTERVALS),
    ("arrow_typeof.slt", "'Interval(YearMonth)'", INTERVALS),
    ("datetime/date_part.slt", "'Duration(Second)'", INTERVALS),
    ("create_external_table.slt", "from multi_loc", NOT_MADE),
    ("csv_files.slt", "quotes", NOT_MADE),
    ("parquet.slt", "from listing_table", NOT_MADE),
    ("simplify_expr.slt", "from date_unwrap", NOT_MADE),
    ("datetime/arith_time_interval.slt", "'Time32(Millisecond)'", MICROSECONDS),
    ("datetime/timestamps.slt", "as timestamp(9)", MICROSECONDS),
    ("datetime/interval_mysql.slt", "interval '", DIALECT),
    ("datetime/timestamps.slt", "ts / 1000000000", QUOTIENT),
    ("datetime/timestamps.slt", "::timestamptz", OFFSET),
    ("datetime/timestamps.slt", "at time zone", "stated: the project's zone"),
    ("datetime/timestamps.slt", "from t_timezone", "stated: the project's zone"),
    ("datetime/timestamps.slt", "as timestamp with time zone", OFFSET),
    ("table_functions.slt", "timestamptz '", OFFSET),
    ("ddl.slt", "limit 1", TIES),
    ("scalar.slt", "limit 1", TIES),
    ("expr.slt", "select decode(''", "stated: the test expects a line of its own syntax"),
    ("functions.slt", "sqrt(c", REALS),
    ("functions.slt", "sqrt(column", REALS),
    ("math.slt", "round(arrow_cast(column1, 'float32')", "stated: a double is rounded as the binary value that it is"),
    ("ordered_aggregate_spill.slt", "avg(v1)", "stated: digits of a decimal"),
    ("scalar.slt", "2.0/3", QUOTIENT),
    ("datetime/timestamps.slt", "1599572549190855123 / 1000000000", QUOTIENT),
    ("null_aware_anti_join.slt", "or id not in", "stated: DataFusion's is wrong, and the test says so"),
    ("scalar.slt", "letter = LEFT('APACHE', 1)", "stated: the test expects a line of its own syntax"),
]


# A text of a moment with an offset or a zone.
WITH_OFFSET = r"'\d{4}-\d\d-\d\d[T ][\d:.]+\s*(?:[-+]\d\d|Z|[A-Z]{3}|[A-Z][a-z]+/\w+)"
NANOSECONDS = r"nano|\(ns\b|\.\d{7,9}\b"
NUMBERS = r"(?:decimal\(\d+,\d+\)|(?:tiny|small|big)?int(?:eger)?(?: unsigned)?|double|real)"
# Errors that docs/sql.md states: part of the message, what the query or the expected rows show (or None), the kind.
ERRORS = [
    (r"division by zero", None, "stated: x / 0 and x % 0 are errors"),
    (r"as boolean\)`", None, "stated: only 0 and 1 are booleans"),
    (r"no timestamp|no date|without loss|does not fit", WITH_OFFSET, OFFSET),
    (r"without loss|no timestamp|no time\b|does not fit|outside of what", NANOSECONDS, MICROSECONDS),
    (r"outside of what `cast\(.* as date\) [-+]", None, "stated: a date has no time of day"),
    (r"outside of what `cast\(.* as time\) [-+]", None, "stated: a time of day takes no days"),
    (r"(?i)outside of what `(?:ln|log\w*|acosh|atanh|asin|acos|sqrt|power|pow)\b", None, "stated: an argument outside of a function's domain is an error"),
    (r"the result of .* does not fit its type", None, "stated: integers do not wrap, and overflow is an error"),
    (r"without loss in `(?:try_)?(?:arrow_)?cast\((?!.* as decimal\(30,15\)\)`)", None, LOSS),
    (r"without loss in `to_(?:timestamp|date|unixtime)", None, LOSS),
    # Of the right type for it, but nothing says what the number counts.
    (rf"no cast from {NUMBERS} to (?:timestamp|date|time)\b", None, ON_PURPOSE),
    (r"a decimal has 1 to 76 digits|has more than 76 digits", None, ON_PURPOSE),
    (r"`(?:sum|avg|median|\w*percentile_cont|stddev\w*|var\w*)` takes a number, not interval", None, ON_PURPOSE),
    (r"is no zone of the time-zone database|takes the name of a time zone", None, ON_PURPOSE),
    (r"the name of an algorithm", r"blake", ON_PURPOSE),
    (r"no type `UUID`", None, ON_PURPOSE),
    (r"no cast from struct", None, LOSS),
    (r"outside of what `date_bin\(", None, "stated: an argument outside of a function's domain is an error"),
    (r"outside of what `array_slice\(", r"-9223372036854775808", "stated: an argument outside of a function's domain is an error"),
    (r"a text is no (?:date|timestamp|time) in", r"'21311111'|'2024-12-1'", "stated: a date has ten digits and signs"),
    (r"without loss in `date_bin\(.*t1\.time\)`", None, MICROSECONDS),
    (r"without loss in `cast\((?:sin\(-1\)|cast\('NaN' as double\)) as decimal\(30,15\)\)`", None, "stated: numbers of several kinds in one list"),
    (r"no column `a`", r"repeat\(\"a\"", DIALECT),
    (r"no infix parser for token Sharp", None, DIALECT),
    (r"no operation interval \+ bigint", r"interval 1 \+ 1", DIALECT),
    (r"no answer within", r"with recursive (?:r as \(\s*select 0 as k|t as \(\s*select 1 i)", "stated: a recursion without an end does not end"),
]
# What karat refuses is one class of errors, and these words are of those of the class that it may answer one day.
NOT_YET = re.compile(r"is not there yet|the engine has no way|the engine cannot|cannot carry the error|has no join for it|is not checked|not offered here")
# Functions that the tests' own program registers.
REGISTERED = r"no function `(?:async_\w+|my_\w+)`"


def stated_error(sql, expected, stderr, kind=None):
    """The kind of an error that docs/sql.md states; None: it states none."""
    if re.search(REGISTERED, stderr):
        return ON_PURPOSE
    if kind == "refused" and not NOT_YET.search(stderr):
        return ON_PURPOSE
    shown = sql + "\n" + "\n".join(expected)
    found = (kind for message, shows, kind in ERRORS if re.search(message, stderr) and (not shows or re.search(shows, shown, re.I)))
    return next(found, None)


# What arrow_typeof answers with.
TYPE = re.compile(
    r"\b(?:Null|Boolean|U?Int\d+|Float\d+|(?:Large)?Utf8(?:View)?|(?:Large)?Binary(?:View)?|Date\d+|(?:Decimal\d+|Time\d+|Timestamp|Interval|Duration"
    r"|FixedSizeBinary|Dictionary|RunEndEncoded|(?:Large|FixedSize)?List(?:View)?|Struct|Map)\([^()]*\))"
)


def without_types(text):
    while (shorter := TYPE.sub("·", text)) != text:
        text = shorter
    return text


def fetch_tests(folder):
    """Has cargo bring the crate that holds the tests, and finds it."""
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "fetch"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n[dependencies]\n{CRATE} = "={VERSION}"\n'
    )
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1"], cwd=folder, check=True, capture_output=True, text=True
    )
    packages = json.loads(metadata.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == CRATE)
    return pathlib.Path(manifest).parent / "test_files"


def records(path):
    """The statements and queries of a file, those of included files in their place: (kind, sql, expected lines)."""
    lines = path.read_text().split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        if line.startswith("include "):
            for included in sorted(path.parent.glob(line.split(None, 1)[1])):
                yield from records(included)
            continue
        if line.startswith(("skipif datafusion", "onlyif")):
            while at < len(lines) and lines[at].strip():
                at += 1
            continue
        if not line.startswith(("statement", "query")):
            continue
        sql, expected = [], None
        while at < len(lines) and lines[at].strip():
            text = lines[at].rstrip("\n")
            at += 1
            if text.strip() == "----":
                expected = []
                # A row of spaces is a row.
                while at < len(lines) and lines[at]:
                    expected.append(lines[at])
                    at += 1
                break
            sql.append(text)
        yield line, "\n".join(sql), expected


class Tables:
    """Tables that the statements of a file made, as Parquet files."""

    def __init__(self, crate, data, folder):
        import datafusion

        config = datafusion.SessionConfig().with_information_schema(True)
        self.context = datafusion.SessionContext(config)
        self.crate, self.data, self.folder, self.written = crate, data, folder, {}

    def execute(self, sql):
        if self.data:
            sql = sql.replace("../../testing/data/", f"{self.data}/data/")
        self.context.sql(re.sub(r"(\blocation\s+')([^']*)'", self.there, sql, flags=re.I)).collect()
        if re.search(r"\b(create|insert|drop|update|delete|copy|truncate|merge)\b", sql, re.I):
            self.written = {}

    def there(self, found):
        """A file that a table is made of: the crate has few of them, and a table over none would be taken for an empty one."""
        path = pathlib.Path(found[2])
        if not path.is_absolute() and not found[2].startswith("test_files/scratch"):
            path = self.crate / path
        if path.is_absolute() and not path.exists():
            raise FileNotFoundError(path)
        return f"{found[1]}{path}{'/' * found[2].endswith('/')}'"

    def named(self, sql):
        """Arguments that name the tables of a SELECT."""
        import pyarrow.parquet

        arguments = []
        names = self.context.catalog().schema().table_names()
        for name in sorted(names):
            if not re.search(rf"(?<![a-z0-9_.]){re.escape(name)}(?![a-z0-9_])", sql, re.I):
                continue
            if name not in self.written:
                path = self.folder / f"{len(os.listdir(self.folder))}.parquet"
                pyarrow.parquet.write_table(self.context.table(f'"{name}"').to_arrow_table(), path)
                self.written[name] = path
            arguments += ["--table", f"{name}={self.written[name]}"]
        return arguments


class Struct(list):
    """The fields of a JSON object, in their order."""


# A number that stands for itself, not part of a word, a date, a time or an address.
NUMBER = re.compile(r"(?<![\w.:/+-])[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w:/-]|\.\d)")


def cell(value, inside=False):
    """A value as the expected lines have it."""
    if value is None:
        return "NULL"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, Struct):
        return "{" + ", ".join(f"{name}: {cell(item, True)}" for name, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(cell(item, True) for item in value) + "]"
    if isinstance(value, (int, decimal.Decimal)):
        return str(value)
    return "(empty)" if value == "" and not inside else value


def plain(text):
    """A line whose instants and numbers are written in one way, numbers without exponents and trailing zeros."""
    text = re.sub(r"(\d\d:\d\d:\d\d\.\d*?)0+(?!\d)", r"\1", text)
    text = re.sub(r"(\d\d:\d\d:\d\d)\.(?!\d)", r"\1", text)
    text = re.sub(r"(\d\d:\d\d:\d\d(?:\.\d+)?)\+00:00", r"\1Z", text)
    text = re.sub(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)", r"\1T\2", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?[-+]\d\d:\d\d", in_utc, text)
    text = text.replace("\0", "\\0")
    # A year has twelve months.
    text = re.sub(r"(-?\d+) years (-?\d+) mons", lambda found: f"{12 * int(found[1]) + int(found[2])} mons", text)
    # An interval tells of the units that it has.
    text = re.sub(r"(\d) secs\b", r"\1 secs", re.sub(r"(\d+\.\d*?)0+ secs\b", r"\1 secs", text)).replace(". secs", " secs")
    text = re.sub(r"(?<![\d.])-?0 (?:years|mons|days|hours|mins|secs)(?: |\b)", "", text)
    text = re.sub(r"\binf\b", "Infinity", text)

    def number(found):
        value = decimal.Decimal(found[0])
        if abs(value.adjusted()) > 999:
            return found[0]
        with decimal.localcontext(decimal.Context(prec=2000)):
            return "0" if not value else format(value.normalize(), "f")

    return NUMBER.sub(number, text).rstrip()


def in_utc(found):
    try:
        instant = datetime.datetime.fromisoformat(found[0]).astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return found[0]
    return instant.isoformat().replace("+00:00", "Z")


def places(text):
    return len(text.partition(".")[2])


def near(ours, theirs):
    """Whether two numbers differ in the digits only that one of them does not have."""
    a, b = decimal.Decimal(ours), decimal.Decimal(theirs)
    fewer = min(places(ours), places(theirs))
    with decimal.localcontext(decimal.Context(prec=1000)):
        rounded = fewer > 0 and abs(a - b) <= decimal.Decimal("0.5").scaleb(-fewer)
        # The tests show twelve places of a double.
        return rounded or abs(a - b) <= max(abs(b) * decimal.Decimal("1e-12"), decimal.Decimal("5e-13"))


def pairs(ours, theirs):
    """The numbers of two answers side by side, if all else is equal."""
    if len(ours) != len(theirs):
        return None
    found = []
    for a, b in zip(ours, theirs):
        if NUMBER.split(a) != NUMBER.split(b):
            return None
        found += [(x, y) for x, y in zip(NUMBER.findall(a), NUMBER.findall(b)) if x != y]
    return found


def judge(kind, sql, expected, rows):
    """Equal, equal up to a difference that docs/sql.md states, or other."""
    cells = [[cell(value) for value in row] for row in rows]
    if len(expected) == 1 and (found := re.fullmatch(r"(\d+) values hashing to (\w+)", expected[0])):
        cells.sort() if "rowsort" in kind else None
        values = [value for row in cells for value in row]
        digest = hashlib.md5("".join(value + "\n" for value in values).encode()).hexdigest()
        return "equal" if [str(len(values)), digest] == list(found.groups()) else "other"
    ours = [plain(" ".join(row)) for row in cells]
    theirs = [plain(line) for line in expected]
    # Where the test asks for no order, the order is the author's luck.
    if ours == theirs or sorted(ours) == sorted(theirs):
        return "equal"
    if any("<slt:ignore>" in line for line in theirs):
        patterns = [".*".join(map(re.escape, line.split("<slt:ignore>"))) for line in theirs]
        if len(ours) == len(theirs) and all(map(re.fullmatch, patterns, ours)):
            return "equal"
    dates = [line.replace("T00:00:00", "") for line in theirs]
    if sorted(line.replace("T00:00:00", "") for line in ours) == sorted(dates):
        return "stated: a date has no time of day"
    for a, b in ((ours, theirs), (sorted(ours), sorted(theirs))):
        different = pairs(a, b)
        if different is None:
            continue
        if all(near(x, y) for x, y in different):
            return "stated: digits of a decimal"
        if "approx_" in sql.lower():
            return APPROXIMATE
        if "/" in sql and all(decimal.Decimal(y) == int(decimal.Decimal(x)) for x, y in different):
            return QUOTIENT
    without_zone = [line.replace("Z", "") for line in ours]
    if re.search(r"%\+|%s|z['\"]|timestamptz|with time zone", sql, re.I) and sorted(without_zone) == sorted(theirs):
        return OFFSET
    if "arrow_typeof" in sql.lower():
        bare = [[without_types(line) for line in side] for side in (ours, theirs)]
        for a, b in (bare, map(sorted, bare)):
            different = pairs(a, b)
            if different is not None and all(near(x, y) for x, y in different):
                return TYPES
    return "other"


def other_rows(command, sql, expected):
    """Whether the expected rows are rows of the query without its LIMIT: the test looks at rows that no order chose."""
    whole = re.sub(r"\s+(?:limit|offset)\s+\d+(?:\s+(?:limit|offset)\s+\d+)?\s*;?\s*$", "", sql, flags=re.I)
    outer = sql
    while (shorter := re.sub(r"\([^()]*\)", "", outer)) != outer:
        outer = shorter
    if whole == sql or re.search(r"\border\s+by\b", outer, re.I):
        return False
    done = subprocess.run(command, input=whole, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode != 0:
        return False
    all_rows = collections.Counter(plain(" ".join(map(cell, row))) for row in read_rows(done.stdout))
    return collections.Counter(map(plain, expected)) <= all_rows


def read_rows(text):
    document = json.loads(text, parse_float=decimal.Decimal, object_pairs_hook=Struct)
    return [[value for _, value in row] for row in dict(document)["rows"]]


def error_of(text):
    """The error in a JSON document, if there is one."""
    try:
        return json.loads(text).get("error") or {}
    except ValueError:
        return {}


def ask(task):
    file, kind, sql, expected, arguments = task
    command = [KARAT, "query", "--format", "json", "--quiet", *arguments, "-"]
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        late = f"no answer within {SECONDS} seconds"
        return (stated_error(sql, expected, late) or "failed", file, sql, expected, late)
    outcome = (file, sql, expected, done.stderr)
    if done.returncode != 0:
        kind = "refused" if done.returncode == 2 else "failed"
        told = error_of(done.stdout).get("kind")
        return (stated_error(sql, expected, done.stderr, told) or kind, *outcome)
    rows = read_rows(done.stdout)
    judged = judge(kind, sql, expected, rows)
    if judged == "other" and other_rows(command, sql, expected):
        judged = TIES
    if judged == "other":
        known = (why for name, part, why in JUDGED if name == file and part.lower() in " ".join(sql.lower().split()))
        judged = next(known, judged)
    return (judged, *outcome, rows)


def reason(stderr):
    """What a message says, without the names in it."""
    line = next((line for line in stderr.splitlines() if line.strip() and not line.startswith(("note", "warning"))), "")
    line = re.sub(r"\s+", " ", re.sub(r"^error: ", "", line))
    # The name of what is missing says what to build next; other names are the test's.
    return line[:110] if "function" in line or "not offered" in line or "not there yet" in line else re.sub(r"`[^`]*`", "`…`", line)[:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--show", default="")
    parser.add_argument("--tests")
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--reasons", type=int, default=40)
    arguments = parser.parse_args()
    counts, reasons, not_asked = collections.Counter(), collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="karat-slt-") as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name).resolve()
        tests = pathlib.Path(arguments.tests).resolve() if arguments.tests else fetch_tests(folder)
        # Statements that write files do so in the folder that goes away.
        os.chdir(folder)
        # Some tests write files, and read them again.
        (folder / "test_files" / "scratch").mkdir(parents=True)
        os.chdir(folder)
        for path in sorted(tests.rglob("*.slt")):
            relative = path.relative_to(tests).as_posix()
            # Functions of Spark's dialect are another library's.
            if arguments.only not in relative or relative.startswith("spark/"):
                continue
            made = folder / relative.replace("/", "_")
            made.mkdir()
            tables, tasks, elsewhere = Tables(tests.parent, arguments.data, made), [], False
            keyed = set()
            for kind, sql, expected in records(path):
                if zone := re.match(r"\s*(set|reset)\s+(?:time\s*zone|datafusion.execution.time_zone)\b(.*)", sql, re.I | re.S):
                    elsewhere = zone[1].lower() == "set" and not re.search(r"utc|[+]00(:00)?'|''", zone[2], re.I)
                if not re.match(r"\s*(select|with|values|\()", re.sub(r"--[^\n]*", "", sql), re.I):
                    if found := re.match(r"\s*create\s+(?:\w+\s+)*?table\s+(?:if\s+not\s+exists\s+)?(\w+)\b.*\b(?:primary\s+key|unique)\b", sql, re.I | re.S):
                        keyed.add(found[1].lower())
                    if not kind.startswith("statement error"):
                        try:
                            tables.execute(sql)
                        except BaseException:
                            not_asked["statements that the Python package cannot carry out"] += 1
                    continue
                if elsewhere:
                    not_asked["queries in a time zone that a statement before them set"] += 1
                    continue
                if expected is None or any(line.startswith("DataFusion error") for line in expected):
                    not_asked["queries that are to fail, or whose answer nobody looks at"] += 1
                    continue
                try:
                    tasks.append((relative, kind, sql, expected, tables.named(sql)))
                except BaseException:
                    not_asked["queries on tables that cannot be written as Parquet"] += 1
            for outcome in pool.map(ask, tasks):
                kind, file, sql, expected, stderr, *rows = outcome
                # A key that the test declares, and no Parquet file holds, says that a group has one value of a column.
                read = set(re.findall(r"\w+", sql.lower()))
                if kind == "refused" and "is neither grouped by" in stderr and keyed & read:
                    not_asked["queries that lean on a declared key, which no Parquet file holds"] += 1
                    continue
                missing = kind == "refused" and re.search(r"no table|there is nothing|there is no project here", stderr)
                kind = "table is missing" if missing else kind
                counts[kind] += 1
                if kind in ("refused", "failed"):
                    reasons[(kind, reason(stderr))] += 1
                if arguments.show and kind.startswith(arguments.show):
                    print(f"--- {file}\n{sql}\n>>> {stderr.strip()[:300]}\n... expected {expected[:6]}\n... found    {rows[0][:6] if rows else ''}\n")
    asked = sum(counts.values()) - counts["table is missing"]
    print(f"{asked:,} queries asked; {counts['table is missing']:,} more read tables that could not be made here")
    for kind in ("equal", *sorted(kind for kind in counts if kind.startswith("stated")), "other", "refused", "failed"):
        print(f"{kind:62} {counts[kind]:6,}  {100 * counts[kind] / max(asked, 1):5.1f} %")
    for text, count in not_asked.most_common():
        print(f"{count:,} {text}")
    for (kind, text), count in reasons.most_common(arguments.reasons):
        print(f"{count:6,} {kind}: {text}")


if __name__ == "__main__":
    sys.exit(main())
