"""Judges karat's numbers: elementary functions against MPFR, aggregates against fractions of integers.

    exact.py KARAT FOLDER    asks `karat query` in a folder, several times with other threads, files and orders of rows
    exact.py golden FILE     writes what the elementary functions give, bit by bit, for the test of karat-exact
"""

import csv
import io
import math
import random
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import gmpy2
import pyarrow as pa
import pyarrow.parquet as pq
from gmpy2 import mpfr

DOUBLE = gmpy2.ieee(64)
WIDE = gmpy2.context(precision=4000, emax=1 << 20, emin=-(1 << 20))


def rounded(x):
    """The double nearest to a number of MPFR."""
    with DOUBLE:
        return float(mpfr(x))


def directly(function):
    """A function that MPFR rounds correctly itself."""

    def value(*arguments):
        with DOUBLE:
            return float(function(*(mpfr(a) for a in arguments)))

    return value


def in_wide(function):
    """A quotient of such functions: computed with 4,000 bits, where no exact case is near, then rounded."""

    def value(*arguments):
        with WIDE:
            result = function(*(mpfr(a) for a in arguments))
        return rounded(result)

    return value


FUNCTIONS = {
    "acos": directly(gmpy2.acos),
    "acosh": directly(gmpy2.acosh),
    "asin": directly(gmpy2.asin),
    "asinh": directly(gmpy2.asinh),
    "atan": directly(gmpy2.atan),
    "atan2": directly(gmpy2.atan2),
    "atanh": directly(gmpy2.atanh),
    "cbrt": directly(gmpy2.cbrt),
    "cos": directly(gmpy2.cos),
    "cosh": directly(gmpy2.cosh),
    "cot": directly(gmpy2.cot),
    "degrees": in_wide(lambda x: x * 180 / gmpy2.const_pi()),
    "exp": directly(gmpy2.exp),
    "ln": directly(gmpy2.log),
    "log": in_wide(lambda b, x: gmpy2.log(x) / gmpy2.log(b)),
    "log10": directly(gmpy2.log10),
    "log2": directly(gmpy2.log2),
    "power": directly(lambda x, y: x**y),
    "radians": in_wide(lambda x: x * gmpy2.const_pi() / 180),
    "sin": directly(gmpy2.sin),
    "sinh": directly(gmpy2.sinh),
    "sqrt": directly(gmpy2.sqrt),
    "tan": directly(gmpy2.tan),
    "tanh": directly(gmpy2.tanh),
}
TWO = ("atan2", "log", "power")


def neighbours(x, steps=2):
    """A double and those next to it."""
    found = [x]
    for towards in (-math.inf, math.inf):
        y = x
        for _ in range(steps):
            y = math.nextafter(y, towards)
            found.append(y)
    return found


def arguments_of_one(rng, count):
    """Doubles where such functions go wrong, and others."""
    special = [0.0, 5e-324, 1e-310, 2.2250738585072014e-308, 1e-300, 1e-20, 2.0**-54, 2.0**-27, 2.0**-26, 1e-5]
    special += [0.1, 0.25, 0.5, 1 / 3, 0.7071067811865476, 1.0, 1.4142135623730951, 2.0, 3.0, 4.0, 8.0, 9.0, 10.0, 27.0, 100.0, 1000.0]
    special += [math.e, math.pi, math.pi / 2, math.pi / 4, 3 * math.pi / 2, 2 * math.pi, 22.0, 355.0, 709.78, 710.0, 745.1, 1e22, 1e23]
    # The double nearest to a multiple of pi/2, and hard cases of argument reduction.
    special += [6381956970095103.0 * 2.0**797, 1e308, 1.7976931348623157e308, 2.0**1023, 5e15, 1e16 + 2]
    special += [10.0**k for k in range(-3, 23)] + [2.0**k for k in (-1074, -1022, -60, -1, 1, 10, 52, 53, 62)]
    special += [k / 16 for k in range(1, 33)] + [math.log(2) * k for k in (0.5, 1, 1.5, 100, 1000)]
    found = [y for x in special for y in neighbours(x)]
    while len(found) < count:
        kind = rng.randrange(4)
        if kind == 0:
            found.append(rng.uniform(-1, 1))
        elif kind == 1:
            found.append(math.ldexp(rng.uniform(0.5, 1), rng.randint(-1070, 1024)) * rng.choice((1, -1)))
        elif kind == 2:
            found.append(rng.uniform(-750, 750))
        else:
            found.append(1 + rng.choice((-1, 1)) * math.ldexp(rng.random(), -rng.randint(1, 52)))
    return [x for y in found for x in ((y, -y) if rng.random() < 0.5 else (y,)) if math.isfinite(x)]


def arguments_of_two(rng, count):
    singles = arguments_of_one(rng, count)
    pairs = [(x, y) for x in (0.5, 2.0, 3.0, 4.0, 8.0, 9.0, 27.0, 1.5, 2.25, 10.0, 1e10, 0.1) for y in (0.5, -0.5, 2.0, 3.0, -3.0, 0.25, 1.5, 2.5, 22.0, 0.1, 1e-300, 33.0, 34.0)]
    pairs += [(x, y) for x in (1 - 2.0**-53, 1 + 2.0**-52, 1.0000001) for y in (1e15, -1e15, 1e17, 3.0, 1e-10)]
    # Exactly half-way between two doubles, and next to it.
    pairs += [(2.0**27 - 1, 2.0), (94906267.0, 2.0), (208063.0, 3.0), (3.0, 34.0), (2.0**-1074, 1.0), (2.0**-537, 2.0), (1.5 * 2.0**-537, 2.0)]
    pairs += [(y, x) for x in (1.0, 3.0, 1e-300, 1e300) for y in (1e-320, 5e-324, 1e-308, 1e300, 1.0, 2.0**-60, 2.0**-70, 3 * 2.0**-61)]
    while len(pairs) < count:
        kind = rng.randrange(3)
        if kind == 0:
            pairs.append((rng.choice(singles), rng.choice(singles)))
        elif kind == 1:
            pairs.append((rng.uniform(0, 10), rng.uniform(-20, 20)))
        else:
            pairs.append((float(rng.randint(1, 1000)), rng.randint(-80, 80) / rng.choice((1, 2, 4, 8))))
    return [(x * s, y * t) for x, y in pairs for s, t in ((1, 1), (-1, 1), (1, -1), (-1, -1))]


def defined(name, arguments):
    x = arguments[-1]
    if name == "power":
        base, exponent = arguments
        return base > 0 or (base < 0 and exponent == math.floor(exponent)) or exponent > 0 and base == 0 or exponent == 0
    if name == "log":
        return arguments[0] > 0 and arguments[0] != 1 and x > 0
    if name == "acosh":
        return x >= 1
    if name in ("asin", "acos"):
        return abs(x) <= 1
    if name == "atanh":
        return abs(x) < 1
    if name in ("ln", "log2", "log10"):
        return x > 0
    if name == "sqrt":
        return x >= 0
    if name == "cot":
        return x != 0
    return True


def expected(name, arguments):
    """The value, or None where it is an error."""
    if not defined(name, arguments):
        return None
    value = FUNCTIONS[name](*arguments)
    if not math.isfinite(value):
        return None
    return value + 0.0


def elementary_cases(rng, count):
    for name in FUNCTIONS:
        cases = [(x,) for x in arguments_of_one(rng, count)] if name not in TWO else arguments_of_two(rng, count)
        if len(cases) > 2 * count:
            cases = rng.sample(cases, 2 * count)
        yield name, [(case, expected(name, case)) for case in cases]


def golden(path):
    def bits(x):
        return pa.array([x]).view(pa.uint64())[0].as_py()

    lines = []
    for name, cases in elementary_cases(random.Random(3), 30):
        for arguments, value in sorted(set(cases), key=repr):
            words = [f"{bits(a):016x}" for a in arguments]
            lines.append(" ".join([name, *words, "error" if value is None else f"{bits(value):016x}"]))
    Path(path).write_text("\n".join(lines) + "\n")


class Karat:
    def __init__(self, program, folder):
        self.program, self.folder = program, Path(folder)

    def ask(self, query, table, threads=2):
        command = [self.program, "query", "--format", "csv", "--threads", str(threads), "--table", f"t={table}", query]
        answer = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        if answer.returncode != 0:
            sys.exit(f"{query}\n{answer.stderr}")
        return answer.stdout


def rows_of(text):
    return [[None if cell == "" else cell for cell in row] for row in csv.reader(io.StringIO(text))][1:]


def same_double(text, value):
    if value is None or text is None:
        return value is None and text is None
    found = float(text)
    return found == value or (math.isnan(found) and math.isnan(value))


def judge_elementary(karat):
    cases = dict(elementary_cases(random.Random(7), 500))
    valid = {name: [case for case in found if case[1] is not None] for name, found in cases.items()}
    length = max(len(found) for found in valid.values())
    columns, calls = {"id": pa.array(range(length))}, []
    for name, found in valid.items():
        names = [f"{name}_{k}" for k in range(2 if name in TWO else 1)]
        for k, column in enumerate(names):
            values = [case[0][k] for case in found]
            columns[column] = pa.array(values + [None] * (length - len(values)), pa.float64())
        calls.append(f"{name}({', '.join(names)})")
    pq.write_table(pa.table(columns), karat.folder / "elementary.parquet")
    answers = rows_of(karat.ask(f"select id, {', '.join(calls)} from t order by id", "elementary.parquet"))
    wrong = 0
    for row in answers:
        for (name, found), cell in zip(valid.items(), row[1:]):
            index = int(row[0])
            want = found[index][1] if index < len(found) else None
            if not same_double(cell, want):
                wrong += 1
                print(f"{name}{found[index][0]} is {cell}, should be {want!r}")
    print(f"elementary: {sum(map(len, valid.values()))} values of {len(valid)} functions, {wrong} wrong")


# Aggregates

SUM_OF = {"decimal": Fraction, "double": Fraction, "integer": Fraction}


def nearest(x):
    """The double nearest to a fraction."""
    try:
        return float(x)
    except OverflowError:
        return math.inf if x > 0 else -math.inf


def root(x):
    """The double nearest to the square root of a fraction."""
    if x == 0:
        return 0.0
    shift = 2 * max(0, 200 - (x.numerator.bit_length() - x.denominator.bit_length()) // 2) + 2400
    scaled, rest = divmod(x.numerator << shift, x.denominator)
    whole = math.isqrt(scaled)
    sticky = 1 if rest or whole * whole != scaled else 0
    return nearest(Fraction(2 * whole + sticky, 1 << (shift // 2 + 1)))


def half_away(x, places):
    """A fraction as a decimal text of so many places, rounded half away from zero."""
    scaled = x * 10**places
    whole, rest = divmod(abs(scaled.numerator), scaled.denominator)
    if 2 * rest >= scaled.denominator:
        whole += 1
    digits = str(whole).rjust(places + 1, "0")
    sign = "-" if scaled < 0 and whole else ""
    return sign + (digits[:-places] + "." + digits[-places:] if places else digits)


def special(values):
    return any(isinstance(v, float) and not math.isfinite(v) for v in values)


def moments(pairs):
    """All moments of (y, x) pairs; a value is a fraction, or a double that is infinite or NaN."""
    n = len(pairs)
    result = {"regr_count": n}
    if n == 0:
        return {**dict.fromkeys(MOMENTS), "regr_count": 0}
    y, x = [p[0] for p in pairs], [p[1] for p in pairs]

    def spread(a, b):
        if special(a) or special(b):
            return None
        return n * sum(i * j for i, j in zip(a, b)) - sum(a) * sum(b)

    def put(name, value, used, least=1):
        if n < least:
            result[name] = None
        elif any(special(column) for column in used):
            result[name] = math.nan
        else:
            result[name] = value() if callable(value) else value

    xx, yy, xy = spread(x, x), spread(y, y), spread(x, y)
    put("var_pop", lambda: nearest(Fraction(xx) / n**2), [x])
    put("var_samp", lambda: nearest(Fraction(xx) / (n * (n - 1))), [x], 2)
    put("stddev_pop", lambda: root(Fraction(xx) / n**2), [x])
    put("stddev_samp", lambda: root(Fraction(xx) / (n * (n - 1))), [x], 2)
    put("covar_pop", lambda: nearest(Fraction(xy) / n**2), [x, y])
    put("covar_samp", lambda: nearest(Fraction(xy) / (n * (n - 1))), [x, y], 2)
    put("regr_sxx", lambda: nearest(Fraction(xx) / n), [x])
    put("regr_syy", lambda: nearest(Fraction(yy) / n), [y])
    put("regr_sxy", lambda: nearest(Fraction(xy) / n), [x, y])
    put("regr_slope", lambda: None if xx == 0 else nearest(Fraction(xy) / xx), [x, y])
    put("regr_intercept", lambda: None if xx == 0 else nearest(Fraction(sum(y) * xx - xy * sum(x)) / (n * xx)), [x, y])
    put("regr_r2", lambda: None if xx == 0 else 1.0 if yy == 0 else nearest(Fraction(xy) ** 2 / (xx * yy)), [x, y])

    def corr():
        if xx == 0 or yy == 0:
            return None
        size = root(Fraction(xy) ** 2 / (xx * yy))
        return -size if xy < 0 else size + 0.0

    put("corr", corr, [x, y])
    for name, column in (("regr_avgx", x), ("regr_avgy", y)):
        result[name] = mean(column)
    return result


def mean(column):
    if special(column):
        return sum(v for v in column if isinstance(v, float) and not math.isfinite(v))
    return nearest(Fraction(sum(column), len(column)) if all(isinstance(v, int) for v in column) else sum(column) / len(column))


ONE = ["var_pop", "var_samp", "stddev_pop", "stddev_samp"]
MOMENTS = ONE + ["covar_pop", "covar_samp", "corr", "regr_slope", "regr_intercept", "regr_r2", "regr_avgx", "regr_avgy", "regr_sxx", "regr_syy", "regr_sxy", "regr_count"]


def groups_of_numbers(rng):
    """Groups of (double, double, decimal(38,10), decimal(38,0), bigint) that are hard to sum."""
    big, tiny = 1.7976931348623157e308, 5e-324
    doubles = {
        "money": [rng.randint(-10**7, 10**7) / 100 for _ in range(300)],
        "cancelling": [1e308, -1e308, 1.0, 1e-300, 1e16, -1e16, 3.0] * 3,
        "huge": [big, big, -big, 1e308],
        "tiny": [tiny, tiny * 3, tiny * 5, 1e-310],
        "shifted": [1e9 + rng.random() for _ in range(200)],
        "equal": [0.1] * 50,
        "nan": [1.0, math.nan, 2.0],
        "infinite": [1.0, math.inf, 2.0],
        "both": [math.inf, -math.inf, 0.0],
        "one": [42.5],
        "none": [],
        "wide": [math.ldexp(rng.uniform(-1, 1), rng.randint(-1000, 900)) for _ in range(100)],
        "zeros": [0.0, -0.0, 0.0],
    }
    rows = []
    for name, column in doubles.items():
        for index in range(max(len(column), 5)):
            x = column[index] if index < len(column) else None
            y = rng.choice(column + [1.5]) if column and name not in ("one",) else (7.0 if column else None)
            wide = rng.random() < 0.5
            a = Decimal(rng.randint(-(10**38) + 1, 10**38 - 1) if wide else rng.randint(-10**6, 10**6)).scaleb(-10)
            b = Decimal(rng.choice((10**38 - 1, -(10**38) + 1, rng.randint(-9, 9))))
            i = rng.choice((2**63 - 1, -(2**63), rng.randint(-100, 100)))
            null = rng.random() < 0.1
            rows.append((name, x, y, None if null else a, b, i))
    rng.shuffle(rows)
    return [(index, *row) for index, row in enumerate(rows)]


def write(folder, rows, parts):
    folder.mkdir()
    fields = [("id", pa.int64()), ("g", pa.string()), ("x", pa.float64()), ("y", pa.float64())]
    fields += [("a", pa.decimal128(38, 10)), ("b", pa.decimal128(38, 0)), ("i", pa.int64())]
    schema = pa.schema(fields)
    for part in range(parts):
        some = rows[part::parts]
        columns = [pa.array(column, field.type) for column, field in zip(zip(*some), schema)]
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), folder / f"{part}.parquet")


def named(calls):
    return ", ".join(f"{call} as c{k}" for k, call in enumerate(calls))


def asked(y, x):
    return [f"{name}({x})" if name in ONE else f"{name}({y}, {x})" for name in MOMENTS]


def percentile(values, p):
    values = sorted(values)
    reach = p * (len(values) - 1)
    low = math.floor(reach)
    if low == reach:
        return values[low]
    return values[low] + (values[low + 1] - values[low]) * (reach - low)


def judge_aggregates(karat):
    rng = random.Random(11)
    rows = groups_of_numbers(rng)
    layouts = {"one": (rows, 1), "split": (rows, 5)}
    for shuffle in range(2):
        mixed = rows[:]
        rng.shuffle(mixed)
        layouts[f"mixed{shuffle}"] = (mixed, 3)
    for name, (ordered, parts) in layouts.items():
        write(karat.folder / name, ordered, parts)
    pairs = [("y", "x"), ("a", "b"), ("b", "a"), ("x", "a"), ("i", "i"), ("a", "i")]
    moments_asked = [call for y, x in pairs for call in asked(y, x)]
    others = {
        "median(a)": lambda g: half_away(percentile(g["a"], Fraction(1, 2)), 10),
        "percentile_cont(a, 0.9)": lambda g: half_away(percentile(g["a"], Fraction(9, 10)), 10),
        "percentile_cont(0.123456789) within group (order by b desc)": lambda g: half_away(percentile(g["b"], 1 - Fraction(123456789, 10**9)), 0),
        "quantile_cont(i, 0.25)": lambda g: half_away(percentile(g["i"], Fraction(1, 4)), 6),
        "percentile_disc(i, 0.3)": lambda g: str(sorted(g["i"])[max(math.ceil(Fraction(3, 10) * len(g["i"])), 1) - 1]),
        "quantile_disc(0.3) within group (order by i desc)": lambda g: str(sorted(g["i"])[::-1][max(math.ceil(Fraction(3, 10) * len(g["i"])), 1) - 1]),
        "mode(i)": lambda g: str(min(g["i"], key=lambda v: (-g["i"].count(v), v))),
        "any_value(i)": lambda g: str(min(g["i"])),
        "min_by(id, i)": lambda g: str(min(zip(g["i"], g["id"]))[1]),
        "max_by(id, i)": lambda g: str(min((-i, d) for i, d in zip(g["i"], g["id"]))[1]),
        "avg(b)": lambda g: half_away(Fraction(sum(g["b"])) / len(g["b"]), 0),
        "count(distinct i)": lambda g: str(len(set(g["i"]))),
        "avg(distinct i)": lambda g: half_away(Fraction(sum(set(g["i"])), len(set(g["i"]))), 6),
        "bit_xor(i)": lambda g: str(xor(g["i"])),
        "median(distinct i)": lambda g: half_away(percentile(set(g["i"]), Fraction(1, 2)), 6),
        "median(i) filter (where i > 0)": lambda g: (lambda v: half_away(percentile(v, Fraction(1, 2)), 6) if v else None)([i for i in g["i"] if i > 0]),
    }
    calls = ["sum(x)", "avg(x)", "median(x)", *moments_asked, *others]
    query = f"select g, {named(calls)} from t group by g order by g"
    answers = {(name, threads): karat.ask(query, f"{name}/*.parquet", threads) for name, threads in (("one", 1), ("split", 2), ("split", 8), ("mixed0", 2), ("mixed1", 8))}
    first = answers["one", 1]
    for key, answer in answers.items():
        if answer != first:
            print(f"another answer with {key}")
            for line, other in zip(first.splitlines(), answer.splitlines()):
                if line != other:
                    print(line, other, sep="\n")
    columns = ["id", "g", "x", "y", "a", "b", "i"]
    wrong, judged = 0, 0
    for row in rows_of(first):
        table = [dict(zip(columns, r)) for r in rows if r[1] == row[0]]

        def exact(value):
            if isinstance(value, float):
                return Fraction(value) if math.isfinite(value) else value
            return None if value is None else Fraction(value)

        group = {c: [exact(r[c]) if c != "id" else r[c] for r in table if r[c] is not None] for c in columns if c != "g"}
        group["i"] = [r["i"] for r in table]
        want = []
        for y, x in pairs:
            both = [(exact(r[y]), exact(r[x])) for r in table if r[y] is not None and r[x] is not None]
            single = moments([(Fraction(0), exact(r[x])) for r in table if r[x] is not None])
            found = moments(both)
            want += [single[name] if name in ONE else found[name] for name in MOMENTS]
        x = group["x"]
        finite = [v for v in x if isinstance(v, Fraction)]
        total = None if not x else sum(v for v in x if not isinstance(v, Fraction)) if len(finite) < len(x) else nearest(sum(finite, Fraction(0)))
        ordered = sorted((float(v) for v in x), key=lambda v: (math.isnan(v), v))
        middle = None
        if ordered:
            low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
            middle = nearest((Fraction(low) + Fraction(high)) / 2) if math.isfinite(low) and math.isfinite(high) else low if low == high or math.isnan(low) or low is high else low + (high - low)
        cells = row[1:]
        checks = [("sum(x)", cells[0], total), ("avg(x)", cells[1], mean(x) if x else None), ("median(x)", cells[2], middle)]
        checks += list(zip(moments_asked, cells[3:], want))
        for name, cell, value in checks:
            judged += 1
            if not same_double(cell, value):
                wrong += 1
                print(f"{row[0]}: {name} is {cell}, should be {value!r}")
        for (name, value), cell in zip(others.items(), cells[3 + len(moments_asked) :]):
            judged += 1
            if cell != value(group):
                wrong += 1
                print(f"{row[0]}: {name} is {cell}, should be {value(group)}")
    print(f"aggregates: {judged} values of {len(answers)} equal answers, {wrong} wrong" if len(set(answers.values())) == 1 else "aggregates: answers differ")


def xor(values):
    result = 0
    for value in values:
        result ^= value
    return result


def judge_windows(karat):
    """Frames that slide take away what they added."""
    frame = "over (order by id rows between 4 preceding and current row)"
    calls = ["var_samp(x)", "corr(y, x)", "regr_slope(a, i)", "median(a)", "stddev_pop(b)", "sum(x)"]
    query = f"select id, x, y, a, b, i, {named([f'{call} {frame}' for call in calls])} from t where g in ('money', 'nan', 'infinite', 'cancelling', 'wide') order by id"
    rows = rows_of(karat.ask(query, "split/*.parquet"))

    def exact(text, double):
        if text is None:
            return None
        if not double:
            return Fraction(Decimal(text))
        value = float(text)
        return Fraction(value) if math.isfinite(value) else value

    read = [[exact(cell, k < 2) for k, cell in enumerate(row[1:6])] for row in rows]
    wrong = 0
    for at, row in enumerate(rows):
        some = read[max(0, at - 4) : at + 1]
        x, y, a, b, i = ([r[k] for r in some] for k in range(5))

        def pairs(y, x):
            return moments([(p, q) for p, q in zip(y, x) if p is not None and q is not None])

        present = [v for v in x if v is not None]
        odd = [v for v in present if not isinstance(v, Fraction)]
        values = [v for v in a if v is not None]
        want = [pairs([Fraction(0) if v is not None else None for v in x], x)["var_samp"], pairs(y, x)["corr"], pairs(a, i)["regr_slope"]]
        want += [half_away(percentile(values, Fraction(1, 2)), 10) if values else None, pairs(b, b)["stddev_pop"]]
        want += [None if not present else sum(odd) if odd else nearest(sum(present, Fraction(0)))]
        for call, cell, value in zip(calls, row[6:], want):
            if not (cell == value if call == "median(a)" else same_double(cell, value)):
                wrong += 1
                print(f"row {row[0]}: {call} {frame} is {cell}, should be {value!r}")
    print(f"windows: {len(rows) * len(calls)} values, {wrong} wrong")


if __name__ == "__main__":
    if sys.argv[1] == "golden":
        golden(sys.argv[2])
    else:
        karat = Karat(sys.argv[1], sys.argv[2])
        judge_elementary(karat)
        judge_aggregates(karat)
        judge_windows(karat)
