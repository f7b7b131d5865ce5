//! What an execution is given on the command line beside its inputs: values of parameters and the business date (A9), checked against what the
//! project declares. What becomes of them is the pipeline's business.

use std::collections::BTreeSet;

use karat_exact::Parameters;
use karat_pipeline::given::{self, Values, is_given, missing};
use karat_project::{BUSINESS_DATE, Day, Param, Project, TableName, nearest};

use crate::args::GivenArgs;
use crate::failure::Failure;
use crate::machine::Moment;

/// Values for a project, by the names under which they are recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    values: Values,
    /// Why there is no business date, and what to do; none without a calendar.
    no_business_date: Option<(String, String)>,
}

impl Given {
    /// What the project itself says: defaults, and the calendar's day of this moment.
    pub(crate) fn defaults(project: &Project, moment: &Moment) -> Given {
        let mut given = Given::default();
        for param in project.params.values() {
            if let Some(value) = &param.default {
                given.values.insert(param.recorded_name(), value.clone());
            }
        }
        let calendar = project.calendar.as_ref();
        match given::business_date(calendar, &moment.logical_text(), &project.timezone) {
            Ok(Some(day)) => given.set_business_date(day),
            Ok(None) => {}
            Err(not_covered) => {
                let hint = format!("{}, or give `--business-date`", not_covered.hint());
                given.no_business_date = Some((not_covered.to_string(), hint));
            }
        }
        given
    }

    /// The same, with what the command line gives.
    pub(crate) fn of(
        project: &Project,
        arguments: &GivenArgs,
        moment: &Moment,
    ) -> Result<Given, Failure> {
        let mut given = Given::defaults(project, moment);
        if let Some(day) = arguments.day.business_date {
            given.set_business_date(day);
        }
        let mut names = BTreeSet::new();
        for text in &arguments.parameters {
            let (param, value) = declared(project, text)?;
            if !names.insert(param.name.as_str()) {
                return Err(Failure::usage(
                    format!("the parameter `{}` is given twice", param.name),
                    "give each once",
                ));
            }
            let Some(one) = param.of.value(value) else {
                return Err(Failure::usage(
                    format!("`--param {text}`: `{value}` is no {}", param.of),
                    format!(
                        "write it like `--param {}={}`",
                        param.name,
                        param.of.example()
                    ),
                ));
            };
            given.values.insert(param.recorded_name(), one);
        }
        Ok(given)
    }

    /// What a version was made with, as its receipt says.
    pub(crate) fn recorded(parameters: &Values) -> Given {
        let values = parameters.iter().filter(|(name, _)| is_given(name));
        Given {
            values: values
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            no_business_date: None,
        }
    }

    /// Gives the business date.
    pub(crate) fn set_business_date(&mut self, day: Day) {
        self.values
            .insert(BUSINESS_DATE.to_owned(), day.to_string());
        self.no_business_date = None;
    }

    /// Gives a parameter a value that is one of its type.
    pub(crate) fn set(&mut self, param: &Param, value: &str) {
        self.values.insert(param.recorded_name(), value.to_owned());
    }

    /// The values, by the names under which they are recorded.
    pub(crate) fn values(&self) -> &Values {
        &self.values
    }

    /// The same as SQL is planned with them; what has no value is there with its type.
    pub(crate) fn parameters(&self, project: &Project) -> Result<Parameters, Failure> {
        let mut parameters = Parameters::new();
        for param in project.params.values() {
            let data_type = param.of.to_string();
            let inserted = match self.values.get(&param.recorded_name()) {
                Some(value) => parameters.insert(&format!("{}:{data_type}", param.name), value),
                None => parameters.insert_without_value(&param.name, &data_type),
            };
            inserted
                .map_err(|error| Failure::usage(error.message, error.hint.unwrap_or_default()))?;
        }
        if let Some(day) = self.values.get(BUSINESS_DATE) {
            parameters.set_business_date(day);
        } else if let Some((message, hint)) = &self.no_business_date {
            parameters.set_no_business_date(message.clone(), hint.clone());
        }
        Ok(parameters)
    }

    /// The same for SQL that is looked at and not run: any day is a business date.
    pub(crate) fn parameters_to_look_at(&self, project: &Project) -> Result<Parameters, Failure> {
        let mut parameters = self.parameters(project)?;
        if !self.values.contains_key(BUSINESS_DATE) {
            parameters.set_business_date("2000-01-03");
        }
        Ok(parameters)
    }

    /// Refuses to begin where one of these models asks for a value that is not there.
    pub(crate) fn check(
        &self,
        project: &Project,
        selected: Option<&BTreeSet<TableName>>,
    ) -> Result<(), Failure> {
        match self.lacking(project, selected) {
            Some((message, hint)) => Err(Failure::usage(message, hint)),
            None => Ok(()),
        }
    }

    /// The first value that one of these models asks for and that is not there, as a message and what to do.
    pub(crate) fn lacking(
        &self,
        project: &Project,
        selected: Option<&BTreeSet<TableName>>,
    ) -> Option<(String, String)> {
        if let Some(lacking) = self.lacking_of_feeds(project, selected) {
            return Some(lacking);
        }
        let is_selected =
            |table: &TableName| selected.is_none_or(|selected| selected.contains(table));
        let models = project.models.iter();
        for model in models.filter(|model| is_selected(&model.name)) {
            let of_checks = model.checks.iter().flat_map(|check| &check.asks);
            let mut asks = model.asks.iter().chain(of_checks);
            let Some(name) = asks.find(|name| !self.values.contains_key(*name)) else {
                continue;
            };
            return Some(self.without(name, &model.name.to_string()));
        }
        None
    }

    /// The same of feeds alone: that one expects a delivery for a business date which is not known.
    pub(crate) fn lacking_of_feeds(
        &self,
        project: &Project,
        selected: Option<&BTreeSet<TableName>>,
    ) -> Option<(String, String)> {
        let mut expecting = project
            .feeds()
            .filter(|feed| feed.expect.is_some())
            .filter(|feed| selected.is_none_or(|selected| selected.contains(&feed.bronze)));
        match (expecting.next(), self.values.contains_key(BUSINESS_DATE)) {
            (Some(feed), false) => Some(self.without(BUSINESS_DATE, &feed.bronze.to_string())),
            _ => None,
        }
    }

    /// That a table asks for a value which is not there, and what to do.
    fn without(&self, name: &str, table: &str) -> (String, String) {
        match &self.no_business_date {
            Some((why, hint)) if name == BUSINESS_DATE => (
                format!("`{table}` asks for the business date, and {why}"),
                hint.clone(),
            ),
            _ => missing(name, table),
        }
    }

    /// Those of the values that these models and their checks ask for.
    pub(crate) fn asked_by(
        &self,
        project: &Project,
        selected: Option<&BTreeSet<TableName>>,
    ) -> Values {
        let models = project
            .models
            .iter()
            .filter(|model| selected.is_none_or(|selected| selected.contains(&model.name)));
        let asks = models.flat_map(|model| {
            let of_checks = model.checks.iter().flat_map(|check| &check.asks);
            model.asks.iter().chain(of_checks)
        });
        let mut feeds = project
            .feeds()
            .filter(|feed| selected.is_none_or(|selected| selected.contains(&feed.bronze)));
        let date = BUSINESS_DATE.to_owned();
        let expects = feeds.any(|feed| feed.expect.is_some()).then_some(&date);
        let found = asks
            .chain(expects)
            .filter_map(|name| self.values.get_key_value(name));
        found
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// The parameter that `NAME=VALUE` gives, and the value.
fn declared<'p, 't>(project: &'p Project, text: &'t str) -> Result<(&'p Param, &'t str), Failure> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Failure::usage(
            format!("`--param {text}` gives no value"),
            "write it like `--param day=2026-01-31`",
        ));
    };
    let name = name.trim().trim_start_matches('$').to_lowercase();
    if let Some(param) = project.params.get(&name) {
        return Ok((param, value));
    }
    let known: Vec<&str> = project.params.keys().map(String::as_str).collect();
    let hint = match (nearest(&name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "karat.yaml declares none: they stand under `params`".to_owned(),
        (None, false) if name.contains(':') => {
            "the type of a parameter stands in karat.yaml: leave it out here".to_owned()
        }
        (None, false) => format!("karat.yaml declares: {}", known.join(", ")),
    };
    Err(Failure::usage(
        format!("`{name}` is no parameter of the project"),
        hint,
    ))
}
