//! What a run is given beside its inputs (A9): values of parameters and the business date. Of them a version is made from those that its model
//! asks for, and from no others: these are recorded with it, and one that changed makes it again.

use std::collections::BTreeMap;

use karat_project::{BUSINESS_DATE, Calendar, Day, Model, NotCovered};

use crate::clock;
use crate::context::Site;
use crate::error::PipelineError;

/// Values by the names under which they are recorded: `$rate`, `business_date()`.
pub type Values = BTreeMap<String, String>;

/// The values that a model's rows are made from.
pub(crate) fn of_model(site: &Site, model: &Model) -> Result<Values, PipelineError> {
    asked(site, &model.name.to_string(), &model.asks)
}

/// The values that the checks of a model ask for.
pub(crate) fn of_checks(site: &Site, model: &Model) -> Result<Values, PipelineError> {
    let names: Vec<String> = model
        .checks
        .iter()
        .flat_map(|check| check.asks.clone())
        .collect();
    asked(site, &model.name.to_string(), &names)
}

fn asked(site: &Site, table: &str, names: &[String]) -> Result<Values, PipelineError> {
    let mut values = Values::new();
    for name in names {
        match site.context.parameters.get(name) {
            Some(value) => drop(values.insert(name.clone(), value.clone())),
            None => {
                let (what, hint) = missing(name, table);
                return Err(PipelineError::Refused { what, hint });
            }
        }
    }
    Ok(values)
}

/// That a table asks for a value which is not there, and what to do.
pub fn missing(name: &str, table: &str) -> (String, String) {
    match name.strip_prefix('$') {
        Some(plain) => (
            format!("`{name}` has no value, and `{table}` asks for it"),
            format!("give it by `--param {plain}=VALUE`, or its `default` in karat.yaml"),
        ),
        None => (
            format!("there is no business date, and `{table}` asks for it"),
            "give it by `--business-date 2026-10-30`, or declare a `calendar` in karat.yaml"
                .to_owned(),
        ),
    }
}

/// Whether a name of a recorded value is that of something given: karat records facts of its own beside them.
pub fn is_given(name: &str) -> bool {
    name.starts_with('$') || name == BUSINESS_DATE
}

/// What changed since values were recorded, for a person; None if nothing did.
pub(crate) fn changed(recorded: &Values, now: &Values) -> Option<String> {
    now.iter().find_map(|(name, value)| {
        let before = recorded.get(name).filter(|before| *before != value)?;
        let name = match name.as_str() {
            BUSINESS_DATE => "the business date".to_owned(),
            name => format!("`{name}`"),
        };
        Some(format!("{name} is {value}, was {before}"))
    })
}

/// The business date that the calendar of a project gives for a logical time; None without a calendar.
///
/// # Errors
/// [`NotCovered`] where the calendar says nothing of the day.
pub fn business_date(
    calendar: Option<&Calendar>,
    logical_time: &str,
    timezone: &str,
) -> Result<Option<Day>, NotCovered> {
    let day = clock::day(logical_time, timezone).and_then(|day| Day::parse(&day));
    match (calendar, day) {
        (Some(calendar), Some(day)) => calendar.business_date(day).map(Some),
        _ => Ok(None),
    }
}
