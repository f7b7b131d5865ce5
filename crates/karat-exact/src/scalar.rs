//! karat's further scalar functions: each with its names, the type of its answer and its kernel; [`crate::checked`] calls them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Field, Float64Type, Int64Type,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

use crate::arrow_types::{self, Target};
use crate::calendar::{self, Format, Formats};
use crate::checked::type_error;
use crate::conversion::{self, Rules, castable, failures};
use crate::error::ExactError;
use crate::geometry::Geometry;
use crate::numbers::{self, Number, Outcome, Why, number, union_failed};
use crate::session::nearest;
use crate::types::type_name;
use crate::vectors::{self, Vector};
use crate::{binning, digests, intervals, series};

/// What the whole numbers of `to_timestamp_seconds` and its like count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Since1970 {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scalar {
    ArrowCast {
        null_on_failure: bool,
    },
    ArrowTypeof,
    CastToType {
        null_on_failure: bool,
    },
    DateBin,
    Timestamp(Since1970),
    FromUnixtime,
    ToUnixtime,
    MakeTime,
    ToTime,
    ToLocalTime,
    AtTimeZone,
    ShiftTime {
        minus: bool,
    },
    /// From one moment to another, as an interval.
    Between,
    /// A date and a time of day as a timestamp.
    AtTimeOfDay,
    AddIntervals {
        minus: bool,
    },
    /// What intervals are compared by.
    IntervalLength,
    GreatestDivisor,
    LeastMultiple,
    Factorial,
    IsZero,
    IsNan,
    NanOr,
    /// Of a count of rows and a value the value, if it is the only one.
    OnlyValue,
    /// The bits of a whole number moved: a product or quotient by a power of two.
    Shift {
        left: bool,
    },
    Series {
        inclusive: bool,
    },
    Digest,
    Md5,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Encode,
    Decode,
    Vector(Vector),
    Geometry(Geometry),
}

use Scalar::*;

impl Scalar {
    /// Those that SQL may call by name.
    pub(crate) const NAMED: [Scalar; 42] = [
        ArrowCast {
            null_on_failure: false,
        },
        ArrowCast {
            null_on_failure: true,
        },
        ArrowTypeof,
        CastToType {
            null_on_failure: false,
        },
        CastToType {
            null_on_failure: true,
        },
        DateBin,
        Timestamp(Since1970::Seconds),
        Timestamp(Since1970::Millis),
        Timestamp(Since1970::Micros),
        Timestamp(Since1970::Nanos),
        FromUnixtime,
        ToUnixtime,
        MakeTime,
        ToTime,
        ToLocalTime,
        AtTimeZone,
        GreatestDivisor,
        LeastMultiple,
        Factorial,
        IsZero,
        IsNan,
        NanOr,
        Series { inclusive: false },
        Series { inclusive: true },
        Digest,
        Md5,
        Sha224,
        Sha256,
        Sha384,
        Sha512,
        Encode,
        Decode,
        Vector(Vector::Add),
        Vector(Vector::Subtract),
        Vector(Vector::Scale),
        Vector(Vector::Sum),
        Vector(Vector::Avg),
        Geometry(Geometry::Inner),
        Geometry(Geometry::Distance),
        Geometry(Geometry::Cosine),
        Geometry(Geometry::Normal),
        Geometry(Geometry::Product),
    ];

    /// The name that plans know it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ArrowCast {
                null_on_failure: false,
            } => "karat_arrow_cast",
            ArrowCast {
                null_on_failure: true,
            } => "karat_arrow_try_cast",
            ArrowTypeof => "karat_arrow_typeof",
            CastToType {
                null_on_failure: false,
            } => "karat_cast_to_type",
            CastToType {
                null_on_failure: true,
            } => "karat_try_cast_to_type",
            DateBin => "karat_date_bin",
            Timestamp(Since1970::Seconds) => "karat_to_timestamp_seconds",
            Timestamp(Since1970::Millis) => "karat_to_timestamp_millis",
            Timestamp(Since1970::Micros) => "karat_to_timestamp_micros",
            Timestamp(Since1970::Nanos) => "karat_to_timestamp_nanos",
            FromUnixtime => "karat_from_unixtime",
            ToUnixtime => "karat_to_unixtime",
            MakeTime => "karat_make_time",
            ToTime => "karat_to_time",
            ToLocalTime => "karat_to_local_time",
            AtTimeZone => "karat_at_time_zone",
            ShiftTime { minus: false } => "karat_add_to_time",
            ShiftTime { minus: true } => "karat_subtract_from_time",
            Between => "karat_between",
            AtTimeOfDay => "karat_at_time_of_day",
            AddIntervals { minus: false } => "karat_add_intervals",
            AddIntervals { minus: true } => "karat_subtract_intervals",
            IntervalLength => "karat_interval_length",
            GreatestDivisor => "karat_gcd",
            LeastMultiple => "karat_lcm",
            Factorial => "karat_factorial",
            IsZero => "karat_iszero",
            IsNan => "karat_isnan",
            NanOr => "karat_nanvl",
            OnlyValue => "karat_only_value",
            Shift { left: true } => "karat_shift_left",
            Shift { left: false } => "karat_shift_right",
            Series { inclusive: false } => "karat_range",
            Series { inclusive: true } => "karat_generate_series",
            Digest => "karat_digest",
            Md5 => "karat_md5",
            Sha224 => "karat_sha224",
            Sha256 => "karat_sha256",
            Sha384 => "karat_sha384",
            Sha512 => "karat_sha512",
            Encode => "karat_encode",
            Decode => "karat_decode",
            Vector(Vector::Add) => "karat_array_add",
            Vector(Vector::Subtract) => "karat_array_subtract",
            Vector(Vector::Scale) => "karat_array_scale",
            Vector(Vector::Sum) => "karat_array_sum",
            Vector(Vector::Avg) => "karat_array_avg",
            Geometry(Geometry::Inner) => "karat_inner_product",
            Geometry(Geometry::Distance) => "karat_array_distance",
            Geometry(Geometry::Cosine) => "karat_cosine_distance",
            Geometry(Geometry::Normal) => "karat_array_normalize",
            Geometry(Geometry::Product) => "karat_array_product",
        }
    }

    /// The name by which SQL calls it.
    pub(crate) fn sql_name(self) -> &'static str {
        match self {
            ShiftTime { minus: false } | AtTimeOfDay | AddIntervals { minus: false } => "+",
            ShiftTime { minus: true } | Between | AddIntervals { minus: true } => "-",
            Shift { left: true } => "<<",
            Shift { left: false } => ">>",
            other => other.name().strip_prefix("karat_").unwrap_or_default(),
        }
    }

    /// All names by which SQL calls it.
    pub(crate) fn sql_names(self) -> Vec<String> {
        let name = self.sql_name().to_string();
        let mut names = vec![name.clone()];
        names.extend(
            name.strip_prefix("array_")
                .map(|rest| format!("list_{rest}")),
        );
        if matches!(self, Geometry(Geometry::Inner | Geometry::Cosine)) {
            names.push(format!("list_{name}"));
        }
        if self == Geometry(Geometry::Inner) {
            names.extend(["dot_product".to_owned(), "list_dot_product".to_owned()]);
        }
        names
    }

    /// Whether some row's values can make it fail.
    pub(crate) fn can_fail(self) -> bool {
        !matches!(
            self,
            ArrowTypeof
                | IsZero
                | IsNan
                | IntervalLength
                | Geometry(Geometry::Normal)
                | ArrowCast {
                    null_on_failure: true
                }
                | CastToType {
                    null_on_failure: true
                }
        )
    }

    fn arguments(self) -> (usize, usize) {
        match self {
            ArrowTypeof
            | ToLocalTime
            | Factorial
            | IsZero
            | IsNan
            | Md5
            | Sha224
            | Sha256
            | Sha384
            | Sha512
            | Vector(Vector::Sum | Vector::Avg) => (1, 1),
            Geometry(geometry) => (geometry.arguments(), geometry.arguments()),
            ArrowCast { .. }
            | CastToType { .. }
            | AtTimeZone
            | ShiftTime { .. }
            | GreatestDivisor
            | LeastMultiple
            | NanOr
            | OnlyValue
            | Shift { .. }
            | Digest
            | Encode
            | Decode
            | Vector(_) => (2, 2),
            FromUnixtime | ToTime => (1, 2),
            Timestamp(_) | ToUnixtime => (1, 255),
            IntervalLength => (1, 1),
            Between | AtTimeOfDay | AddIntervals { .. } => (2, 2),
            DateBin => (2, 3),
            MakeTime => (3, 3),
            Series { .. } => (1, 3),
        }
    }

    fn wrong(self, what: String, hint: Option<&str>) -> datafusion::common::DataFusionError {
        type_error(format!("`{}` {what}", self.sql_name()), hint)
    }

    /// An interval, or a literal text that is one.
    fn is_stride(self, data_type: &DataType, literal: Option<&ScalarValue>) -> bool {
        match data_type {
            DataType::Interval(_) | DataType::Null => true,
            text if conversion::is_text(text) => {
                let to = DataType::Interval(IntervalUnit::MonthDayNano);
                literal.is_some_and(|value| value.cast_to(&to).is_ok_and(|v| !v.is_null()))
            }
            _ => false,
        }
    }

    fn fits(self, from: &DataType, to: &DataType) -> Result<()> {
        castable(from, to).map_err(|_| {
            self.wrong(
                format!("takes no {}", type_name(from)),
                Some("cast it first"),
            )
        })
    }

    /// The type of the answer, or why there is none.
    pub(crate) fn result(
        self,
        types: &[DataType],
        literals: &[Option<&ScalarValue>],
    ) -> Result<DataType> {
        let (least, most) = self.arguments();
        if !(least..=most).contains(&types.len()) {
            let wants = if least == most {
                least.to_string()
            } else {
                format!("{least} to {most}")
            };
            return Err(self.wrong(
                format!("takes {wants} arguments, not {}", types.len()),
                None,
            ));
        }
        let literal = |at: usize| literals.get(at).copied().flatten();
        let whole = |at: usize| match number(&types[at]) {
            Some(Number::Integer(_) | Number::Null | Number::Decimal(_, 0)) => Ok(()),
            _ => Err(self.wrong(
                format!("takes whole numbers, not {}", type_name(&types[at])),
                Some("cast to bigint first"),
            )),
        };
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let time = DataType::Time64(TimeUnit::Microsecond);
        Ok(match self {
            ArrowCast { .. } => {
                let target = self.target(literal(1))?;
                let counts = matches!(number(&types[0]), Some(Number::Integer(_)))
                    && (is_temporal(&target.data_type) || is_counted_interval(&target));
                if !counts {
                    castable(&types[0], &target.data_type).map_err(|why| type_error(why, None))?;
                }
                target.data_type
            }
            ArrowTypeof => DataType::Utf8,
            CastToType { .. } => {
                let to = arrow_types::logical(&types[1]).ok_or_else(|| {
                    self.wrong(format!("gives no {}", type_name(&types[1])), None)
                })?;
                castable(&types[0], &to).map_err(|why| type_error(why, None))?;
                to
            }
            DateBin => {
                if !self.is_stride(&types[0], literal(0)) {
                    return Err(self.wrong(
                        format!("takes an interval first, not {}", type_name(&types[0])),
                        Some("for example date_bin(interval '15 minutes', moment)"),
                    ));
                }
                let out = match &types[1] {
                    DataType::Timestamp(_, Some(_)) => instant,
                    t if conversion::is_time(t) => time,
                    DataType::Date32
                    | DataType::Date64
                    | DataType::Timestamp(..)
                    | DataType::Null
                    | DataType::Utf8
                    | DataType::LargeUtf8
                    | DataType::Utf8View => micros,
                    other => {
                        return Err(self.wrong(
                            format!("takes a date, time or timestamp, not {}", type_name(other)),
                            Some("cast it first"),
                        ));
                    }
                };
                if let Some(origin) = types.get(2) {
                    self.fits(origin, &out)?;
                }
                out
            }
            Timestamp(_) => match &types[0] {
                DataType::Timestamp(_, Some(_)) => instant,
                t if number(t).is_some() => micros,
                t => {
                    self.fits(t, &micros)?;
                    match types.len() {
                        1 => micros,
                        _ if self
                            .formats(literals.get(1..).unwrap_or_default())?
                            .has_offset() =>
                        {
                            instant
                        }
                        _ => micros,
                    }
                }
            },
            FromUnixtime => {
                if number(&types[0]).is_none() {
                    whole(0)?;
                }
                if types.len() == 2 {
                    self.zone(literal(1))?;
                    instant
                } else {
                    micros
                }
            }
            ToUnixtime => {
                if number(&types[0]).is_some() {
                    self.fits(&types[0], &DataType::Int64)?;
                } else if types.len() > 1 {
                    self.formats(literals.get(1..).unwrap_or_default())?;
                } else {
                    self.fits(&types[0], &instant)?;
                }
                DataType::Int64
            }
            MakeTime => {
                for t in types {
                    self.fits(t, &DataType::Int64)?;
                }
                time
            }
            ToTime => {
                self.fits(&types[0], &time)?;
                if types.len() == 2 {
                    self.time_format(literal(1))?;
                }
                time
            }
            ToLocalTime => {
                self.fits(&types[0], &micros)?;
                micros
            }
            AtTimeZone => {
                self.zone(literal(1))?;
                self.fits(&types[0], &micros)?;
                match &types[0] {
                    DataType::Timestamp(_, Some(_)) => micros,
                    _ => instant,
                }
            }
            ShiftTime { .. } => time,
            AtTimeOfDay => micros,
            Between | AddIntervals { .. } => DataType::Interval(IntervalUnit::MonthDayNano),
            IntervalLength => DataType::Decimal128(38, 0),
            GreatestDivisor | LeastMultiple => {
                whole(0)?;
                whole(1)?;
                DataType::Int64
            }
            Factorial => {
                whole(0)?;
                DataType::Int64
            }
            IsZero | IsNan => match number(&types[0]) {
                Some(_) => DataType::Boolean,
                None => {
                    return Err(self.wrong(
                        format!("takes a number, not {}", type_name(&types[0])),
                        Some("cast it first"),
                    ));
                }
            },
            NanOr => {
                if let Some(other) = types.iter().find(|t| number(t).is_none()) {
                    return Err(self.wrong(
                        format!("takes numbers, not {}", type_name(other)),
                        Some("cast it to double"),
                    ));
                }
                DataType::Float64
            }
            OnlyValue => types[1].clone(),
            Shift { .. } => {
                whole(0)?;
                whole(1)?;
                DataType::Int64
            }
            Series { .. } => {
                let item = series::element_type(types).map_err(|why| {
                    self.wrong(
                        why,
                        Some("for example generate_series(1, 10), or two dates and an interval"),
                    )
                })?;
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
            Vector(what) => vectors::result(what, types).ok_or_else(|| {
                let told: Vec<String> = types.iter().map(type_name).collect();
                let hint = "give lists of numbers; cast decimals of more than 38 digits first";
                self.wrong(format!("does not take {}", told.join(", ")), Some(hint))
            })?,
            Geometry(what) => what.result(types).ok_or_else(|| {
                let told: Vec<String> = types.iter().map(type_name).collect();
                let hint = "give lists of numbers";
                self.wrong(format!("does not take {}", told.join(", ")), Some(hint))
            })?,
            Digest | Md5 | Sha224 | Sha256 | Sha384 | Sha512 | Encode => {
                self.fits(&types[0], &DataType::Binary)?;
                match self {
                    Digest => {
                        let name = literal(1).and_then(|v| v.try_as_str().flatten());
                        digests::Kind::parse(name.unwrap_or_default()).ok_or_else(|| {
                            self.wrong(
                                "takes the name of an algorithm as a literal".to_string(),
                                Some("'md5', 'sha224', 'sha256', 'sha384' or 'sha512'"),
                            )
                        })?;
                    }
                    Encode => {
                        self.encoding(literal(1))?;
                    }
                    _ => {}
                }
                match self {
                    Md5 | Encode => DataType::Utf8,
                    _ => DataType::Binary,
                }
            }
            Decode => {
                self.fits(&types[0], &DataType::Binary)?;
                self.encoding(literal(1))?;
                DataType::Binary
            }
        })
    }

    fn encoding(self, literal: Option<&ScalarValue>) -> Result<digests::Encoding> {
        let name = literal.and_then(|v| v.try_as_str().flatten());
        digests::Encoding::parse(name.unwrap_or_default()).ok_or_else(|| {
            self.wrong(
                "takes the name of an encoding as a literal".to_string(),
                Some("'hex', 'base64' or 'base64pad'"),
            )
        })
    }

    fn target(self, literal: Option<&ScalarValue>) -> Result<Target> {
        let text = literal
            .and_then(|value| value.try_as_str().flatten())
            .ok_or_else(|| {
                self.wrong(
                    "takes the name of a type as a literal".to_string(),
                    Some("for example arrow_cast(x, 'Int64')"),
                )
            })?;
        arrow_types::target(text).map_err(|why| type_error(why, Some("or write cast(x as type)")))
    }

    fn zone(self, literal: Option<&ScalarValue>) -> Result<chrono_tz::Tz> {
        let name = literal.and_then(|value| value.try_as_str().flatten());
        let name = match name {
            Some("+00:00" | "Z") => Some("UTC"),
            name => name,
        };
        name.and_then(|name| name.parse().ok()).ok_or_else(|| {
            if let Some(name) = name {
                let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
                let same = |zone: &&str| zone.eq_ignore_ascii_case(name);
                let of_city = |zone: &&str| {
                    let city = zone.rsplit('/').next();
                    city.is_some_and(|city| city.eq_ignore_ascii_case(name))
                };
                let near = zones.clone().find(same);
                let near = near.or_else(|| zones.clone().find(of_city));
                let near = near.or_else(|| nearest(name, zones));
                let hint = near.map(|near| format!("did you mean '{near}'?"));
                return type_error(
                    format!("no time zone `{name}`"),
                    Some(hint.as_deref().unwrap_or(
                        "zones are called as in the time-zone database, like 'Europe/Berlin' or 'UTC'",
                    )),
                );
            }
            self.wrong(
                "takes the name of a time zone as a literal".to_string(),
                Some("as the time-zone database has it, like 'Europe/Berlin' or 'UTC'"),
            )
        })
    }

    fn formats(self, literals: &[Option<&ScalarValue>]) -> Result<Formats> {
        let example = "for example '%Y-%m-%d %H:%M:%S'";
        let formats = literals
            .iter()
            .map(|literal| self.read_format(*literal, Format::parse, example))
            .collect::<Result<Vec<_>>>()?;
        Formats::new(formats)
            .map_err(|why| type_error(format!("`{}`: {why}", self.sql_name()), Some(example)))
    }

    fn time_format(self, literal: Option<&ScalarValue>) -> Result<Format> {
        self.read_format(literal, Format::parse_time, "for example '%H:%M:%S'")
    }

    fn read_format(
        self,
        literal: Option<&ScalarValue>,
        read: fn(&str) -> Result<Format, String>,
        example: &str,
    ) -> Result<Format> {
        let text = literal.and_then(|value| value.try_as_str().flatten());
        let Some(text) = text else {
            return Err(self.wrong("takes a literal as its format".to_string(), Some(example)));
        };
        read(text).map_err(|why| type_error(format!("`{}`: {why}", self.sql_name()), Some(example)))
    }

    /// Values and failed rows.
    pub(crate) fn compute(
        self,
        args: &[ColumnarValue],
        rows: usize,
        out: &DataType,
        rules: Rules,
    ) -> Result<Outcome> {
        let arrays: Vec<ArrayRef> = args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<_>>()?;
        let literal = |at: usize| match args.get(at) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let first = &arrays[0];
        let as_text = |at: usize| -> Result<ArrayRef> {
            Ok(conversion::cast(&arrays[at], &DataType::Utf8, rules)?.array)
        };
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Ok(match self {
            ArrowCast { null_on_failure } => {
                let target = self.target(literal(1))?;
                forgiven(arrow_cast(first, &target, rules)?, null_on_failure)
            }
            ArrowTypeof => {
                let name = arrow_types::name(&args[0].data_type());
                Outcome::fine(ScalarValue::from(name).to_array_of_size(rows)?)
            }
            CastToType { null_on_failure } => {
                forgiven(conversion::cast(first, out, rules)?, null_on_failure)
            }
            DateBin => {
                let stride =
                    arrow::compute::cast(first, &DataType::Interval(IntervalUnit::MonthDayNano))?;
                let moments = conversion::cast(&arrays[1], out, rules)?;
                let origin = match arrays.get(2) {
                    Some(origin) => Some(conversion::cast(origin, out, rules)?),
                    None => None,
                };
                let binned = binning::date_bin(
                    &stride,
                    &moments.array,
                    origin.as_ref().map(|origin| &origin.array),
                    rules.timezone,
                )?;
                let failed = union_failed(moments.failed, origin.and_then(|o| o.failed));
                joined(failed, binned)
            }
            Timestamp(_) if number(first.data_type()).is_some() => self.counted(first)?,
            Timestamp(_) if args.len() > 1 => {
                let literals: Vec<Option<&ScalarValue>> = (1..args.len()).map(literal).collect();
                let read = self
                    .formats(&literals)?
                    .timestamps(as_text(0)?.as_string::<i32>())?;
                self.whole_units(read)
            }
            Timestamp(_) => self.whole_units(conversion::cast(first, out, rules)?),
            FromUnixtime => {
                let moments = Timestamp(Since1970::Seconds).counted(first)?;
                Outcome {
                    array: arrow::compute::cast(&moments.array, out)?,
                    ..moments
                }
            }
            ToUnixtime => {
                if number(first.data_type()).is_some() {
                    return Ok(conversion::cast(first, &DataType::Int64, rules)?);
                }
                let moments = if args.len() > 1 {
                    let literals: Vec<Option<&ScalarValue>> =
                        (1..args.len()).map(literal).collect();
                    self.formats(&literals)?
                        .timestamps(as_text(0)?.as_string::<i32>())?
                } else if matches!(first.data_type(), DataType::Timestamp(_, None)) {
                    // As `extract(epoch …)` counts: seconds of the time as written.
                    conversion::cast(
                        first,
                        &DataType::Timestamp(TimeUnit::Microsecond, None),
                        rules,
                    )?
                } else {
                    conversion::cast(first, &instant, rules)?
                };
                let us = moments.array.as_primitive::<TimestampMicrosecondType>();
                let seconds = conversion::try_unary::<_, Int64Type>(us, Why::Conversion, |us| {
                    (us % 1_000_000 == 0).then_some(us / 1_000_000)
                });
                joined(moments.failed, seconds)
            }
            MakeTime => {
                let parts: Vec<Outcome> = arrays
                    .iter()
                    .map(|array| conversion::cast(array, &DataType::Int64, rules))
                    .collect::<Result<_, ExactError>>()?;
                let part = |at: usize| parts[at].array.as_primitive::<Int64Type>();
                let (hours, minutes, seconds) = (part(0), part(1), part(2));
                let failed = parts
                    .iter()
                    .fold(None, |all, part| union_failed(all, part.failed.clone()));
                let arrays: Vec<ArrayRef> = parts.iter().map(|p| p.array.clone()).collect();
                let times = rowwise::<Time64MicrosecondType>(&arrays, rows, Why::Domain, |row| {
                    let (h, m, s) = (hours.value(row), minutes.value(row), seconds.value(row));
                    let fits = (0..24).contains(&h) && (0..60).contains(&m) && (0..60).contains(&s);
                    fits.then(|| ((h * 60 + m) * 60 + s) * 1_000_000)
                });
                joined(failed, times)
            }
            ToTime if args.len() == 2 => self
                .time_format(literal(1))?
                .times(as_text(0)?.as_string::<i32>()),
            ToTime | ToLocalTime => conversion::cast(first, out, rules)?,
            AtTimeZone => {
                let timezone = self.zone(literal(1))?;
                let local = match first.data_type() {
                    DataType::Timestamp(..) => Outcome::fine(first.clone()),
                    _ => conversion::cast(
                        first,
                        &DataType::Timestamp(TimeUnit::Microsecond, None),
                        rules,
                    )?,
                };
                let there = conversion::cast(&local.array, out, Rules { timezone, ..rules })?;
                joined(local.failed, there)
            }
            ShiftTime { minus } => {
                let times = conversion::cast(first, out, rules)?;
                let by = arrow::compute::cast(
                    &arrays[1],
                    &DataType::Interval(IntervalUnit::MonthDayNano),
                )?;
                joined(times.failed, binning::shift_time(&times.array, &by, minus))
            }
            GreatestDivisor | LeastMultiple => {
                let a = conversion::cast(first, &DataType::Int64, rules)?;
                let b = conversion::cast(&arrays[1], &DataType::Int64, rules)?;
                let both = [a.array, b.array];
                let (x, y) = (
                    both[0].as_primitive::<Int64Type>(),
                    both[1].as_primitive::<Int64Type>(),
                );
                let done = rowwise::<Int64Type>(&both, rows, Why::Overflow, |row| {
                    let (x, y) = (x.value(row).unsigned_abs(), y.value(row).unsigned_abs());
                    let divisor = greatest_divisor(x, y);
                    let found = match self {
                        GreatestDivisor => Some(divisor),
                        _ if divisor == 0 => Some(0),
                        _ => (x / divisor).checked_mul(y),
                    };
                    i64::try_from(found?).ok()
                });
                joined(union_failed(a.failed, b.failed), done)
            }
            Factorial => {
                let n = conversion::cast(first, &DataType::Int64, rules)?;
                let negative = n
                    .array
                    .as_primitive::<Int64Type>()
                    .iter()
                    .flatten()
                    .any(|n| n < 0);
                let why = if negative { Why::Domain } else { Why::Overflow };
                let done = conversion::try_unary::<_, Int64Type>(
                    n.array.as_primitive::<Int64Type>(),
                    why,
                    |n| (0..=20).contains(&n).then(|| (1..=n).product()),
                );
                joined(n.failed, done)
            }
            IsZero | IsNan => {
                let values = match (number(first.data_type()), self) {
                    (Some(Number::Null), _) => {
                        return Ok(Outcome::fine(arrow::array::new_null_array(out, rows)));
                    }
                    (Some(Number::Double), _) | (_, IsZero) => {
                        // A number that is not 0 is none as a double either.
                        let doubles = numbers::to_double(first)?;
                        let doubles = doubles.as_primitive::<Float64Type>().clone();
                        BooleanBuffer::collect_bool(rows, |row| match self {
                            IsZero => doubles.value(row) == 0.0,
                            _ => doubles.value(row).is_nan(),
                        })
                    }
                    _ => BooleanBuffer::new_unset(rows),
                };
                let array = BooleanArray::new(values, first.logical_nulls());
                Outcome::fine(Arc::new(array))
            }
            NanOr => {
                let both = [
                    conversion::cast(first, out, rules)?,
                    conversion::cast(&arrays[1], out, rules)?,
                ];
                let [a, b] = both.each_ref().map(|side| side.array.clone());
                let [failed, other] = both.map(|side| side.failed);
                let (a, b) = (
                    a.as_primitive::<Float64Type>(),
                    b.as_primitive::<Float64Type>(),
                );
                let values: PrimitiveArray<Float64Type> = (0..rows)
                    .map(|row| match a.is_valid(row) {
                        true if a.value(row).is_nan() => b.is_valid(row).then(|| b.value(row)),
                        true => Some(a.value(row)),
                        false => None,
                    })
                    .collect();
                let values = Outcome {
                    why: Why::Conversion,
                    ..Outcome::fine(Arc::new(values))
                };
                joined(union_failed(failed, other), values)
            }
            Shift { left } => {
                let a = conversion::cast(first, &DataType::Int64, rules)?;
                let b = conversion::cast(&arrays[1], &DataType::Int64, rules)?;
                let both = [a.array, b.array];
                let (x, n) = (
                    both[0].as_primitive::<Int64Type>(),
                    both[1].as_primitive::<Int64Type>(),
                );
                let done = rowwise::<Int64Type>(&both, rows, Why::Overflow, |row| {
                    let places = u32::try_from(n.value(row)).ok()?;
                    let value = x.value(row);
                    match left {
                        true => value.checked_mul(2i64.checked_pow(places)?),
                        false => value.checked_shr(places),
                    }
                });
                joined(union_failed(a.failed, b.failed), done)
            }
            OnlyValue => {
                let count = conversion::cast(first, &DataType::Int64, rules)?.array;
                let count = count.as_primitive::<Int64Type>();
                let many: Vec<usize> = (0..rows)
                    .filter(|row| count.is_valid(*row) && count.value(*row) > 1)
                    .collect();
                let value = &arrays[1];
                let (nulls, failed) = failures(value.logical_nulls().as_ref(), &many, rows);
                let array = match failed.is_some() {
                    true => {
                        let kept = BooleanArray::new(
                            nulls.map_or_else(
                                || BooleanBuffer::new_set(rows),
                                |nulls| nulls.inner().clone(),
                            ),
                            None,
                        );
                        arrow::compute::kernels::zip::zip(
                            &kept,
                            value,
                            &arrow::array::new_null_array(value.data_type(), rows),
                        )?
                    }
                    false => value.clone(),
                };
                Outcome {
                    array,
                    failed,
                    why: Why::ManyRows,
                }
            }
            Vector(what) => vectors::compute(what, &arrays, rows, out, rules)?,
            Geometry(what) => what.compute(&arrays, rows, rules)?,
            Between => intervals::between(first, &arrays[1], rules)?,
            AtTimeOfDay => intervals::at_time_of_day(first, &arrays[1], rules)?,
            AddIntervals { minus } => intervals::added(first, &arrays[1], minus)?,
            IntervalLength => intervals::length(first)?,
            Series { inclusive } => series::lists(&arrays, rows, out, inclusive, rules)?,
            Digest | Md5 | Sha224 | Sha256 | Sha384 | Sha512 => {
                let kind = match self {
                    Md5 => digests::Kind::Md5,
                    Sha224 => digests::Kind::Sha224,
                    Sha256 => digests::Kind::Sha256,
                    Sha384 => digests::Kind::Sha384,
                    Sha512 => digests::Kind::Sha512,
                    _ => literal(1)
                        .and_then(|value| value.try_as_str().flatten())
                        .and_then(digests::Kind::parse)
                        .ok_or_else(|| ExactError::Internal("a digest without a name".into()))?,
                };
                let bytes = conversion::cast(first, &DataType::Binary, rules)?;
                let bytes = bytes.array.as_binary::<i32>();
                Outcome::fine(digests::digest(bytes, kind, *out == DataType::Utf8))
            }
            Encode => {
                let bytes = conversion::cast(first, &DataType::Binary, rules)?;
                let encoding = self.encoding(literal(1))?;
                Outcome::fine(digests::encode(bytes.array.as_binary::<i32>(), encoding))
            }
            Decode => {
                let bytes = conversion::cast(first, &DataType::Binary, rules)?;
                let encoding = self.encoding(literal(1))?;
                digests::decode(bytes.array.as_binary::<i32>(), encoding)
            }
        })
    }

    /// The moment that a number of units since 1970 stands for; what is finer than a microsecond fails (F2).
    fn counted(self, array: &ArrayRef) -> Result<Outcome> {
        let power = match self {
            Timestamp(Since1970::Seconds) => 6i32,
            Timestamp(Since1970::Millis) => 3,
            Timestamp(Since1970::Nanos) => -3,
            _ => 0,
        };
        let scale = match number(array.data_type()) {
            Some(Number::Decimal(_, s)) => i32::from(s).max(0),
            // A double counts by its exact value: what is finer than a microsecond fails.
            Some(Number::Double) => power.max(0),
            _ => 0,
        };
        let rules = Rules {
            rounding: numbers::Rounding::default(),
            timezone: chrono_tz::Tz::UTC,
        };
        let wide = DataType::Decimal128(38, scale as i8);
        let counts = conversion::cast(array, &wide, rules)?;
        let shift = 10i128.pow((power - scale).unsigned_abs());
        let moments = conversion::try_unary::<_, TimestampMicrosecondType>(
            counts.array.as_primitive::<Decimal128Type>(),
            Why::Conversion,
            |count| {
                let us = if power >= scale {
                    count.checked_mul(shift)?
                } else {
                    (count % shift == 0).then_some(count / shift)?
                };
                calendar::in_range(i64::try_from(us).ok()?)
            },
        );
        Ok(joined(counts.failed, moments))
    }

    /// Fails the rows of which the moment is no whole number of units.
    fn whole_units(self, moments: Outcome) -> Outcome {
        let unit = match self {
            Timestamp(Since1970::Seconds) => 1_000_000,
            Timestamp(Since1970::Millis) => 1_000,
            _ => 1,
        };
        whole_moments(moments, unit)
    }
}

fn whole_moments(moments: Outcome, unit: i64) -> Outcome {
    let us = moments.array.as_primitive::<TimestampMicrosecondType>();
    let broken: Vec<usize> = (0..us.len())
        .filter(|row| us.is_valid(*row) && us.value(*row) % unit != 0)
        .collect();
    let (_, failed) = failures(us.nulls(), &broken, us.len());
    Outcome {
        why: if failed.is_some() {
            Why::Conversion
        } else {
            moments.why
        },
        failed: union_failed(moments.failed, failed),
        array: moments.array,
    }
}

fn is_temporal(data_type: &DataType) -> bool {
    conversion::is_time(data_type)
        || matches!(data_type, DataType::Date32 | DataType::Timestamp(..))
}

/// A length of time of which a number counts the units: what Arrow calls a duration.
fn is_counted_interval(target: &Target) -> bool {
    matches!(target.data_type, DataType::Interval(_)) && target.unit.is_some()
}

fn arrow_cast(array: &ArrayRef, target: &Target, rules: Rules) -> Result<Outcome> {
    let rules = Rules {
        timezone: target.zone.unwrap_or(rules.timezone),
        ..rules
    };
    let to = &target.data_type;
    let since = match target.unit {
        Some(TimeUnit::Second) => Since1970::Seconds,
        Some(TimeUnit::Millisecond) => Since1970::Millis,
        Some(TimeUnit::Nanosecond) => Since1970::Nanos,
        _ => Since1970::Micros,
    };
    let counts = matches!(number(array.data_type()), Some(Number::Integer(_)));
    if counts && *to == DataType::Date32 && target.unit.is_none() {
        let days = conversion::cast(array, &DataType::Int32, rules)?;
        return Ok(Outcome {
            array: arrow::compute::cast(&days.array, to)?,
            ..days
        });
    }
    if counts && is_counted_interval(target) {
        let nanos: i64 = match since {
            Since1970::Seconds => 1_000_000_000,
            Since1970::Millis => 1_000_000,
            Since1970::Micros => 1_000,
            Since1970::Nanos => 1,
        };
        let whole = conversion::cast(array, &DataType::Int64, rules)?;
        let counts = whole.array.as_primitive::<Int64Type>();
        let lengths =
            conversion::try_unary::<_, IntervalMonthDayNanoType>(counts, Why::Overflow, |count| {
                let nanoseconds = count.checked_mul(nanos)?;
                Some(IntervalMonthDayNano::new(0, 0, nanoseconds))
            });
        return Ok(joined(whole.failed, lengths));
    }
    if counts && is_temporal(to) {
        let moments = Timestamp(since).counted(array)?;
        let done = match to {
            DataType::Timestamp(..) => Outcome::fine(arrow::compute::cast(&moments.array, to)?),
            // A day, or a time of day: a number outside of one is none.
            DataType::Date32 => {
                let us = moments.array.as_primitive::<TimestampMicrosecondType>();
                let days = conversion::try_unary::<_, arrow::datatypes::Date32Type>(
                    us,
                    Why::Conversion,
                    |us| {
                        (us % calendar::DAY_US == 0)
                            .then(|| i32::try_from(us / calendar::DAY_US).ok())?
                    },
                );
                return Ok(joined(moments.failed, days));
            }
            _ => {
                let us = moments.array.as_primitive::<TimestampMicrosecondType>();
                conversion::try_unary::<_, Time64MicrosecondType>(us, Why::Conversion, |us| {
                    (0..calendar::DAY_US).contains(&us).then_some(us)
                })
            }
        };
        return Ok(joined(moments.failed, done));
    }
    let done = conversion::cast(array, to, rules)?;
    let unit = match target.unit {
        Some(TimeUnit::Second) => 1_000_000,
        Some(TimeUnit::Millisecond) => 1_000,
        _ => return Ok(done),
    };
    Ok(match to {
        DataType::Timestamp(..) => whole_moments(done, unit),
        t if conversion::is_time(t) => {
            let coarse = if unit == 1_000 {
                DataType::Time32(TimeUnit::Millisecond)
            } else {
                DataType::Time32(TimeUnit::Second)
            };
            let broken = calendar::whole_units(&done.array, &coarse)?;
            joined(broken, done)
        }
        _ => done,
    })
}

/// The outcome with rows that had failed before.
fn joined(before: Option<BooleanBuffer>, outcome: Outcome) -> Outcome {
    let why = if outcome.failed.is_some() || before.is_none() {
        outcome.why
    } else {
        Why::Conversion
    };
    Outcome {
        failed: union_failed(before, outcome.failed),
        why,
        ..outcome
    }
}

/// Failed rows as nulls.
fn forgiven(outcome: Outcome, null_on_failure: bool) -> Outcome {
    if !null_on_failure {
        return outcome;
    }
    let Some(failed) = &outcome.failed else {
        return outcome;
    };
    let failed = BooleanArray::new(failed.clone(), None);
    match arrow::compute::nullif(&outcome.array, &failed) {
        Ok(array) => Outcome::fine(array),
        Err(_) => Outcome {
            failed: None,
            ..outcome
        },
    }
}

/// A value for each row in which no argument is null; `None` fails the row.
pub(crate) fn rowwise<T: ArrowPrimitiveType>(
    arrays: &[ArrayRef],
    rows: usize,
    why: Why,
    f: impl Fn(usize) -> Option<T::Native>,
) -> Outcome {
    let nulls = arrays.iter().fold(None, |all: Option<NullBuffer>, array| {
        NullBuffer::union(all.as_ref(), array.nulls())
    });
    let mut bad = Vec::new();
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            values.push(T::Native::default());
            continue;
        }
        values.push(f(row).unwrap_or_else(|| {
            bad.push(row);
            T::Native::default()
        }));
    }
    let (nulls, failed) = failures(nulls.as_ref(), &bad, rows);
    Outcome {
        array: Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)),
        failed,
        why,
    }
}

fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
