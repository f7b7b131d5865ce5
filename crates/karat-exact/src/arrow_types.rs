//! Arrow's names of types, as `arrow_cast` and `arrow_typeof` use them: physical variants stand for the one logical type that karat has.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use chrono_tz::Tz;

/// What an Arrow type name asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// The type that karat holds such values in.
    pub(crate) data_type: DataType,
    /// The zone in which local times are read, if the name states one.
    pub(crate) zone: Option<Tz>,
    /// The unit that a whole number counts, and that a time must be a multiple of.
    pub(crate) unit: Option<TimeUnit>,
}

/// Reads an Arrow type name, or says what is wrong with it.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    let named: DataType = text.parse().map_err(|_| {
        format!("`{text}` is no type of Arrow: there are Int64, Utf8, Decimal128(18, 2), Timestamp(us), List(Int64) and the like")
    })?;
    let (zone, unit) = match &named {
        DataType::Timestamp(unit, Some(zone)) if !is_utc(zone) => {
            let zone = zone.parse::<Tz>().map_err(|_| {
                format!("`{zone}` in `{text}` is no zone of the time-zone database, like Europe/Berlin or UTC")
            })?;
            (Some(zone), Some(*unit))
        }
        DataType::Timestamp(unit, Some(_)) => (Some(Tz::UTC), Some(*unit)),
        DataType::Timestamp(unit, None) | DataType::Time32(unit) | DataType::Time64(unit) => {
            (None, Some(*unit))
        }
        DataType::Date64 => (None, Some(TimeUnit::Millisecond)),
        DataType::Duration(unit) => (None, Some(*unit)),
        _ => (None, None),
    };
    let data_type =
        logical(&named).ok_or_else(|| format!("no values of the type `{text}` are held here"))?;
    Ok(Target {
        data_type,
        zone,
        unit,
    })
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Z" | "+00:00" | "+0000" | "+00")
}

/// The type that holds such values here: one kind of text, list and decimal, microseconds, instants in UTC. None: there is none.
pub(crate) fn logical(data_type: &DataType) -> Option<DataType> {
    let inner = |field: &FieldRef| -> Option<FieldRef> {
        let data_type = logical(field.data_type())?;
        Some(Arc::new(Field::new(field.name(), data_type, true)))
    };
    Some(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, value) => logical(value)?,
        DataType::RunEndEncoded(_, value) => logical(value.data_type())?,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(inner(item)?),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(inner).collect::<Option<_>>()?)
        }
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return None;
            };
            let mut pair: Vec<Field> = pair
                .iter()
                .map(|field| Some(inner(field)?.as_ref().clone()))
                .collect::<Option<_>>()?;
            if let Some(key) = pair.first_mut() {
                key.set_nullable(false);
            }
            let entries = Field::new(entries.name(), DataType::Struct(pair.into()), false);
            DataType::Map(Arc::new(entries), *sorted)
        }
        // Every half is a real.
        DataType::Float16 => DataType::Float32,
        DataType::Interval(_) | DataType::Duration(_) => {
            DataType::Interval(IntervalUnit::MonthDayNano)
        }
        DataType::Union(..) => return None,
        other => other.clone(),
    })
}

/// Arrow's name of the type in which such values are held.
pub(crate) fn name(data_type: &DataType) -> String {
    logical(data_type)
        .unwrap_or_else(|| data_type.clone())
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_variants_are_one_type() {
        let told: Vec<String> = [
            "Utf8View",
            "Dictionary(Int32, LargeUtf8)",
            "FixedSizeList(2 x Int32)",
            "Timestamp(Nanosecond, Some(\"Europe/Berlin\"))",
            "Time32(Second)",
            "Decimal64(9, 2)",
            "Float16",
            "Duration(Millisecond)",
            "Interval(YearMonth)",
            "Int65",
        ]
        .into_iter()
        .map(|text| match target(text) {
            Ok(found) => format!("{text}: {} {:?}", found.data_type, found.unit),
            Err(why) => format!("{text}: {why}"),
        })
        .collect();
        expect_test::expect![[r#"
            Utf8View: Utf8 None
            Dictionary(Int32, LargeUtf8): Utf8 None
            FixedSizeList(2 x Int32): List(Int32) None
            Timestamp(Nanosecond, Some("Europe/Berlin")): Timestamp(µs, "UTC") Some(Nanosecond)
            Time32(Second): Time64(µs) Some(Second)
            Decimal64(9, 2): Decimal128(9, 2) None
            Float16: Float32 None
            Duration(Millisecond): Interval(MonthDayNano) Some(Millisecond)
            Interval(YearMonth): Interval(MonthDayNano) None
            Int65: `Int65` is no type of Arrow: there are Int64, Utf8, Decimal128(18, 2), Timestamp(us), List(Int64) and the like"#]].assert_eq(&told.join("\n"));
    }
}
