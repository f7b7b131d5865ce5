//! Rule E5 as a naive interpreter: rows of cells that are values or errors, one at a time, with the carry rules of docs/errors.md and
//! nothing of the engine.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::outcomes::{Rows, plain};
use crate::queries::{Aggregate, Condition, Kind, Number, Query, Windowed};

/// What a query gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Rows as text, sorted.
    Rows(Vec<String>),
    /// The text of the expression that failed, and the column of the text where it stands.
    Error(String, u64),
    Refused(String),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(String),
    Null,
}

/// Which expression failed: where it stands in the text, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    At(usize, usize, String),
    ManyRows,
}

type Cell = Result<Value, Failure>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    cells: Vec<Cell>,
    /// The failure on which its existence hangs.
    doubt: Option<Failure>,
}

/// Rows and the names of their columns.
struct Relation {
    names: Vec<String>,
    rows: Vec<Row>,
}

struct World<'w> {
    sql: &'w str,
    t: &'w Rows,
    u: &'w Rows,
}

pub(crate) fn interpret(query: &Query, sql: &str, t: &Rows, u: &Rows) -> Outcome {
    let relation = World { sql, t, u }.query(query);
    let failures = relation.rows.iter().flat_map(|row| {
        let cells = row.cells.iter().filter_map(|cell| cell.clone().err());
        cells.chain(row.doubt.clone())
    });
    match failures.min() {
        Some(Failure::At(at, _, text)) => Outcome::Error(plain(&text), at as u64 + 1),
        Some(Failure::ManyRows) => Outcome::Error("many rows".to_owned(), 0),
        None => {
            let mut rows: Vec<String> = relation.rows.iter().map(text).collect();
            rows.sort();
            Outcome::Rows(rows)
        }
    }
}

fn text(row: &Row) -> String {
    let cell = |cell: &Cell| match cell {
        Ok(Value::Number(n)) => format!("{n} | "),
        Ok(Value::Text(text)) => format!("{text} | "),
        Ok(Value::Null) => "null | ".to_owned(),
        Err(_) => unreachable!(),
    };
    row.cells.iter().map(cell).collect()
}

/// The first of several failures.
fn first(of: impl IntoIterator<Item = Option<Failure>>) -> Option<Failure> {
    of.into_iter().flatten().min()
}

fn failure(cell: &Cell) -> Option<Failure> {
    cell.as_ref().err().cloned()
}

/// The columns that an expression may read.
type Scope<'s> = HashMap<&'s str, &'s Cell>;

impl World<'_> {
    fn failed(&self, number: &Number) -> Failure {
        let text = number.sql();
        let at = self.sql.find(&text).unwrap() + number.offset();
        Failure::At(at, text.len(), text)
    }

    fn both(&self, a: Cell, b: Cell, of: impl Fn(&Value, &Value) -> Cell) -> Cell {
        match (a, b) {
            (Err(a), Err(b)) => Err(a.min(b)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(Value::Null), _) | (_, Ok(Value::Null)) => Ok(Value::Null),
            (Ok(a), Ok(b)) => of(&a, &b),
        }
    }

    fn checked(&self, number: &Number, a: Cell, b: Cell, of: fn(i64, i64) -> Option<i64>) -> Cell {
        self.both(a, b, |a, b| match (a, b) {
            (Value::Number(a), Value::Number(b)) => match of(*a, *b) {
                Some(n) => Ok(Value::Number(n)),
                None => Err(self.failed(number)),
            },
            _ => unreachable!(),
        })
    }

    fn number(&self, number: &Number, scope: &Scope<'_>) -> Cell {
        match number {
            Number::Column(name) => scope[name.as_str()].clone(),
            Number::Literal(n) => Ok(Value::Number(*n)),
            Number::Add(a, b) => {
                let (a, b) = (self.number(a, scope), self.number(b, scope));
                self.checked(number, a, b, i64::checked_add)
            }
            Number::Div(a, b) => {
                let (a, b) = (self.number(a, scope), self.number(b, scope));
                self.checked(number, a, b, i64::checked_div)
            }
            Number::Mod(a, b) => {
                let (a, b) = (self.number(a, scope), self.number(b, scope));
                // The rest of the least number by -1 is 0, and fits.
                self.checked(number, a, b, |a, b| (b != 0).then(|| a.wrapping_rem(b)))
            }
            Number::Cast(name) => match scope[name.as_str()].clone()? {
                Value::Text(text) => match text.parse() {
                    Ok(n) => Ok(Value::Number(n)),
                    Err(_) => Err(self.failed(number)),
                },
                other => Ok(other),
            },
            Number::Case(when, then, otherwise) => match self.condition(when, scope)? {
                Some(true) => self.number(then, scope),
                _ => self.number(otherwise, scope),
            },
            Number::Coalesce(a, b) => match self.number(a, scope)? {
                Value::Null => self.number(b, scope),
                value => Ok(value),
            },
            Number::One(query) => {
                let relation = self.query(query);
                let failures = relation
                    .rows
                    .iter()
                    .map(|row| first([failure(&row.cells[0]), row.doubt.clone()]));
                if let Some(failure) = first(failures) {
                    return Err(failure);
                }
                match relation.rows.as_slice() {
                    [] => Ok(Value::Null),
                    [row] => row.cells[0].clone(),
                    _ => Err(Failure::ManyRows),
                }
            }
        }
    }

    /// True, false, or unknown.
    fn condition(&self, condition: &Condition, scope: &Scope<'_>) -> Result<Option<bool>, Failure> {
        match condition {
            Condition::Compare(op, a, b) => {
                let (a, b) = (self.number(a, scope), self.number(b, scope));
                let holds = self.both(a, b, |a, b| {
                    let holds = match *op {
                        "=" => a == b,
                        "<>" => a != b,
                        "<" => a < b,
                        _ => a >= b,
                    };
                    Ok(Value::Number(i64::from(holds)))
                })?;
                Ok(match holds {
                    Value::Number(n) => Some(n == 1),
                    _ => None,
                })
            }
            Condition::And(a, b) => and(self.condition(a, scope), self.condition(b, scope)),
            Condition::Or(a, b) => match (self.condition(a, scope), self.condition(b, scope)) {
                (Ok(Some(true)), _) | (_, Ok(Some(true))) => Ok(Some(true)),
                (Err(a), Err(b)) => Err(a.min(b)),
                (Err(error), _) | (_, Err(error)) => Err(error),
                (Ok(None), _) | (_, Ok(None)) => Ok(None),
                _ => Ok(Some(false)),
            },
            Condition::Not(a) => Ok(self.condition(a, scope)?.map(|holds| !holds)),
            Condition::IsNull(a) => Ok(Some(self.number(a, scope)? == Value::Null)),
        }
    }

    fn query(&self, query: &Query) -> Relation {
        let names = query.columns();
        let rows = match query {
            Query::Table(name, _) => {
                let rows = if *name == "t" { self.t } else { self.u };
                let number = |n: Option<i64>| Ok(n.map_or(Value::Null, Value::Number));
                let text =
                    |t: Option<&str>| Ok(t.map_or(Value::Null, |t| Value::Text(t.to_owned())));
                rows.iter()
                    .map(|(k, a, b, s)| Row {
                        cells: vec![number(*k), number(*a), number(*b), text(*s)],
                        doubt: None,
                    })
                    .collect()
            }
            Query::Select(input, columns, condition) => {
                let input = self.query(input);
                let mut rows = Vec::new();
                for row in &input.rows {
                    let scope = scope(&input.names, row);
                    let holds = match condition {
                        Some(condition) => self.condition(condition, &scope),
                        None => Ok(Some(true)),
                    };
                    let doubt = match holds {
                        Ok(Some(true)) => None,
                        Ok(_) => continue,
                        Err(failure) => Some(failure),
                    };
                    rows.push(Row {
                        cells: columns
                            .iter()
                            .map(|(number, _)| self.number(number, &scope))
                            .collect(),
                        doubt: first([doubt, row.doubt.clone()]),
                    });
                }
                rows
            }
            Query::Distinct(input) => {
                let input = self.query(input);
                let keyed = input.rows.iter().map(|row| (row.cells.clone(), row));
                groups(keyed.collect())
                    .into_iter()
                    .map(|group| Row {
                        cells: group.key,
                        doubt: group.doubt,
                    })
                    .collect()
            }
            Query::Join(kind, left, right, on) => {
                let (left, right) = (self.query(left), self.query(right));
                let pair = |l: &Row, r: &Row| {
                    let mut scope = scope(&left.names, l);
                    scope.extend(scope_of(&right.names, r));
                    self.condition(on, &scope)
                };
                join(*kind, &left, &right, &pair)
            }
            Query::In(left, number, right, negated) => {
                let (left, right) = (self.query(left), self.query(right));
                let mut rows = Vec::new();
                for l in &left.rows {
                    let mine = self.number(number, &scope(&left.names, l));
                    let (mut sure, mut unknown, mut doubt) = (false, false, None);
                    for r in &right.rows {
                        let equal = self.both(mine.clone(), r.cells[0].clone(), |a, b| {
                            Ok(Value::Number(i64::from(a == b)))
                        });
                        let failed = match equal {
                            Ok(Value::Number(1)) if r.doubt.is_none() => {
                                sure = true;
                                continue;
                            }
                            Ok(Value::Number(0)) => continue,
                            Ok(Value::Null) if !negated => continue,
                            Ok(Value::Null) if r.doubt.is_none() => {
                                unknown = true;
                                continue;
                            }
                            Ok(_) => None,
                            Err(failure) => Some(failure),
                        };
                        doubt = first([doubt, failed, r.doubt.clone()]);
                    }
                    let doubt = match (negated, sure, unknown, doubt) {
                        (false, true, ..) => None,
                        (false, false, _, Some(doubt)) => Some(doubt),
                        (false, false, _, None) => continue,
                        (true, true, ..) => continue,
                        (true, false, _, Some(doubt)) => Some(doubt),
                        (true, false, true, None) => continue,
                        (true, false, false, None) => None,
                    };
                    rows.push(Row {
                        cells: l.cells.clone(),
                        doubt: first([doubt, l.doubt.clone()]),
                    });
                }
                rows
            }
            Query::Group(input, keys, aggregates) => {
                let input = self.query(input);
                let keyed: Vec<(Vec<Cell>, &Row)> = input
                    .rows
                    .iter()
                    .map(|row| {
                        let scope = scope(&input.names, row);
                        let key = keys.iter().map(|(key, _)| self.number(key, &scope));
                        (key.collect(), row)
                    })
                    .collect();
                let mut grouped = groups(keyed);
                if keys.is_empty() {
                    grouped = vec![Group {
                        key: Vec::new(),
                        rows: input.rows.iter().collect(),
                        doubt: None,
                    }];
                }
                let mut rows = Vec::new();
                for group in grouped {
                    let mut cells = group.key;
                    for (aggregate, _) in aggregates {
                        cells.push(self.aggregate(aggregate, &input.names, &group.rows));
                    }
                    rows.push(Row {
                        cells,
                        doubt: group.doubt,
                    });
                }
                rows
            }
            Query::Union(left, right, all, _) => {
                let mut rows = self.query(left).rows;
                rows.extend(self.query(right).rows);
                match all {
                    true => rows,
                    false => {
                        let keyed = rows.iter().map(|row| (row.cells.clone(), row));
                        groups(keyed.collect())
                            .into_iter()
                            .map(|group| Row {
                                cells: group.key,
                                doubt: group.doubt,
                            })
                            .collect()
                    }
                }
            }
            Query::Window(input, columns) => {
                let input = self.query(input);
                let mut rows = input.rows.clone();
                for (windowed, _) in columns {
                    let values = self.windowed(windowed, &input);
                    for (row, value) in rows.iter_mut().zip(values) {
                        row.cells.push(value);
                    }
                }
                rows
            }
            Query::Ordered(input, order) => {
                let input = self.query(input);
                let mut rows = input.rows.clone();
                if rows.len() > 1 {
                    for row in &mut rows {
                        let place = self.number(order, &scope(&input.names, row));
                        row.doubt = first([row.doubt.clone(), failure(&place)]);
                    }
                }
                rows
            }
            Query::Limit(input, order, skip, fetch) => {
                let input = self.query(input);
                let mut rows: Vec<(Vec<Cell>, Row)> = Vec::new();
                for row in &input.rows {
                    let mut key = vec![self.number(order, &scope(&input.names, row))];
                    key.extend(row.cells.iter().cloned());
                    rows.push((key, row.clone()));
                }
                // Errors first, what is sure before what is in doubt.
                rows.sort_by(|(a, x), (b, y)| {
                    let cells = a.iter().zip(b).map(|(a, b)| place(a).cmp(&place(b)));
                    let keys = cells.fold(Ordering::Equal, Ordering::then);
                    keys.then_with(|| x.doubt.cmp(&y.doubt))
                });
                rows.truncate(skip + fetch + 1);
                let keys: Vec<Vec<Cell>> = rows.iter().map(|(key, _)| key.clone()).collect();
                let mut so_far = None;
                for (key, row) in &mut rows {
                    let mut failed = row.doubt.clone();
                    for at in 0..key.len() {
                        let tied = keys.iter().filter(|other| other[..at] == key[..at]);
                        if tied.count() > 1 {
                            failed = first([failed, failure(&key[at])]);
                        }
                    }
                    so_far = first([so_far, failed]);
                    row.doubt = so_far.clone();
                }
                let rows = rows.into_iter().map(|(_, row)| row);
                rows.skip(*skip).take(*fetch).collect()
            }
        };
        Relation { names, rows }
    }

    fn aggregate(&self, aggregate: &Aggregate, names: &[String], rows: &[&Row]) -> Cell {
        let (of, only) = match aggregate {
            Aggregate::Rows => {
                if let Some(failure) = first(rows.iter().map(|row| row.doubt.clone())) {
                    return Err(failure);
                }
                return Ok(Value::Number(rows.len() as i64));
            }
            Aggregate::Sum(of) | Aggregate::Min(of) | Aggregate::Count(of) => (of, None),
            Aggregate::SumWhere(of, only) => (of, Some(only)),
        };
        let (mut values, mut failed) = (Vec::new(), None);
        for row in rows {
            let scope = scope(names, row);
            let holds = match only {
                Some(only) => self.condition(only, &scope),
                None => Ok(Some(true)),
            };
            let of_filter = match holds {
                Ok(Some(true)) => None,
                Ok(_) => continue,
                Err(failure) => Some(failure),
            };
            let value = self.number(of, &scope);
            failed = first([failed, of_filter, failure(&value), row.doubt.clone()]);
            if let Ok(Value::Number(n)) = value {
                values.push(n);
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        match aggregate {
            Aggregate::Count(_) => Ok(Value::Number(values.len() as i64)),
            Aggregate::Min(_) => Ok(values.into_iter().min().map_or(Value::Null, Value::Number)),
            _ if values.is_empty() => Ok(Value::Null),
            _ => self.sum(&aggregate.sql(), &values),
        }
    }

    fn sum(&self, text: &str, values: &[i64]) -> Cell {
        let sum: i128 = values.iter().map(|n| i128::from(*n)).sum();
        match i64::try_from(sum) {
            Ok(sum) => Ok(Value::Number(sum)),
            Err(_) => {
                let at = self.sql.find(text).unwrap();
                Err(Failure::At(at, text.len(), text.to_owned()))
            }
        }
    }

    fn windowed(&self, windowed: &Windowed, input: &Relation) -> Vec<Cell> {
        let (of, by, order) = match windowed {
            Windowed::Sum(of, by) => (Some(of), by, None),
            Windowed::Count(by) => (None, by, None),
            Windowed::MinSoFar(of, by, order) => (Some(of), by, Some(order)),
            Windowed::Rank(by, order) => (None, by, Some(order)),
        };
        let value = |number: Option<&Number>, row: &Row| match number {
            Some(number) => self.number(number, &scope(&input.names, row)),
            None => Ok(Value::Null),
        };
        let key = |row: &Row| -> Vec<Cell> { by.iter().map(|key| value(Some(key), row)).collect() };
        let keys: Vec<Vec<Cell>> = input.rows.iter().map(key).collect();
        let orders: Vec<Cell> = input.rows.iter().map(|row| value(order, row)).collect();
        let args: Vec<Cell> = input.rows.iter().map(|row| value(of, row)).collect();
        let one = |at: usize| -> Cell {
            let own = first(keys[at].iter().map(failure));
            if let Some(failure) = own {
                return Err(failure);
            }
            let others = keys.iter().filter(|key| agree(key, &keys[at]));
            if let Some(failure) = first(others.map(|key| first(key.iter().map(failure)))) {
                return Err(failure);
            }
            let partition: Vec<usize> = (0..keys.len())
                .filter(|other| keys[*other] == keys[at])
                .collect();
            let unsure = partition
                .iter()
                .map(|row| first([failure(&orders[*row]), input.rows[*row].doubt.clone()]));
            let unsure = first(unsure);
            let frame: Vec<usize> = partition
                .into_iter()
                .filter(|row| place(&orders[*row]) <= place(&orders[at]))
                .collect();
            let in_frame = first(frame.iter().map(|row| failure(&args[*row])));
            if let Some(failure) = first([unsure, in_frame]) {
                return Err(failure);
            }
            let numbers: Vec<i64> = frame
                .iter()
                .filter_map(|row| match &args[*row] {
                    Ok(Value::Number(n)) => Some(*n),
                    _ => None,
                })
                .collect();
            match windowed {
                Windowed::Sum(of, _) if !numbers.is_empty() => {
                    self.sum(&format!("sum({})", of.sql()), &numbers)
                }
                Windowed::Sum(..) => Ok(Value::Null),
                Windowed::Count(_) => Ok(Value::Number(frame.len() as i64)),
                Windowed::MinSoFar(..) => {
                    Ok(numbers.into_iter().min().map_or(Value::Null, Value::Number))
                }
                Windowed::Rank(..) => {
                    let before = frame
                        .iter()
                        .filter(|row| place(&orders[**row]) < place(&orders[at]));
                    Ok(Value::Number(before.count() as i64 + 1))
                }
            }
        };
        (0..keys.len()).map(one).collect()
    }
}

fn scope<'s>(names: &'s [String], row: &'s Row) -> Scope<'s> {
    scope_of(names, row).collect()
}

fn scope_of<'s>(names: &'s [String], row: &'s Row) -> impl Iterator<Item = (&'s str, &'s Cell)> {
    names.iter().map(String::as_str).zip(&row.cells)
}

fn and(
    a: Result<Option<bool>, Failure>,
    b: Result<Option<bool>, Failure>,
) -> Result<Option<bool>, Failure> {
    match (a, b) {
        (Ok(Some(false)), _) | (_, Ok(Some(false))) => Ok(Some(false)),
        (Ok(None), _) | (_, Ok(None)) => Ok(None),
        (Err(a), Err(b)) => Err(a.min(b)),
        (Err(error), _) | (_, Err(error)) => Err(error),
        _ => Ok(Some(true)),
    }
}

/// Errors, then values, then null.
fn place(cell: &Cell) -> (u8, Option<&Failure>, Option<&Value>) {
    match cell {
        Err(failure) => (0, Some(failure), None),
        Ok(Value::Null) => (2, None, None),
        Ok(value) => (1, None, Some(value)),
    }
}

/// Whether two keys are equal where neither is an error.
fn agree(a: &[Cell], b: &[Cell]) -> bool {
    let mut pairs = a.iter().zip(b);
    pairs.all(|(a, b)| a.is_err() || b.is_err() || a == b)
}

struct Group<'r> {
    key: Vec<Cell>,
    rows: Vec<&'r Row>,
    doubt: Option<Failure>,
}

fn groups(keyed: Vec<(Vec<Cell>, &Row)>) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (key, row) in keyed {
        match groups.iter_mut().find(|group| group.key == key) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                key,
                rows: vec![row],
                doubt: None,
            }),
        }
    }
    let keys: Vec<Vec<Cell>> = groups.iter().map(|group| group.key.clone()).collect();
    for group in &mut groups {
        let own = first(group.key.iter().map(failure));
        let of_others = keys
            .iter()
            .filter(|key| own.is_none() && agree(key, &group.key))
            .map(|key| first(key.iter().map(failure)));
        let of_others = first(of_others);
        let all_in_doubt = group.rows.iter().all(|row| row.doubt.is_some());
        let of_rows = match all_in_doubt {
            true => first(group.rows.iter().map(|row| row.doubt.clone())),
            false => None,
        };
        group.doubt = first([own, of_others, of_rows]);
    }
    groups
}

fn join(
    kind: Kind,
    left: &Relation,
    right: &Relation,
    pair: &dyn Fn(&Row, &Row) -> Result<Option<bool>, Failure>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let both = |l: &[Cell], r: &[Cell], doubt: Option<Failure>| Row {
        cells: [l, r].concat(),
        doubt,
    };
    let nulls = |n: usize| vec![Ok(Value::Null); n];
    for l in &left.rows {
        let (mut sure, mut doubt) = (false, None);
        for r in &right.rows {
            let failed = match pair(l, r) {
                Ok(Some(true)) => None,
                Ok(_) => continue,
                Err(failure) => Some(failure),
            };
            let of_pair = first([failed, r.doubt.clone()]);
            sure |= of_pair.is_none();
            doubt = first([doubt, of_pair.clone()]);
            if matches!(kind, Kind::Inner | Kind::Left | Kind::Full) {
                rows.push(both(&l.cells, &r.cells, first([of_pair, l.doubt.clone()])));
            }
        }
        let doubtful = first([doubt.clone(), l.doubt.clone()]);
        match kind {
            Kind::Inner => {}
            Kind::Left | Kind::Full if !sure => {
                rows.push(both(&l.cells, &nulls(right.names.len()), doubtful));
            }
            Kind::Left | Kind::Full => {}
            Kind::Exists if sure => rows.push(l.clone()),
            Kind::Exists if doubt.is_some() => rows.push(both(&l.cells, &[], doubtful)),
            Kind::NotExists if !sure => rows.push(both(&l.cells, &[], doubtful)),
            Kind::Exists | Kind::NotExists => {}
        }
    }
    if kind == Kind::Full {
        for r in &right.rows {
            let (mut sure, mut doubt) = (false, None);
            for l in &left.rows {
                let failed = match pair(l, r) {
                    Ok(Some(true)) => None,
                    Ok(_) => continue,
                    Err(failure) => Some(failure),
                };
                let of_pair = first([failed, l.doubt.clone()]);
                sure |= of_pair.is_none();
                doubt = first([doubt, of_pair]);
            }
            if !sure {
                let doubt = first([doubt, r.doubt.clone()]);
                rows.push(both(&nulls(left.names.len()), &r.cells, doubt));
            }
        }
    }
    rows
}
