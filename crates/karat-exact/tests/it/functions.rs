//! Functions by name: casts to Arrow's types and between nested types, moments, series, lists of numbers, digests.

use std::sync::Arc;

use arrow::array::{ArrayRef, DurationSecondArray, ListArray, RecordBatch, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use expect_test::expect;

use crate::harness::Bench;

fn answers(queries: &[&str]) -> String {
    let bench = Bench::new().table(
        "d.t",
        "id Int64; k Utf8; n Int64",
        &["id"],
        &["1,a,1\n2,b,300\n3,c,\n"],
    );
    bench.told(queries)
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
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select arrow_cast(1, 'Int65') as a
        Type: `Int65` is no type of Arrow: there are Int64, Utf8, Decimal128(18, 2), Timestamp(us), List(Int64) and the like
        hint: or write cast(x as type)
        select arrow_cast(1, 'Duration(s)') as a
        a interval
        1.000000000 secs
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
        error: a text is no number that fits in `arrow_cast(make_array('1', 'x'), 'List(Int64)')`
        hint: correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))
        select arrow_try_cast(['1', k], 'LargeList(Int64)') as a from d.t where id = 1
        a list<bigint>
        null
        select array_append([null], 1) as a, array_append([1], 2.5) as b
        a list<bigint>, b list<decimal(20,1)>
        [null, 1] | [1.0, 2.5]
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
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select to_timestamp_seconds('2024-01-01T00:00:00.5') as a
        a timestamp
        error: a value cannot be converted without loss in `to_timestamp_seconds('2024-01-01T00:00:00.5')`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select to_timestamp_seconds(cast(1 as double)) as a
        a timestamp
        1970-01-01T00:00:01
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
        hint: where the clocks of a zone change, a local time may not exist or exist twice: give such texts an offset, or leave those rows out
        select timestamp '2024-03-31 02:30:00' at time zone 'Berlin' as a
        Type: no time zone `Berlin`
        hint: did you mean 'Europe/Berlin'?
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

#[test]
fn approximate_aggregates_are_exact() {
    expect![[r#"
        select approx_distinct(n) as a, approx_count_distinct(k) as b, approx_distinct(id % 2) filter (where id > 1) as c from d.t
        a bigint, b bigint, c bigint
        2 | 3 | 2
        select approx_median(n) as a, approx_percentile_cont(n, 0.25) as b, approx_percentile_cont(0.25, 100) within group (order by n desc) as c from d.t
        a decimal(38,6), b decimal(38,6), c decimal(38,6)
        150.500000 | 75.750000 | 225.250000
        select id, approx_distinct(k) over (order by id) as a from d.t
        id bigint, a bigint
        1 | 1
        2 | 2
        3 | 3
        select approx_distinct(n) as a from d.t where id > 7
        a bigint
        0
        select approx_percentile_cont(n, 0.5, 1.5) as a from d.t
        Type: 1:8: the number of centroids of `approx_percentile_cont` is a whole number, not decimal(2,1)
        hint: cast the argument first
        select approx_percentile_cont_with_weight(n, id, 0.5) as a from d.t
        Refused: 1:8: `approx_percentile_cont_with_weight` has no exact answer: weights that are no whole numbers are not rows
        hint: percentile_cont(x, 0.9) within group (order by x) is exact
    "#]].assert_eq(&answers(&[
        "select approx_distinct(n) as a, approx_count_distinct(k) as b, approx_distinct(id % 2) filter (where id > 1) as c from d.t",
        "select approx_median(n) as a, approx_percentile_cont(n, 0.25) as b, approx_percentile_cont(0.25, 100) within group (order by n desc) as c from d.t",
        "select id, approx_distinct(k) over (order by id) as a from d.t",
        "select approx_distinct(n) as a from d.t where id > 7",
        "select approx_percentile_cont(n, 0.5, 1.5) as a from d.t",
        "select approx_percentile_cont_with_weight(n, id, 0.5) as a from d.t",
    ]));
}

#[test]
fn distinct_values_slide_with_their_frame() {
    expect![[r#"
        select id, sum(distinct id % 2) over (order by id rows between 1 preceding and current row) as a from d.t
        id bigint, a bigint
        1 | 1
        2 | 1
        3 | 1
        select id, avg(distinct n) over (order by id rows between current row and 1 following) as a, median(distinct id % 2) over (order by id rows between 1 preceding and current row) as b from d.t
        id bigint, a decimal(38,6), b decimal(38,6)
        1 | 150.500000 | 1.000000
        2 | 300.000000 | 0.500000
        3 | null | 0.500000
    "#]].assert_eq(&answers(&[
        "select id, sum(distinct id % 2) over (order by id rows between 1 preceding and current row) as a from d.t",
        "select id, avg(distinct n) over (order by id rows between current row and 1 following) as a, median(distinct id % 2) over (order by id rows between 1 preceding and current row) as b from d.t",
    ]));
}

#[test]
fn numbers_are_brought_to_places() {
    expect![[r#"
        select round(cast(2.675 as double), 2) as a, round(cast(0.125 as double), 2) as b, round(cast('-1e300' as double), -299) as c, trunc(cast(-1.999 as double), 1) as d
        a double, b double, c double, d double
        2.67 | 0.13 | -1e300 | -1.9
        select round(1250, -2) as a, round(-1251, -2) as b, round(1234.56, -1) as c, trunc(1299, -2) as d
        a bigint, b bigint, c decimal(5,0), d bigint
        1300 | -1300 | 1230 | 1200
        select id, round(12.3456, id) as a, round(cast(12.3456 as double), -id) as b, round(n, -id) as c from d.t
        id bigint, a decimal(7,4), b double, c bigint
        1 | 12.3000 | 10.0 | 0
        2 | 12.3500 | 0.0 | 300
        3 | 12.3460 | 0.0 | null
        select round(9223372036854775807, -1) as a
        a bigint
        error: the result of `round(9223372036854775807, -1)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select round(arrow_cast('18446744073709551615', 'UInt64'), 2) as a
        a bigint
        error: the result of `round(arrow_cast('18446744073709551615', 'UInt64'), 2)` does not fit its type, at 1:8
        hint: cast an operand to a wider type, for example decimal(38, s)
        select round(1.5, 1.5) as a
        Type: 1:8: the places of `round` are a whole number from -400 to 400
        select abs(null) as a, - null as b, round(null, 2) as c, round(1.25, null) as d
        a bigint, b bigint, c bigint, d decimal(4,2)
        null | null | null | null
    "#]].assert_eq(&answers(&[
        "select round(cast(2.675 as double), 2) as a, round(cast(0.125 as double), 2) as b, round(cast('-1e300' as double), -299) as c, trunc(cast(-1.999 as double), 1) as d",
        "select round(1250, -2) as a, round(-1251, -2) as b, round(1234.56, -1) as c, trunc(1299, -2) as d",
        "select id, round(12.3456, id) as a, round(cast(12.3456 as double), -id) as b, round(n, -id) as c from d.t",
        "select round(9223372036854775807, -1) as a",
        "select round(arrow_cast('18446744073709551615', 'UInt64'), 2) as a",
        "select round(1.5, 1.5) as a",
        "select abs(null) as a, - null as b, round(null, 2) as c, round(1.25, null) as d",
    ]));
}

#[test]
fn intervals_lie_between_moments() {
    expect![[r#"
        select timestamp '2024-03-02 12:00:00' - timestamp '2024-02-28 13:30:00' as a, date '2024-03-01' - timestamp '2024-02-29 06:00:00' as b
        a interval, b interval
        2 days 22 hours 30 mins | 18 hours
        select time '10:00:00' - time '12:30:00' as a, date '2024-02-29' + time '10:00:00' as b, time '10:00:00' + date '2024-02-29' as c
        a interval, b timestamp, c timestamp
        -2 hours -30 mins | 2024-02-29T10:00:00 | 2024-02-29T10:00:00
        select interval '1 month' + interval '2 days' as a, interval '1 day' - interval '36 hours' as b, interval '1 day' + '2 hours' as c
        a interval, b interval, c interval
        1 mons 2 days | 1 days -36 hours | 1 days 2 hours
        select interval '36 hours' > interval '1 day' as a, interval '24 hours' = interval '1 day' as b, timestamp '2024-01-02 06:00:00' - timestamp '2024-01-01 00:00:00' > interval '29 hours' as c
        a boolean, b boolean, c boolean
        true | true | true
        select timestamp '2024-01-01 00:00:00' - cast('2024-01-01T00:00:00Z' as timestamp with time zone) as a
        Type: no operation timestamp - timestamp with time zone
        hint: cast both to timestamp with time zone, or both to timestamp
        select arrow_cast(90, 'Duration(Second)') as a, date '2024-01-01' + arrow_cast(86400, 'Duration(Second)') as b, arrow_cast(1.5, 'Float16') as c
        a interval, b date, c real
        1 mins 30.000000000 secs | 2024-01-02 | 1.5
        select id, try_cast(case when id = 1 then '2 days' else k end as interval) as a from d.t
        id bigint, a interval
        1 | 2 days
        2 | null
        3 | null
        select date_bin('15 minutes', timestamp '2024-01-01 00:20:00') as a, date_bin(k, timestamp '2024-01-01 00:20:00') as b from d.t
        Type: 1:8: `date_bin` takes an interval first, not string
        hint: for example date_bin(interval '15 minutes', moment)
        select cast('2024-01-01 00:00:00' as timestamp(0)) as a, cast('2024-01-01 00:00:00.5' as timestamp(0)) as b
        a timestamp, b timestamp
        error: a value cannot be converted without loss in `cast('2024-01-01 00:00:00.5' as timestamp(0))`, at 1:58
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
    "#]].assert_eq(&answers(&[
        "select timestamp '2024-03-02 12:00:00' - timestamp '2024-02-28 13:30:00' as a, date '2024-03-01' - timestamp '2024-02-29 06:00:00' as b",
        "select time '10:00:00' - time '12:30:00' as a, date '2024-02-29' + time '10:00:00' as b, time '10:00:00' + date '2024-02-29' as c",
        "select interval '1 month' + interval '2 days' as a, interval '1 day' - interval '36 hours' as b, interval '1 day' + '2 hours' as c",
        "select interval '36 hours' > interval '1 day' as a, interval '24 hours' = interval '1 day' as b, timestamp '2024-01-02 06:00:00' - timestamp '2024-01-01 00:00:00' > interval '29 hours' as c",
        "select timestamp '2024-01-01 00:00:00' - cast('2024-01-01T00:00:00Z' as timestamp with time zone) as a",
        "select arrow_cast(90, 'Duration(Second)') as a, date '2024-01-01' + arrow_cast(86400, 'Duration(Second)') as b, arrow_cast(1.5, 'Float16') as c",
        "select id, try_cast(case when id = 1 then '2 days' else k end as interval) as a from d.t",
        "select date_bin('15 minutes', timestamp '2024-01-01 00:20:00') as a, date_bin(k, timestamp '2024-01-01 00:20:00') as b from d.t",
        "select cast('2024-01-01 00:00:00' as timestamp(0)) as a, cast('2024-01-01 00:00:00.5' as timestamp(0)) as b",
    ]));
}

#[test]
fn the_first_format_that_reads_a_text_counts() {
    expect![[r#"
        select to_timestamp('29.02.2024 10:00', '%Y-%m-%d', '%d.%m.%Y %H:%M') as a, to_date('02/29/2024', '%d.%m.%Y', '%m/%d/%Y') as b
        a timestamp, b date
        2024-02-29T10:00:00 | 2024-02-29
        select to_timestamp_seconds('2024-02-29', '%d.%m.%Y', '%Y-%m-%d') as a, to_unixtime('2024-02-29', '%d.%m.%Y', '%Y-%m-%d') as b
        a timestamp, b bigint
        2024-02-29T00:00:00 | 1709164800
        select to_timestamp(k, '%Y-%m-%d', '%d.%m.%Y') as a from d.t
        a timestamp
        error: a value cannot be converted without loss in `to_timestamp(k, '%Y-%m-%d', '%d.%m.%Y')`, at 1:8
        hint: round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)
        select to_timestamp('2024-01-01', '%Y-%m-%d', '%Y-%m-%d %z') as a
        Type: 1:8: `to_timestamp`: either all formats have an offset (%z), or none
        hint: for example '%Y-%m-%d %H:%M:%S'
        select to_timestamp_seconds(cast(1.5 as double)) as a, to_timestamp_millis(cast(1 as double)) as b
        a timestamp, b timestamp
        1970-01-01T00:00:01.500 | 1970-01-01T00:00:00.001
    "#]].assert_eq(&answers(&[
        "select to_timestamp('29.02.2024 10:00', '%Y-%m-%d', '%d.%m.%Y %H:%M') as a, to_date('02/29/2024', '%d.%m.%Y', '%m/%d/%Y') as b",
        "select to_timestamp_seconds('2024-02-29', '%d.%m.%Y', '%Y-%m-%d') as a, to_unixtime('2024-02-29', '%d.%m.%Y', '%Y-%m-%d') as b",
        "select to_timestamp(k, '%Y-%m-%d', '%d.%m.%Y') as a from d.t",
        "select to_timestamp('2024-01-01', '%Y-%m-%d', '%Y-%m-%d %z') as a",
        "select to_timestamp_seconds(cast(1.5 as double)) as a, to_timestamp_millis(cast(1 as double)) as b",
    ]));
}

#[test]
fn vectors_have_products_lengths_and_angles() {
    expect![[r#"
        select inner_product([1, 2, 3], [4, 5, 6]) as a, dot_product([cast('1e200' as double), 1.0, cast('-1e200' as double)], [1.0, 0.5, 1.0]) as b
        a double, b double
        32.0 | 0.5
        select array_distance([3.0, 0.0], [0.0, 4.0]) as a, cosine_distance([1.0, 0.0], [0.0, 2.0]) as b, list_normalize([3, 4]) as c, array_product([2.0, null, 3.0]) as d
        a double, b double, c list<double>, d double
        5.0 | 1.0 | [0.6, 0.8] | 6.0
        select cosine_distance([0.0], [1.0]) as a, array_normalize([0.0]) as b, inner_product([1, null], [1, 2]) as c, array_product(null) as d
        a double, b list<double>, c double, d double
        null | null | null | null
        select inner_product([1], [1, 2]) as a
        a double
        error: an argument is outside of what `inner_product(make_array(1), make_array(1, 2))` is defined for
        hint: leave those rows out with case when ... then ... end
        select inner_product(1, 2) as a
        Type: 1:8: `inner_product` does not take bigint, bigint
        hint: give lists of numbers
    "#]].assert_eq(&answers(&[
        "select inner_product([1, 2, 3], [4, 5, 6]) as a, dot_product([cast('1e200' as double), 1.0, cast('-1e200' as double)], [1.0, 0.5, 1.0]) as b",
        "select array_distance([3.0, 0.0], [0.0, 4.0]) as a, cosine_distance([1.0, 0.0], [0.0, 2.0]) as b, list_normalize([3, 4]) as c, array_product([2.0, null, 3.0]) as d",
        "select cosine_distance([0.0], [1.0]) as a, array_normalize([0.0]) as b, inner_product([1, null], [1, 2]) as c, array_product(null) as d",
        "select inner_product([1], [1, 2]) as a",
        "select inner_product(1, 2) as a",
    ]));
}

#[test]
fn nested_columns_of_a_file_are_of_one_kind() {
    let item = Arc::new(Field::new("element", DataType::Utf8, false));
    let words = StringArray::from(vec!["a", "b", "c"]);
    let list = ListArray::new(
        item,
        OffsetBuffer::from_lengths([1, 2]),
        Arc::new(words),
        None,
    );
    let columns: [(&str, ArrayRef); 2] = [
        ("l", Arc::new(list)),
        ("d", Arc::new(DurationSecondArray::from(vec![90, 3600]))),
    ];
    let bench = Bench::new().of_batch("d.n", &RecordBatch::try_from_iter(columns).unwrap());
    let queries = [
        "select array_concat(l, ['x'], l) as a from d.n",
        "select l, d, timestamp '2024-01-01 00:00:00' + d as at from d.n order by d desc",
    ];
    let told = bench.told(&queries);
    expect![[r#"
        select array_concat(l, ['x'], l) as a from d.n
        a list<string>
        [a, x, a]
        [b, c, x, b, c]
        select l, d, timestamp '2024-01-01 00:00:00' + d as at from d.n order by d desc
        l list<string>, d interval, at timestamp
        [b, c] | 1 hours | 2024-01-01T01:00:00
        [a] | 1 mins 30.000000000 secs | 2024-01-01T00:01:30
    "#]]
    .assert_eq(&told);
}

#[test]
fn calls_are_nested_deep() {
    let (calls, ends) = ("abs(".repeat(40), ")".repeat(40));
    let deep = |of: &str| format!("{calls}{of}{ends}");
    let queries = [
        format!("select {} d from d.t", deep("n - 9")),
        format!("select {0}, count(*) from d.t group by {0}", deep("n")),
        "select upper(trim(concat(abs(id), ' x '))), trunc(n), max(abs(n)) + 1 from d.t group by id, n".to_owned(),
    ];
    let queries = queries.each_ref().map(String::as_str);
    let told = answers(&queries).replace(&calls, "[").replace(&ends, "]");
    expect![[r#"
        select [n - 9] d from d.t
        d bigint
        8
        291
        null
        select [n], count(*) from d.t group by [n]
        [d.t.n] bigint, count(*) bigint
        1 | 1
        300 | 1
        null | 1
        select upper(trim(concat(abs(id), ' x '))), trunc(n), max(abs(n)) + 1 from d.t group by id, n
        upper(TRIM(concat(abs(id), ' x '))) string, trunc(d.t.n) bigint, max(abs(d.t.n)) + 1 bigint
        1 X | 1 | 2
        2 X | 300 | 301
        3 X | null | null
    "#]].assert_eq(&told);
}
