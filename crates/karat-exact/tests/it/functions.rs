//! Functions by name: casts to Arrow's types and between nested types, moments, series, lists of numbers, digests.

use expect_test::expect;

use crate::harness::Bench;

fn answers(queries: &[&str]) -> String {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; k Utf8; n Int64",
        &["id"],
        &["1,a,1\n2,b,300\n3,c,\n"],
    );
    queries
        .iter()
        .map(|sql| format!("{sql}\n{}\n", bench.query(sql)))
        .collect()
}

#[test]
fn arrow_names_mean_the_logical_type() {
    expect![[r#"
        select arrow_cast(k, 'Dictionary(Int32, Utf8)') as a, arrow_cast(n, 'Int8') as b from d.t where id = 1
        a string, b tinyint
        a | 1
        select arrow_cast(n, 'Int8') as b from d.t
        b tinyint
        error: the result of `arrow_cast(n, 'Int8')` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select id, arrow_try_cast(n, 'Int8') as b from d.t
        id bigint, b tinyint
        1 | 1
        2 | null
        3 | null
        select arrow_cast(1500, 'Timestamp(Millisecond, None)') as a, arrow_cast('2024-07-01T12:00:00', 'Timestamp(ns, "Europe/Berlin")') as b
        a timestamp, b timestamp with time zone
        1970-01-01T00:00:01.500 | 2024-07-01T10:00:00Z
        select arrow_cast('2024-07-01T12:00:00.5', 'Timestamp(s)') as a
        a timestamp
        error: a value cannot be converted without loss in `arrow_cast('2024-07-01T12:00:00.5', 'Timestamp(s)')`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; for a double use decimal_from_double
        select arrow_cast(1, 'Int65') as a
        Type: `Int65` is no type of Arrow: there are Int64, Utf8, Decimal128(18, 2), Timestamp(us), List(Int64) and the like
        hint: or write cast(x as type)
        select arrow_cast(1, 'Duration(s)') as a
        Type: no values of the type `Duration(s)` are held here
        hint: or write cast(x as type)
        select arrow_typeof(k) as a, arrow_typeof(1.5) as b, arrow_typeof([1]) as c, arrow_typeof(date '2024-01-01') as d from d.t where id = 1
        a string, b string, c string, d string
        Utf8 | Decimal128(2, 1) | List(Int64) | Date32
        select cast_to_type('12', id) as a from d.t where id = 1
        a bigint
        12
    "#]].assert_eq(&answers(&[
        "select arrow_cast(k, 'Dictionary(Int32, Utf8)') as a, arrow_cast(n, 'Int8') as b from d.t where id = 1",
        "select arrow_cast(n, 'Int8') as b from d.t",
        "select id, arrow_try_cast(n, 'Int8') as b from d.t",
        "select arrow_cast(1500, 'Timestamp(Millisecond, None)') as a, arrow_cast('2024-07-01T12:00:00', 'Timestamp(ns, \"Europe/Berlin\")') as b",
        "select arrow_cast('2024-07-01T12:00:00.5', 'Timestamp(s)') as a",
        "select arrow_cast(1, 'Int65') as a",
        "select arrow_cast(1, 'Duration(s)') as a",
        "select arrow_typeof(k) as a, arrow_typeof(1.5) as b, arrow_typeof([1]) as c, arrow_typeof(date '2024-01-01') as d from d.t where id = 1",
        "select cast_to_type('12', id) as a from d.t where id = 1",
    ]));
}

#[test]
fn nested_types_are_cast_element_by_element() {
    expect![[r#"
        select arrow_cast(['1', '2', null], 'List(Int64)') as a
        a list<bigint>
        [1, 2, null]
        select arrow_cast(['1', 'x'], 'List(Int64)') as a
        a list<bigint>
        error: a value cannot be converted without loss in `arrow_cast(make_array('1', 'x'), 'List(Int64)')`
        hint: round the value first, give the target more digits, or correct the text; for a double use decimal_from_double
        select arrow_try_cast(['1', k], 'LargeList(Int64)') as a from d.t where id = 1
        a list<bigint>
        null
        select array_append([null], 1) as a, array_append([1], 2.5) as b
        Type: 1:8: `array_append` takes no arguments of type list<bigint>, decimal128(2, 1)
        hint: cast the argument first
        select arrow_cast(named_struct('a', 1, 'b', '2'), 'Struct("b": Int64, "a": Utf8)') as a
        a struct<b: bigint, a: string>
        {b: 2, a: 1}
        select arrow_cast(named_struct('a', 1), 'Struct("c": Int64)') as a
        Type: no cast from struct<a: bigint> to struct<c: bigint>
        select arrow_cast([1, 2, 3], 'FixedSizeList(2 x Int64)') as a
        a list<bigint>
        [1, 2, 3]
    "#]].assert_eq(&answers(&[
        "select arrow_cast(['1', '2', null], 'List(Int64)') as a",
        "select arrow_cast(['1', 'x'], 'List(Int64)') as a",
        "select arrow_try_cast(['1', k], 'LargeList(Int64)') as a from d.t where id = 1",
        "select array_append([null], 1) as a, array_append([1], 2.5) as b",
        "select arrow_cast(named_struct('a', 1, 'b', '2'), 'Struct(\"b\": Int64, \"a\": Utf8)') as a",
        "select arrow_cast(named_struct('a', 1), 'Struct(\"c\": Int64)') as a",
        "select arrow_cast([1, 2, 3], 'FixedSizeList(2 x Int64)') as a",
    ]));
}

#[test]
fn moments_from_numbers_and_parts() {
    expect![[r#"
        select to_timestamp_seconds(1.5) as a, to_timestamp_millis(-1) as b, to_timestamp_nanos(1000) as c, from_unixtime(86400) as d
        a timestamp, b timestamp, c timestamp, d timestamp
        1970-01-01T00:00:01.500 | 1969-12-31T23:59:59.999 | 1970-01-01T00:00:00.000001 | 1970-01-02T00:00:00
        select to_timestamp_nanos(1) as a
        a timestamp
        error: a value cannot be converted without loss in `to_timestamp_nanos(1)`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; for a double use decimal_from_double
        select to_timestamp_seconds('2024-01-01T00:00:00.5') as a
        a timestamp
        error: a value cannot be converted without loss in `to_timestamp_seconds('2024-01-01T00:00:00.5')`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; for a double use decimal_from_double
        select to_timestamp_seconds(cast(1 as double)) as a
        Type: 1:8: `to_timestamp_seconds` takes no double
        hint: cast it to a decimal first, for example with decimal_from_double
        select to_unixtime('1970-01-02') as a, to_unixtime(timestamp '1970-01-01 00:00:05') as b
        a bigint, b bigint
        82800 | 5
        select date_bin(interval '15 minutes', timestamp '2024-01-01 12:44:59') as a, date_bin(interval '1 week', date '2024-01-03') as b
        a timestamp, b timestamp
        2024-01-01T12:30:00 | 2023-12-28T00:00:00
        select date_bin(interval '2 months', timestamp '2024-03-31 00:00:00', timestamp '2023-12-31 00:00:00') as a
        a timestamp
        2024-02-29T00:00:00
        select date_bin(interval '0 days', date '2024-01-03') as a
        a timestamp
        error: an argument is outside of what `date_bin(interval '', cast('2024-01-03' as date))` is defined for, at 1:36
        hint: leave those rows out with case when ... then ... end
        select timestamp '2024-07-01 12:00:00' at time zone 'Europe/Berlin' as a, (timestamp '2024-07-01 12:00:00' at time zone 'UTC') at time zone 'Europe/Berlin' as b
        a timestamp with time zone, b timestamp
        2024-07-01T10:00:00Z | 2024-07-01T14:00:00
        select timestamp '2024-03-31 02:30:00' at time zone 'Europe/Berlin' as a
        a timestamp with time zone
        error: a value cannot be converted without loss in `at_time_zone(cast('2024-03-31 02:30:00' as timestamp), 'Europe/Berlin')`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; for a double use decimal_from_double
        select timestamp '2024-03-31 02:30:00' at time zone 'Berlin' as a
        Type: `at_time_zone` takes the name of a time zone as a literal
        hint: as the time-zone database has it, like 'Europe/Berlin' or 'UTC'
        select cast(make_time(23, 59, 0) + interval '2 minutes' as string) as a, cast(to_time('7.05', '%H.%M') as string) as b
        a string, b string
        00:01:00 | 07:05:00
        select cast(make_time(24, 0, 0) as string) as a
        a string
        error: an argument is outside of what `make_time(24, 0, 0)` is defined for, at 1:13
        hint: leave those rows out with case when ... then ... end
    "#]].assert_eq(&answers(&[
        "select to_timestamp_seconds(1.5) as a, to_timestamp_millis(-1) as b, to_timestamp_nanos(1000) as c, from_unixtime(86400) as d",
        "select to_timestamp_nanos(1) as a",
        "select to_timestamp_seconds('2024-01-01T00:00:00.5') as a",
        "select to_timestamp_seconds(cast(1 as double)) as a",
        "select to_unixtime('1970-01-02') as a, to_unixtime(timestamp '1970-01-01 00:00:05') as b",
        "select date_bin(interval '15 minutes', timestamp '2024-01-01 12:44:59') as a, date_bin(interval '1 week', date '2024-01-03') as b",
        "select date_bin(interval '2 months', timestamp '2024-03-31 00:00:00', timestamp '2023-12-31 00:00:00') as a",
        "select date_bin(interval '0 days', date '2024-01-03') as a",
        "select timestamp '2024-07-01 12:00:00' at time zone 'Europe/Berlin' as a, (timestamp '2024-07-01 12:00:00' at time zone 'UTC') at time zone 'Europe/Berlin' as b",
        "select timestamp '2024-03-31 02:30:00' at time zone 'Europe/Berlin' as a",
        "select timestamp '2024-03-31 02:30:00' at time zone 'Berlin' as a",
        "select cast(make_time(23, 59, 0) + interval '2 minutes' as string) as a, cast(to_time('7.05', '%H.%M') as string) as b",
        "select cast(make_time(24, 0, 0) as string) as a",
    ]));
}

#[test]
fn series_as_lists_and_as_tables() {
    expect![[r#"
        select range(3) as a, generate_series(5, 1, -2) as b, range(date '2024-01-31', date '2024-04-01', interval '1 month') as c
        a list<bigint>, b list<bigint>, c list<date>
        [0, 1, 2] | [5, 3, 1] | [2024-01-31, 2024-02-29, 2024-03-29]
        select id, generate_series(1, id) as a from d.t where id < 3
        id bigint, a list<bigint>
        1 | [1]
        2 | [1, 2]
        select range(1, 5, 0) as a
        a list<bigint>
        error: an argument is outside of what `range(1, 5, 0)` is defined for, at 1:8
        hint: leave those rows out with case when ... then ... end
        select value from generate_series(1, 3)
        value bigint
        1
        2
        3
        select sum(value) as s, count(*) as c from range(100000)
        s bigint, c bigint
        4999950000 | 100000
        select value from generate_series(timestamp '2024-01-01', timestamp '2024-01-02', interval '12 hours') limit 2
        value timestamp
        2024-01-01T00:00:00
        2024-01-01T12:00:00
        select v from generate_series(1, 0) as t(v)
        v bigint
        select * from range(1, 3, 0)
        Type: 1:15: `range` has a step that leads nowhere
        hint: for example generate_series(1, 10), or two dates and an interval
        select t.id, s.value from d.t t join range(2, 4) s on s.value = t.id
        id bigint, value bigint
        2 | 2
        3 | 3
    "#]].assert_eq(&answers(&[
        "select range(3) as a, generate_series(5, 1, -2) as b, range(date '2024-01-31', date '2024-04-01', interval '1 month') as c",
        "select id, generate_series(1, id) as a from d.t where id < 3",
        "select range(1, 5, 0) as a",
        "select value from generate_series(1, 3)",
        "select sum(value) as s, count(*) as c from range(100000)",
        "select value from generate_series(timestamp '2024-01-01', timestamp '2024-01-02', interval '12 hours') limit 2",
        "select v from generate_series(1, 0) as t(v)",
        "select * from range(1, 3, 0)",
        "select t.id, s.value from d.t t join range(2, 4) s on s.value = t.id",
    ]));
}

#[test]
fn whole_numbers_and_lists_of_numbers() {
    expect![[r#"
        select gcd(12, -18) as a, lcm(4, 6) as b, factorial(20) as c, iszero(0.0) as d, isnan(cast('nan' as double)) as e, nanvl(cast('nan' as double), cast(1 as double)) as f
        a bigint, b bigint, c bigint, d boolean, e boolean, f double
        6 | 12 | 2432902008176640000 | true | true | 1.0
        select factorial(21) as a
        a bigint
        error: the result of `factorial(21)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select gcd(1.5, 2) as a
        Type: 1:8: `gcd` takes whole numbers, not decimal(2,1)
        hint: cast to bigint first
        select array_sum([1, 2, null]) as a, array_avg([1, 2]) as b, array_sum([0.1, 0.2]) as c, array_add([1, 2], [10, null]) as d, array_scale([1.5], 2) as e
        a bigint, b decimal(38,6), c decimal(38,1), d list<bigint>, e list<decimal(21,1)>
        3 | 1.500000 | 0.3 | [11, null] | [3.0]
        select array_add([1], [1, 2]) as a
        a list<bigint>
        error: an argument is outside of what `array_add(make_array(1), make_array(1, 2))` is defined for
        hint: leave those rows out with case when ... then ... end
        select array_add(['a'], ['b']) as a
        Type: 1:8: `array_add` does not take list<string>, list<string>
        hint: give lists of numbers; cast decimals of more than 38 digits first
        select id, percent_rank() over (order by id) as p, cume_dist() over (order by id) as c from d.t
        id bigint, p double, c double
        1 | 0.0 | 0.3333333333333333
        2 | 0.5 | 0.6666666666666666
        3 | 1.0 | 1.0
    "#]].assert_eq(&answers(&[
        "select gcd(12, -18) as a, lcm(4, 6) as b, factorial(20) as c, iszero(0.0) as d, isnan(cast('nan' as double)) as e, nanvl(cast('nan' as double), cast(1 as double)) as f",
        "select factorial(21) as a",
        "select gcd(1.5, 2) as a",
        "select array_sum([1, 2, null]) as a, array_avg([1, 2]) as b, array_sum([0.1, 0.2]) as c, array_add([1, 2], [10, null]) as d, array_scale([1.5], 2) as e",
        "select array_add([1], [1, 2]) as a",
        "select array_add(['a'], ['b']) as a",
        "select id, percent_rank() over (order by id) as p, cume_dist() over (order by id) as c from d.t",
    ]));
}

#[test]
fn digests_and_encodings() {
    expect![[r#"
        select md5('abc') as a, encode(sha224('abc'), 'hex') as b, encode(digest('abc', 'sha256'), 'base64') as c, cast(decode('YWJj', 'base64') as string) as d
        a string, b string, c string, d string
        900150983cd24fb0d6963f7d28e17f72 | 23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7 | ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0 | abc
        select decode('abc', 'hex') as a
        a binary
        error: an argument is outside of what `decode('abc', 'hex')` is defined for, at 1:8
        hint: leave those rows out with case when ... then ... end
        select digest('abc', 'blake3') as a
        Type: 1:8: `digest` takes the name of an algorithm as a literal
        hint: 'md5', 'sha224', 'sha256', 'sha384' or 'sha512'
        values (2, 'b'), (1, 'a')
        column1 bigint, column2 string
        1 | a
        2 | b
    "#]].assert_eq(&answers(&[
        "select md5('abc') as a, encode(sha224('abc'), 'hex') as b, encode(digest('abc', 'sha256'), 'base64') as c, cast(decode('YWJj', 'base64') as string) as d",
        "select decode('abc', 'hex') as a",
        "select digest('abc', 'blake3') as a",
        "values (2, 'b'), (1, 'a')",
    ]));
}
