//! What can go wrong: while planning SQL ([`SqlError`]) and while computing ([`ExactError`]). No message holds a row's value.

use std::fmt;
use std::sync::Arc;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use datafusion::parquet::errors::ParquetError;

use crate::conversion::NUMBER;
use crate::damaged::innermost;

/// How the text of what failed begins where that is no expression of the query but a column of a table, by [`read_as`].
const COLUMN: &str = "column `";

/// The text of a column whose values are answered in another type.
pub(crate) fn read_as(column: &str, from: &str, to: &str) -> String {
    format!("{COLUMN}{column}` ({from}) does not fit {to}, as which it is answered")
}

fn of_a_column(what: &str) -> Option<String> {
    let is_column = what.starts_with(COLUMN);
    is_column.then(|| format!("a value of {what}"))
}

/// Why a computation stopped.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// A result does not fit its type.
    #[error("{}", of_a_column(.0).unwrap_or_else(|| format!("the result of `{}` does not fit its type", .0)))]
    Overflow(String),
    /// Division by zero.
    #[error("division by zero in `{0}`")]
    DivideByZero(String),
    /// A value cannot be converted without loss.
    #[error("{}", of_a_column(.0).unwrap_or_else(|| format!("a value cannot be converted without loss in `{}`", .0)))]
    Conversion(String),
    /// A text that is no value of the type it is cast to.
    #[error("a text is no {what} in `{expression}`")]
    NotA {
        /// A date, for example.
        what: &'static str,
        /// The cast.
        expression: String,
    },
    /// An argument outside of what a function is defined for.
    #[error("an argument is outside of what `{0}` is defined for")]
    Domain(String),
    /// One of these, with its place in the text of the query.
    #[error("{error}, at {line}:{column}")]
    At {
        /// What failed.
        error: Box<ExactError>,
        /// Line in the SQL text, from 1.
        line: u64,
        /// Column in that line, from 1.
        column: u64,
    },
    /// A subquery that stands for one value gives more.
    #[error("a subquery that stands for one value gives more than one row")]
    ManyRows,
    /// An operator needs more memory than the limit leaves it.
    #[error("not enough memory: {0}")]
    Memory(String),
    /// Rows were lost or doubled between two operators (G6).
    #[error("rows do not add up, {given} {what} but {found} came through")]
    Rows {
        /// Where they came from, with its verb.
        what: String,
        /// Rows there.
        given: u64,
        /// Rows seen behind it.
        found: u64,
    },
    /// A file could not be read or written.
    #[error("{what}{}", if denied(source.as_ref()) { ": permission denied" } else { "" })]
    Io {
        /// What was being done, as in "cannot read a data file".
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something that karat does not do, by rule.
    #[error("{what}")]
    Refused {
        /// What is refused.
        what: String,
        /// What to do instead.
        hint: String,
    },
    /// The engine below gave up in the middle.
    #[error("the engine broke off: {0}")]
    Panic(String),
    /// A mistake inside karat.
    #[error("internal error: {0}")]
    Internal(String),
}

impl ExactError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            ExactError::Overflow(what) | ExactError::Conversion(what) if what.starts_with(COLUMN) => {
                let column = what.split('`').nth(1).unwrap_or_default();
                if what.contains("unsigned") {
                    format!("write cast({column} as decimal(20, 0))")
                } else if what.contains("decimal") {
                    format!("write cast({column} as string), or try_cast({column} as decimal(38, s)), which makes null what does not fit")
                } else {
                    format!("write try_cast({column} as timestamp), which makes null what is finer, or write the file in microseconds")
                }
            }
            ExactError::Overflow(_) => "cast an operand to a wider type, for example decimal(38, s)".to_string(),
            ExactError::DivideByZero(_) => "use nullif(divisor, 0), or leave those rows out with case".to_string(),
            ExactError::Conversion(expression) if expression.starts_with("at_time_zone(") => {
                "where the clocks of a zone change, a local time may not exist or exist twice: give such texts an offset, or leave those rows out".to_string()
            }
            ExactError::Conversion(expression) if expression.starts_with("decimal_from_double(") => {
                "round the double first: decimal_from_double(round(x, 4), 4)".to_string()
            }
            ExactError::Conversion(_) => {
                "round the value first, give the target more digits, or correct the text; a double becomes a decimal by decimal_from_double(round(x, 4), 4)".to_string()
            }
            ExactError::NotA { what, .. } => match *what {
                "date" => "a date is written 2026-01-31; read others with to_date(text, format), like to_date(x, '%d.%m.%Y'), one with a time behind it with cast(cast(x as timestamp) as date), or let try_cast make them null",
                "timestamp" => "a timestamp is written 2026-01-31 12:34:56; one that ends in Z or an offset is cast to timestamp with time zone; read others with to_timestamp(text, format), or let try_cast make them null",
                NUMBER => "correct the text, or give the type more digits; try_cast makes others null. '1.234,56' is read with cast(translate(x, ',.', '.') as decimal(18, 2)), '' with nullif(x, ''), blanks around a number with trim(x). A text that is compared with a number is read as that number's type: cast it to what it holds, for example cast(x as decimal(18, 2))",
                "time" => "a time is written 12:34:56; try_cast makes others null",
                _ => "it is written true or false, yes or no, 1 or 0; try_cast makes others null",
            }
            .to_string(),
            ExactError::Domain(_) => "leave those rows out with case when ... then ... end".to_string(),
            ExactError::At { error, .. } => return error.hint(),
            ExactError::ManyRows => "make it one row: an aggregate like max(x), or a condition on a key".to_string(),
            ExactError::Panic(_) => "this is a defect: please report the query; another way to write it may work".to_string(),
            ExactError::Memory(_) => "give more memory, or let the query hold fewer rows at once".to_string(),
            ExactError::Refused { hint, .. } if !hint.is_empty() => hint.clone(),
            ExactError::Io { .. } if self.is_denied() => {
                "give this user the right to read the lake, and to write in `.karat/`".to_string()
            }
            ExactError::Io { source, .. } if source.is::<ParquetError>() => {
                "get the file again from where it came, or leave it out".to_string()
            }
            ExactError::Io { .. } | ExactError::Refused { .. } | ExactError::Internal(_) | ExactError::Rows { .. } => {
                return None;
            }
        };
        Some(text)
    }

    /// Whether the operating system did not allow it.
    pub fn is_denied(&self) -> bool {
        matches!(self, ExactError::Io { source, .. } if denied(source.as_ref()))
    }

    /// A refusal with its remedy.
    pub fn refused(what: String, hint: String) -> ExactError {
        ExactError::Refused { what, hint }
    }

    /// A computation that failed on a row, told by the text of its expression.
    pub fn failed_in(expression: &str) -> ExactError {
        ExactError::Domain(expression.to_string())
    }

    pub(crate) fn arrow(error: ArrowError) -> ExactError {
        ExactError::from_datafusion(DataFusionError::from(error))
    }

    /// Finds our own error inside DataFusion's wrappers, or says what kind of failure it was.
    pub(crate) fn from_datafusion(error: DataFusionError) -> ExactError {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<ExactError>() {
                Ok(own) => *own,
                Err(inner) => match inner.downcast::<DataFusionError>() {
                    Ok(inner) => ExactError::from_datafusion(*inner),
                    Err(inner) => match inner.downcast::<ArrowError>() {
                        Ok(inner) => ExactError::arrow(*inner),
                        Err(inner) => match inner.downcast::<Arc<DataFusionError>>() {
                            Ok(shared) => {
                                ExactError::from_datafusion(DataFusionError::Shared(*shared))
                            }
                            Err(inner) => ExactError::other(&inner.to_string()),
                        },
                    },
                },
            },
            DataFusionError::ArrowError(inner, _) => match *inner {
                ArrowError::ExternalError(inner) => {
                    ExactError::from_datafusion(DataFusionError::External(inner))
                }
                ArrowError::IoError(what, source) => ExactError::Io {
                    what,
                    source: Box::new(source),
                },
                ArrowError::ParquetError(text) => ExactError::parquet(ParquetError::General(text)),
                other => ExactError::other(&other.to_string()),
            },
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
                ExactError::from_datafusion(*inner)
            }
            DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
                Ok(inner) => ExactError::from_datafusion(inner),
                Err(shared) => ExactError::from_shared(&shared),
            },
            DataFusionError::Collection(mut errors) if !errors.is_empty() => {
                ExactError::from_datafusion(errors.swap_remove(0))
            }
            DataFusionError::ResourcesExhausted(what) => ExactError::Memory(needing(&what)),
            DataFusionError::IoError(source) => ExactError::Io {
                what: "cannot read or spill rows".into(),
                source: Box::new(source),
            },
            DataFusionError::ObjectStore(source) => ExactError::Io {
                what: "cannot read a data file".into(),
                source,
            },
            DataFusionError::ParquetError(source) => ExactError::parquet(*source),
            DataFusionError::NotImplemented(text) => ExactError::not_implemented(&text),
            DataFusionError::Execution(text) if text.contains("more than one row") => {
                ExactError::ManyRows
            }
            DataFusionError::Execution(text) if text.contains("second argument of nth_value") => {
                ExactError::refused(
                    "the count of `nth_value` must be a literal".to_string(),
                    "for example nth_value(x, 2)".to_string(),
                )
            }
            DataFusionError::Execution(text) if text.starts_with("NTILE") => {
                ExactError::Domain("ntile".into())
            }
            other => ExactError::other(&other.strip_backtrace()),
        }
    }

    /// What the engine below understands and cannot compute.
    fn not_implemented(text: &str) -> ExactError {
        if text.contains("`retract_batch`") {
            return ExactError::other(text);
        }
        if text.starts_with("nth_value not supported") {
            return ExactError::refused(
                "the count of `nth_value` must be a literal".to_string(),
                "for example nth_value(x, 2)".to_string(),
            );
        }
        ExactError::refused(
            format!("the engine cannot compute this: {}", first_line(text)),
            String::new(),
        )
    }

    /// Bytes of a file that its decoder does not understand.
    fn parquet(error: ParquetError) -> ExactError {
        ExactError::Io {
            what: "cannot read a Parquet file".into(),
            source: Box::new(innermost(&error)),
        }
    }

    fn other(text: &str) -> ExactError {
        if text.contains("regex parse error") || text.contains("Regular expression did not compile")
        {
            return ExactError::Domain("regexp_like".into());
        }
        if let Some((_, call)) = text.split_once("`retract_batch` is not implemented: ") {
            let name = call.split('(').next().unwrap_or(call);
            return ExactError::refused(
                format!("`{name}` over a frame whose start moves"),
                "let the frame begin with the partition: rows between unbounded preceding and ..."
                    .to_string(),
            );
        }
        ExactError::Internal(first_line(text))
    }

    fn from_shared(error: &DataFusionError) -> ExactError {
        match error.find_root() {
            DataFusionError::External(inner) => match inner.downcast_ref::<ExactError>() {
                Some(own) => own.copy(),
                None => ExactError::Internal(inner.to_string()),
            },
            DataFusionError::ResourcesExhausted(what) => ExactError::Memory(needing(what)),
            DataFusionError::ParquetError(source) => {
                ExactError::parquet(ParquetError::General(source.to_string()))
            }
            DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
                ArrowError::ParquetError(text) => {
                    ExactError::parquet(ParquetError::General(text.clone()))
                }
                other => ExactError::other(&other.to_string()),
            },
            DataFusionError::NotImplemented(text) => ExactError::not_implemented(text),
            other => ExactError::Internal(first_line(&other.strip_backtrace())),
        }
    }

    fn copy(&self) -> ExactError {
        match self {
            ExactError::Overflow(e) => ExactError::Overflow(e.clone()),
            ExactError::DivideByZero(e) => ExactError::DivideByZero(e.clone()),
            ExactError::Conversion(e) => ExactError::Conversion(e.clone()),
            ExactError::NotA { what, expression } => ExactError::NotA {
                what,
                expression: expression.clone(),
            },
            ExactError::Domain(e) => ExactError::Domain(e.clone()),
            ExactError::At {
                error,
                line,
                column,
            } => ExactError::At {
                error: Box::new(error.copy()),
                line: *line,
                column: *column,
            },
            ExactError::ManyRows => ExactError::ManyRows,
            ExactError::Memory(e) => ExactError::Memory(e.clone()),
            ExactError::Io { what, source } => ExactError::Io {
                what: what.clone(),
                source: match source.downcast_ref::<ParquetError>() {
                    Some(error) => Box::new(ParquetError::General(error.to_string())),
                    None => source.to_string().into(),
                },
            },
            ExactError::Refused { what, hint } => ExactError::refused(what.clone(), hint.clone()),
            ExactError::Rows { what, given, found } => ExactError::Rows {
                what: what.clone(),
                given: *given,
                found: *found,
            },
            ExactError::Panic(e) => ExactError::Panic(e.clone()),
            ExactError::Internal(e) => ExactError::Internal(e.clone()),
        }
    }
}

impl From<ExactError> for DataFusionError {
    fn from(error: ExactError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

impl From<DataFusionError> for ExactError {
    fn from(error: DataFusionError) -> ExactError {
        ExactError::from_datafusion(error)
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

fn denied(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    // Of a Parquet file that cannot be opened DataFusion keeps the text alone; 13 is EACCES.
    if error.to_string().contains("(os error 13)") {
        return true;
    }
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What needed more memory, and how much there is: of DataFusion's message the consumer's name and the pool's size.
fn needing(text: &str) -> String {
    let consumer = text
        .split_once("allocation failed for ")
        .or_else(|| text.split_once(" for "))
        .map_or(text, |(_, rest)| rest);
    let consumer = consumer.split(" with ").next().unwrap_or(consumer);
    let operator = crate::memory::operator(consumer);
    match text
        .rsplit_once("pool_size: ")
        .and_then(|(_, size)| size.split_once(')'))
    {
        Some((size, _)) => format!("{operator} needs more than the limit of {size} leaves it"),
        None => format!("{operator} needs more than the limit leaves it"),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

/// What kind of mistake a query holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlErrorKind {
    /// The text is no SQL.
    Syntax,
    /// A table, column or function that does not exist.
    Name,
    /// Types that do not go together.
    Type,
    /// Valid SQL that karat refuses by rule.
    Refused,
}

/// Why a query cannot be planned, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// What is wrong.
    pub message: String,
    /// Line in the SQL text, from 1.
    pub line: Option<u64>,
    /// Column in that line, from 1.
    pub column: Option<u64>,
    /// What to do about it.
    pub hint: Option<String>,
    /// What kind of mistake it is.
    pub kind: SqlErrorKind,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for SqlError {}
