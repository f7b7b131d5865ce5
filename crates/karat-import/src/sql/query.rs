//! One SELECT: which tables it reads, what its `*` stand for, which columns it gives, and what of it has no place in karat.
//!
//! A model of karat names its columns (B8), so every `*` is written out. Where the columns of a table are not declared, those that
//! queries name are taken: they are its *demands*.

use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExcludeSelectItem, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident, JoinConstraint,
    JoinOperator, NamedWindowDefinition, NamedWindowExpr, ObjectName, OrderByExpr, OrderByKind,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, Statement,
    TableAlias, TableFactor, TableWithJoins, Value, Visit, Visitor, WildcardAdditionalOptions,
    WindowType,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::text::{Lines, tokens};
use super::{Dialect, Edit, Meaning, Trouble, applied, meaning, odd_call, quoted};

/// No SELECT gives more columns, and no text has more written out.
const COLUMNS_MAX: usize = 10_000;
const WRITTEN_MAX: usize = 100_000;

/// What is known of the columns of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// In order.
    pub(crate) known: Vec<String>,
    /// The table of which it has all columns beside them, and whose columns nobody declared.
    pub(crate) open: Option<String>,
}

impl Shape {
    pub(crate) fn of(known: Vec<String>) -> Shape {
        Shape { known, open: None }
    }

    /// A table whose own columns nobody declared.
    pub(crate) fn open(name: &str) -> Shape {
        Shape {
            known: Vec::new(),
            open: Some(name.to_owned()),
        }
    }
}

/// The tables that a query may read.
pub(crate) trait Tables {
    /// The name that karat has for a table, and its columns; `None`: the project knows no such table.
    fn find(&self, parts: &[String]) -> Option<(String, Shape)>;
}

/// What was found in a SELECT.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The columns of the answer in lower case, as far as the text tells.
    pub(crate) shape: Shape,
    /// The tables that it reads, by karat's names, each once.
    pub(crate) tables: Vec<String>,
    /// Shape of tables without declared columns, in the order of the text.
    pub(crate) demands: Vec<(String, String)>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) troubles: Vec<Trouble>,
    /// What is taken over and may differ by the rows.
    pub(crate) doubts: Vec<Trouble>,
}

/// Reads one SELECT, spelled as karat's SQL.
pub(crate) fn read(sql: &str, dialect: Dialect, tables: &dyn Tables) -> Result<Found, Trouble> {
    let places = Places::of(sql)?;
    let mut parser = Parser::new(&GenericDialect {});
    parser = parser.with_tokens_with_locations(places.significant());
    let statements = parser
        .parse_statements()
        .map_err(|error| syntax(&error, &places))?;
    let query = match statements.as_slice() {
        [Statement::Query(query)] => query,
        [] => return Err(not_one("there is no SELECT")),
        [_] => return Err(not_one("it is no SELECT")),
        _ => return Err(not_one("there is more than one statement")),
    };
    let mut walk = Walk {
        places: &places,
        tables,
        found: Found::default(),
        scopes: Vec::new(),
        written: 0,
    };
    let mut calls = Calls {
        places: &places,
        dialect,
        found: &mut walk.found,
    };
    let _: ControlFlow<()> = query.visit(&mut calls);
    let shape = walk.query(query);
    let mut found = walk.found;
    found.shape = shape;
    Ok(found)
}

/// An expression over the columns of one row: its text for karat, and the columns that it names.
pub(crate) fn read_expression(
    sql: &str,
    dialect: Dialect,
) -> Result<(String, Vec<String>, Vec<Trouble>), Trouble> {
    struct OneRow;
    impl Tables for OneRow {
        fn find(&self, parts: &[String]) -> Option<(String, Shape)> {
            (parts == ["row"]).then(|| ("row".to_owned(), Shape::open("row")))
        }
    }
    const BEFORE: &str = "select ";
    let query = format!("{BEFORE}{sql}\n as x from row");
    let found = read(&query, dialect, &OneRow).map_err(|trouble| Trouble {
        at: trouble.at.saturating_sub(BEFORE.len()).min(sql.len()),
        ..trouble
    })?;
    let columns = found.demands.into_iter().map(|(_, column)| column);
    let text = applied(&query, found.edits);
    let text = text.strip_prefix(BEFORE).unwrap_or(&text);
    let text = text.strip_suffix("\n as x from row").unwrap_or(text);
    let troubles = found.troubles.into_iter().map(|trouble| Trouble {
        at: trouble.at.saturating_sub(BEFORE.len()).min(sql.len()),
        ..trouble
    });
    Ok((
        text.trim().to_owned(),
        columns.collect(),
        troubles.collect(),
    ))
}

fn not_one(why: &str) -> Trouble {
    Trouble {
        at: 0,
        construct: "SQL".to_owned(),
        why: why.to_owned(),
        fix: "a model is exactly one SELECT".to_owned(),
    }
}

fn syntax(error: &ParserError, places: &Places) -> Trouble {
    let (why, at) = match error {
        ParserError::RecursionLimitExceeded => ("it is nested too deeply".to_owned(), 0),
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            match text.rsplit_once(" at Line: ") {
                Some((text, at)) => (text.to_owned(), places.written(at)),
                None => (text.clone(), 0),
            }
        }
    };
    let why = why.trim_start_matches("sql parser error: ");
    Trouble {
        at,
        construct: "SQL".to_owned(),
        why: format!(
            "it is not understood: {}",
            why.replace("found: EOF", "found the end")
        ),
        fix: "write it in karat's SQL".to_owned(),
    }
}

/// Tokens with their bytes.
struct Places {
    lines: Lines,
    tokens: Vec<(Range<usize>, sqlparser::tokenizer::TokenWithSpan)>,
}

impl Places {
    fn of(sql: &str) -> Result<Self, Trouble> {
        let lines = Lines::new(sql);
        let tokens = tokens(sql, &lines)?;
        Ok(Places { lines, tokens })
    }

    fn significant(&self) -> Vec<sqlparser::tokenizer::TokenWithSpan> {
        self.tokens.iter().map(|(_, token)| token.clone()).collect()
    }

    fn range(&self, span: sqlparser::tokenizer::Span) -> Range<usize> {
        self.lines.byte(span.start)..self.lines.byte(span.end)
    }

    /// `12, Column: 5`.
    fn written(&self, at: &str) -> usize {
        let mut numbers = at
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse::<u64>().ok());
        let line = numbers.next().unwrap_or(1);
        let column = numbers.next().unwrap_or(1);
        self.lines
            .byte(sqlparser::tokenizer::Location { line, column })
    }

    /// The place of the token that begins at this byte, or behind it.
    fn nth(&self, byte: usize) -> usize {
        self.tokens.partition_point(|(range, _)| range.start < byte)
    }

    /// Where the key of an order ends that begins here.
    fn end_of_key(&self, start: usize, opened: usize) -> usize {
        const ENDS: [&str; 9] = [
            "rows",
            "range",
            "groups",
            "limit",
            "offset",
            "fetch",
            "union",
            "except",
            "intersect",
        ];
        let mut depth = 0usize;
        let mut end = start;
        // The brackets around its beginning stand before it.
        let first = self.nth(start).saturating_sub(opened);
        for (range, token) in self.tokens.iter().skip(first) {
            match &token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket if depth == 0 => break,
                Token::RParen | Token::RBracket => depth -= 1,
                Token::Comma | Token::SemiColon | Token::EOF if depth == 0 => break,
                Token::Word(word)
                    if depth == 0 && ENDS.contains(&word.value.to_ascii_lowercase().as_str()) =>
                {
                    break;
                }
                _ => {}
            }
            end = range.end;
        }
        end
    }

    /// Where the bracket closes that is the token at this place.
    fn closing(&self, nth: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (at, (_, token)) in self.tokens.iter().enumerate().skip(nth) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Bytes of a `*` with what is said of it behind: `* except (a, b)`.
    fn star(&self, span: sqlparser::tokenizer::Span) -> Range<usize> {
        let mut range = self.range(span);
        let mut nth = self.nth(range.start);
        // `t.*` begins at its table.
        while self
            .tokens
            .get(nth)
            .is_some_and(|(_, token)| token.token != Token::Mul)
        {
            nth += 1;
        }
        let Some((star, _)) = self.tokens.get(nth) else {
            return range;
        };
        range.end = star.end;
        loop {
            let word = match self.tokens.get(nth + 1).map(|(_, token)| &token.token) {
                Some(Token::Word(word)) => word.value.to_ascii_lowercase(),
                _ => return range,
            };
            if !["except", "exclude", "replace", "rename"].contains(&word.as_str()) {
                return range;
            }
            let last = match self.tokens.get(nth + 2).map(|(_, token)| &token.token) {
                Some(Token::LParen) => self.closing(nth + 2),
                _ => Some(nth + 2),
            };
            let Some((end, _)) = last.and_then(|last| self.tokens.get(last)) else {
                return range;
            };
            range.end = end.end;
            nth = last.unwrap_or(nth);
        }
    }
}

/// Functions, quotients and casts, wherever they stand.
struct Calls<'w> {
    places: &'w Places,
    dialect: Dialect,
    found: &'w mut Found,
}

impl Calls<'_> {
    fn trouble(&mut self, at: usize, construct: String, why: &str, fix: &str) {
        self.found.troubles.push(Trouble {
            at,
            construct,
            why: why.to_owned(),
            fix: fix.to_owned(),
        });
    }

    fn call(&mut self, call: &Function) {
        let parts: Vec<&Ident> = call
            .name
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .collect();
        let [ident] = parts.as_slice() else {
            let at = self.places.range(call.name.span()).start;
            let why = "functions of a schema are not taken over";
            return self.trouble(
                at,
                format!("{}()", call.name),
                why,
                "write out what it does",
            );
        };
        let range = self.places.range(ident.span);
        let name = ident.value.to_lowercase();
        if let Some(WindowType::WindowSpec(window)) = &call.over {
            self.order(&window.order_by, true);
        }
        if let FunctionArguments::List(list) = &call.args {
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(keys) = clause {
                    self.order(keys, true);
                }
            }
            if name == "date_part" {
                let part = list.args.first().map(|arg| arg.to_string());
                self.date_part(part.unwrap_or_default().trim_matches('\''), range.start);
            }
        }
        let arguments = match &call.args {
            FunctionArguments::List(list) => list.args.len(),
            _ => 0,
        };
        let has_open_frame = matches!(&call.over, Some(WindowType::WindowSpec(window))
            if window.window_frame.is_none())
            || matches!(&call.over, Some(WindowType::NamedWindow(_)));
        if let Some(why) = odd_call(self.dialect, &name, arguments, has_open_frame) {
            let fix = "say it in a way that is the same everywhere";
            return self.trouble(range.start, format!("{name}()"), why, fix);
        }
        if name == "avg"
            && let FunctionArguments::List(list) = &call.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(of))) = list.args.first()
            && !has_places(of)
        {
            self.rounds(of, "avg(…)");
        }
        match meaning(self.dialect, &name) {
            Meaning::Same => {}
            Meaning::Renamed(own) => self.found.edits.push(Edit {
                range,
                text: own.to_owned(),
            }),
            Meaning::Joined => self.joined(&range, call),
            Meaning::Other(instead) => {
                let why = "it is not known to mean the same in karat";
                let fix = match instead.is_empty() {
                    true => "write it with functions of docs/types.md".to_owned(),
                    false => format!("write {instead}"),
                };
                self.trouble(range.start, format!("{name}()"), why, &fix);
            }
        }
    }

    /// Notes what has as many digits as each engine gives it.
    fn rounds(&mut self, of: &Expr, construct: &str) {
        self.found.doubts.push(Trouble {
            at: self.places.range(of.span()).start,
            construct: construct.to_owned(),
            why: "of whole numbers it is a decimal in karat, rounded once (docs/types.md), and a double or of other digits there".to_owned(),
            fix: "cast it to the digits that are wanted".to_owned(),
        });
    }

    /// Says where nulls stand, where the engine has them elsewhere than karat.
    fn order(&mut self, keys: &[OrderByExpr], shows: bool) {
        for key in keys {
            if key.options.nulls_first.is_some() {
                continue;
            }
            let start = self.places.range(key.expr.span()).start;
            match self.dialect.nulls_first(key.options.asc == Some(false)) {
                Some(false) => {}
                Some(true) => {
                    let at = self.places.end_of_key(start, opened(&key.expr));
                    self.found.edits.push(Edit {
                        range: at..at,
                        text: " nulls first".to_owned(),
                    });
                }
                None if shows => self.trouble(
                    start,
                    "order by".to_owned(),
                    "some engines have nulls first, and nothing says whose SQL this is",
                    "name the engine with `--dialect`, or write `nulls last`",
                ),
                None => {}
            }
        }
    }

    /// Parts of a date that are counted alike everywhere.
    fn date_part(&mut self, part: &str, at: usize) {
        let weeks = matches!(
            self.dialect,
            Dialect::DuckDb | Dialect::Postgres | Dialect::Spark
        );
        let days = matches!(self.dialect, Dialect::DuckDb | Dialect::Postgres);
        let is_same = match part.to_lowercase().as_str() {
            "year" | "quarter" | "month" | "day" | "hour" | "minute" | "doy" | "epoch" => true,
            "week" => weeks,
            "dow" => days,
            _ => false,
        };
        if !is_same {
            let why = "it is not known to be counted as in karat";
            self.trouble(
                at,
                format!("part {part}"),
                why,
                "write it with functions of docs/types.md",
            );
        }
    }

    /// `concat(a, b)` as `(a || b)`.
    fn joined(&mut self, name: &Range<usize>, call: &Function) {
        let first = self.places.nth(name.end);
        let closing = self.places.closing(first);
        let (Some(closing), FunctionArguments::List(list)) = (closing, &call.args) else {
            return;
        };
        let is_plain = list.duplicate_treatment.is_none()
            && list.clauses.is_empty()
            && call.over.is_none()
            && !list.args.is_empty();
        if !is_plain {
            return;
        }
        let open = self.places.tokens[first].0.clone();
        let mut edits = vec![Edit {
            range: name.start..open.end,
            text: "(".to_owned(),
        }];
        let mut depth = 0usize;
        let mut starts = first + 1;
        for nth in first + 1..=closing {
            let (range, token) = &self.places.tokens[nth];
            let ends_here = match token.token {
                Token::Comma => depth == 0,
                _ => nth == closing,
            };
            if ends_here {
                if nth - starts > 1 {
                    let from = self.places.tokens[starts].0.start;
                    let to = self.places.tokens[nth - 1].0.end;
                    edits.push(Edit {
                        range: from..from,
                        text: "(".to_owned(),
                    });
                    edits.push(Edit {
                        range: to..to,
                        text: ")".to_owned(),
                    });
                }
                if nth != closing {
                    edits.push(Edit {
                        range: range.clone(),
                        text: " ||".to_owned(),
                    });
                }
                starts = nth + 1;
            }
            match token.token {
                Token::LParen | Token::LBracket => depth += 1,
                Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.found.edits.extend(edits);
    }
}

fn inner(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(expr) => inner(expr),
        expr => expr,
    }
}

/// Brackets that open where an expression begins.
fn opened(expr: &Expr) -> usize {
    match expr {
        Expr::Nested(expr) => 1 + opened(expr),
        Expr::BinaryOp { left, .. } => opened(left),
        Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            ..
        } => opened(expr),
        _ => 0,
    }
}

/// Whether a value has places behind the point, by the text alone.
fn has_places(expr: &Expr) -> bool {
    match inner(expr) {
        Expr::Value(value) => matches!(&value.value, Value::Number(text, _) if text.contains('.')),
        Expr::Cast { data_type, .. } => !is_whole(data_type),
        Expr::BinaryOp { left, right, .. } => has_places(left) || has_places(right),
        Expr::UnaryOp { expr, .. } => has_places(expr),
        _ => false,
    }
}

/// Whether a number counts letters from 1; of what is computed nothing is known, and it does by custom.
fn is_place(from: &Expr) -> bool {
    match inner(from) {
        Expr::Value(value) => {
            !matches!(&value.value, Value::Number(text, _) if text.parse::<u64>().is_ok_and(|place| place == 0))
        }
        Expr::UnaryOp { .. } => false,
        _ => true,
    }
}

fn is_whole(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int(_)
            | DataType::Integer(_)
            | DataType::BigInt(_)
            | DataType::SmallInt(_)
            | DataType::TinyInt(_)
            | DataType::Int2(_)
            | DataType::Int4(_)
            | DataType::Int8(_)
            | DataType::Int64
    )
}

impl Visitor for Calls<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(keys) = &order.kind
        {
            // Without a limit an order shows in no row.
            self.order(keys, query.limit_clause.is_some() || query.fetch.is_some());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for NamedWindowDefinition(_, window) in &select.named_window {
            if let NamedWindowExpr::WindowSpec(window) = window {
                self.order(&window.order_by, true);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(call) => self.call(call),
            Expr::Extract { field, expr, .. } => {
                let at = self.places.range(expr.span()).start;
                self.date_part(&field.to_string(), at);
            }
            // Before the first letter some engines count from the end.
            Expr::Substring {
                expr,
                substring_from: Some(from),
                ..
            } if self.dialect != Dialect::Postgres && !is_place(from) => {
                let at = self.places.range(expr.span()).start;
                let why = "it begins before the first letter, which each engine reads otherwise";
                self.trouble(
                    at,
                    "substring(…)".to_owned(),
                    why,
                    "write `right(x, n)`, or begin at 1",
                );
            }
            Expr::SimilarTo { expr, .. } => {
                let at = self.places.range(expr.span()).start;
                let why = "its patterns are others in each engine";
                self.trouble(
                    at,
                    "similar to".to_owned(),
                    why,
                    "write `like` or `regexp_like`",
                );
            }
            Expr::BinaryOp {
                left,
                op:
                    BinaryOperator::PGRegexMatch
                    | BinaryOperator::PGRegexIMatch
                    | BinaryOperator::PGRegexNotMatch
                    | BinaryOperator::PGRegexNotIMatch,
                ..
            } if self.dialect != Dialect::Postgres => {
                let at = self.places.range(left.span()).start;
                let why =
                    "whether the pattern must match the whole text is not the same everywhere";
                self.trouble(
                    at,
                    "~".to_owned(),
                    why,
                    "write `regexp_like(text, pattern)`",
                );
            }
            Expr::Cast {
                kind: CastKind::TryCast | CastKind::SafeCast,
                expr: of,
                data_type,
                ..
            } if matches!(
                self.dialect,
                Dialect::DuckDb | Dialect::Unknown | Dialect::Redshift
            ) && !matches!(
                data_type,
                DataType::Varchar(_) | DataType::Text | DataType::String(_)
            ) =>
            {
                let at = self.places.range(of.span()).start;
                let why = "which texts it reads, and which give null, is not the same: DuckDB rounds '1.5' to a whole number";
                self.trouble(
                    at,
                    format!("try_cast(… as {data_type})"),
                    why,
                    "write what is to become of such texts",
                );
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Divide,
                right,
            } if !self.dialect.cuts_quotients() && !has_places(left) && !has_places(right) => {
                self.rounds(left, "/");
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Divide,
                right,
            } if self.dialect.cuts_quotients() && !has_places(left) && !has_places(right) => {
                let at = self.places.range(left.span()).start;
                let (why, fix) = match self.dialect {
                    Dialect::Unknown => (
                        "some engines cut the quotient of whole numbers off, and nothing says whose SQL this is",
                        "name the engine with `--dialect`",
                    ),
                    _ => (
                        "of whole numbers the engine cuts the quotient off, karat does not",
                        "write `div(a, b)` for whole numbers, or cast one side to a decimal",
                    ),
                };
                self.trouble(at, "/".to_owned(), why, fix);
            }
            Expr::Cast {
                kind,
                expr: of,
                data_type,
                ..
            } if is_whole(data_type) && self.dialect != Dialect::Postgres => {
                let is_fraction = matches!(
                    inner(of),
                    Expr::BinaryOp {
                        op: BinaryOperator::Divide | BinaryOperator::Multiply,
                        ..
                    }
                );
                if is_fraction {
                    let construct = match kind {
                        CastKind::DoubleColon => format!("::{data_type}"),
                        _ => format!("cast(… as {data_type})"),
                    };
                    let why = "a number with places becomes whole: karat rounds half away from zero, other engines cut off or round to even";
                    let at = self.places.range(of.span()).start;
                    self.trouble(at, construct, why, "write `trunc(…)` or `round(…)` in it");
                } else if self.dialect == Dialect::Spark && !matches!(inner(of), Expr::Value(_)) {
                    self.found.doubts.push(Trouble {
                        at: self.places.range(of.span()).start,
                        construct: format!("cast({of} as {data_type})"),
                        why: "of a number with places Spark cuts them off, and karat rounds"
                            .to_owned(),
                        fix: "write `trunc(…)` in it if the column may have places".to_owned(),
                    });
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

#[derive(Clone, Debug)]
struct Relation {
    name: String,
    columns: Shape,
    /// Shape that `using` made one with those of a relation before.
    joined: Vec<String>,
}

#[derive(Debug, Default)]
struct Scope {
    ctes: Vec<(String, Shape)>,
    relations: Vec<Relation>,
    aliases: Vec<String>,
}

struct Walk<'w> {
    places: &'w Places,
    tables: &'w dyn Tables,
    found: Found,
    scopes: Vec<Scope>,
    /// Columns that `*` were written out to.
    written: usize,
}

fn fold(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

fn parts_of(name: &ObjectName) -> Vec<String> {
    let idents = name.0.iter().filter_map(|part| part.as_ident());
    idents.map(fold).collect()
}

impl Walk<'_> {
    fn trouble(
        &mut self,
        at: usize,
        construct: impl Into<String>,
        why: impl Into<String>,
        fix: &str,
    ) {
        self.found.troubles.push(Trouble {
            at,
            construct: construct.into(),
            why: why.into(),
            fix: fix.to_owned(),
        });
    }

    fn query(&mut self, query: &Query) -> Shape {
        self.scopes.push(Scope::default());
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                let name = fold(&cte.alias.name);
                if with.recursive {
                    // What it calls itself has the columns of its own text; nothing is asked of them here.
                    let columns = cte.alias.columns.iter().map(|column| fold(&column.name));
                    let known = columns.collect();
                    self.add_cte(&name, Shape { known, open: None });
                }
                let mut columns = self.query(&cte.query);
                named(&mut columns, &cte.alias);
                self.add_cte(&name, columns);
            }
        }
        let columns = self.body(&query.body);
        if let Some(order) = &query.order_by {
            // A name of the answer counts there before one of the tables.
            let scope = Scope {
                aliases: columns.known.clone(),
                ..Scope::default()
            };
            self.scopes.push(scope);
            self.expressions(order);
            self.scopes.pop();
        }
        self.scopes.pop();
        columns
    }

    fn add_cte(&mut self, name: &str, columns: Shape) {
        let scope = self.scopes.last_mut().expect("a query has a scope");
        scope.ctes.push((name.to_owned(), columns));
    }

    fn body(&mut self, body: &SetExpr) -> Shape {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                let columns = self.body(left);
                let other = self.body(right);
                if columns.open.is_some() != other.open.is_some() || columns.open != other.open {
                    let at = self.places.range(right.span()).start;
                    let why = "one side has columns that nobody declares";
                    self.trouble(at, "union of *", why, "name the columns on both sides");
                }
                columns
            }
            SetExpr::Values(values) => {
                let count = values.rows.first().map_or(0, |row| row.len());
                let known = (1..=count).map(|nth| format!("column{nth}")).collect();
                Shape { known, open: None }
            }
            other => {
                let at = self.places.range(other.span()).start;
                self.trouble(
                    at,
                    "SQL",
                    "it is no SELECT",
                    "a model is exactly one SELECT",
                );
                Shape::default()
            }
        }
    }

    fn select(&mut self, select: &Select) -> Shape {
        let mut relations = Vec::new();
        for from in &select.from {
            self.from(from, &mut relations);
        }
        if let Some(view) = select.lateral_views.first() {
            let at = self.places.range(view.lateral_view.span()).start;
            let why = "rows made of the elements of a list are written otherwise";
            self.trouble(
                at,
                "lateral view",
                why,
                "write `cross join unnest(x) as t(element)`",
            );
        }
        let scope = self.scopes.last_mut().expect("a query has a scope");
        scope.relations = relations;
        scope.aliases.clear();
        // What stands in the select list is no alias yet.
        let mut columns = Shape::default();
        let mut aliases = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    self.expressions(expr);
                    let name = match expr {
                        Expr::Identifier(ident) => Some(fold(ident)),
                        Expr::CompoundIdentifier(idents) => idents.last().map(fold),
                        _ => None,
                    };
                    match name {
                        Some(name) => columns.known.push(name),
                        None => {
                            let at = self.places.range(expr.span()).start;
                            let why = "this column has no name, and each engine gives it another";
                            self.trouble(at, "select list", why, "add `as name`");
                        }
                    }
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.expressions(expr);
                    columns.known.push(fold(alias));
                    aliases.push(fold(alias));
                }
                SelectItem::ExprWithAliases {
                    expr,
                    aliases: names,
                } => {
                    self.expressions(expr);
                    columns.known.extend(names.iter().map(fold));
                }
                SelectItem::Wildcard(options) => {
                    let range = self.places.star(options.wildcard_token.0.span);
                    self.star(None, options, range, &mut columns);
                }
                SelectItem::QualifiedWildcard(kind, options) => {
                    let start = self.places.range(item.span()).start;
                    let star = self.places.star(item.span());
                    match kind {
                        SelectItemQualifiedWildcardKind::ObjectName(name) => {
                            let start = self.places.range(name.span()).start;
                            let parts = parts_of(name);
                            self.star(parts.last(), options, start..star.end, &mut columns);
                        }
                        SelectItemQualifiedWildcardKind::Expr(_) => {
                            let why = "fields of a struct are not taken apart";
                            self.trouble(start, "(…).*", why, "name the fields");
                        }
                    }
                }
            }
        }
        let joins = select.from.iter().flat_map(|from| &from.joins);
        for join in joins {
            if let Some(JoinConstraint::On(on)) = constraint(&join.join_operator) {
                self.expressions(on);
            }
        }
        if let Some(condition) = &select.selection {
            self.expressions(condition);
        }
        self.scopes.last_mut().expect("a query has a scope").aliases = aliases;
        if let GroupByExpr::Expressions(keys, _) = &select.group_by {
            for key in keys {
                self.expressions(key);
            }
        }
        for condition in [&select.having, &select.qualify].into_iter().flatten() {
            self.expressions(condition);
        }
        columns
    }

    fn from(&mut self, from: &TableWithJoins, relations: &mut Vec<Relation>) {
        self.relation(&from.relation, relations);
        for join in &from.joins {
            let before = relations.len();
            self.relation(&join.relation, relations);
            let at = self.places.range(join.relation.span()).start;
            match constraint(&join.join_operator) {
                Some(JoinConstraint::Using(names)) => {
                    let joined: Vec<String> = names
                        .iter()
                        .filter_map(|name| parts_of(name).pop())
                        .collect();
                    for relation in relations.iter_mut().skip(before) {
                        relation.joined.extend(joined.iter().cloned());
                    }
                }
                Some(JoinConstraint::Natural) => {
                    let why = "which columns it joins by depends on the tables";
                    self.trouble(at, "natural join", why, "write `using (…)`");
                }
                _ => {}
            }
            let hides = matches!(
                join.join_operator,
                JoinOperator::Semi(_)
                    | JoinOperator::LeftSemi(_)
                    | JoinOperator::Anti(_)
                    | JoinOperator::LeftAnti(_)
            );
            if hides {
                // Its columns are seen by the condition alone.
                for relation in relations.iter_mut().skip(before) {
                    relation.joined.extend(relation.columns.known.clone());
                }
            }
        }
    }

    fn relation(&mut self, factor: &TableFactor, relations: &mut Vec<Relation>) {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample,
                version,
                ..
            } => {
                if sample.is_some() || version.is_some() {
                    let at = self.places.range(name.span()).start;
                    let why = "a sample, or an older version, of a table is not taken over";
                    self.trouble(at, format!("{name} …"), why, "read the table as it is");
                }
                let parts = parts_of(name);
                let range = self.places.range(name.span());
                let mut columns = self.table(&parts, range);
                let shown = match alias {
                    Some(alias) => named(&mut columns, alias),
                    None => parts.last().cloned().unwrap_or_default(),
                };
                relations.push(Relation {
                    name: shown,
                    columns,
                    joined: Vec::new(),
                });
            }
            TableFactor::Derived {
                subquery,
                alias,
                sample,
                ..
            } => {
                if sample.is_some() {
                    let at = self.places.range(subquery.span()).start;
                    let why = "a sample of rows is not taken over";
                    self.trouble(at, "tablesample", why, "read all rows");
                }
                let mut columns = self.query(subquery);
                let name = alias.as_ref().map(|alias| named(&mut columns, alias));
                relations.push(Relation {
                    name: name.unwrap_or_default(),
                    columns,
                    joined: Vec::new(),
                });
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => {
                self.from(table_with_joins, relations);
            }
            TableFactor::UNNEST {
                alias, array_exprs, ..
            } => {
                for expr in array_exprs {
                    self.expressions(expr);
                }
                let known = alias
                    .iter()
                    .flat_map(|alias| &alias.columns)
                    .map(|column| fold(&column.name))
                    .collect();
                let name = alias
                    .as_ref()
                    .map(|alias| fold(&alias.name))
                    .unwrap_or_default();
                relations.push(Relation {
                    name,
                    columns: Shape { known, open: None },
                    joined: Vec::new(),
                });
            }
            TableFactor::Table { name, .. } => {
                let at = self.places.range(name.span()).start;
                let why = "functions that give rows are not taken over";
                self.trouble(
                    at,
                    format!("{name}(…)"),
                    why,
                    "make a feed of it, or write out the rows",
                );
            }
            other => {
                let at = self.places.range(other.span()).start;
                let why = "this form of a table is not taken over";
                self.trouble(at, "from", why, "write it as a SELECT");
            }
        }
    }

    fn table(&mut self, parts: &[String], range: Range<usize>) -> Shape {
        if let [single] = parts {
            let mut ctes = self
                .scopes
                .iter()
                .rev()
                .flat_map(|scope| scope.ctes.iter().rev());
            if let Some((_, columns)) = ctes.find(|(name, _)| name == single) {
                return columns.clone();
            }
        }
        let Some((name, shape)) = self.tables.find(parts) else {
            let why = "no statement that is taken over makes this table";
            self.trouble(
                range.start,
                parts.join("."),
                why,
                "bring it over first, or declare it as a source",
            );
            return Shape::default();
        };
        if name != parts.join(".") {
            self.found.edits.push(Edit {
                range,
                text: name.clone(),
            });
        }
        if !self.found.tables.contains(&name) {
            self.found.tables.push(name.clone());
        }
        shape
    }

    /// Writes out a `*`, of one relation or of all.
    fn star(
        &mut self,
        of: Option<&String>,
        options: &WildcardAdditionalOptions,
        range: Range<usize>,
        columns: &mut Shape,
    ) {
        if options.opt_ilike.is_some()
            || options.opt_rename.is_some()
            || options.opt_alias.is_some()
        {
            let why = "what is said of the columns behind it is not taken over";
            return self.trouble(range.start, "*", why, "name the columns");
        }
        let mut left_out: Vec<String> = Vec::new();
        match &options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => left_out.extend(parts_of(name).pop()),
            Some(ExcludeSelectItem::Multiple(names)) => {
                left_out.extend(names.iter().filter_map(|name| parts_of(name).pop()));
            }
            None => {}
        }
        if let Some(except) = &options.opt_except {
            left_out.push(fold(&except.first_element));
            left_out.extend(except.additional_elements.iter().map(fold));
        }
        let replaced: Vec<(String, String)> = options
            .opt_replace
            .iter()
            .flat_map(|replace| &replace.items)
            .map(|item| (fold(&item.column_name), item.expr.to_string()))
            .collect();
        for item in options
            .opt_replace
            .iter()
            .flat_map(|replace| &replace.items)
        {
            self.expressions(&item.expr);
        }
        let scope = self.scopes.last().expect("a query has a scope");
        let relations: Vec<Relation> = match of {
            None => scope.relations.clone(),
            Some(name) => {
                let found = scope
                    .relations
                    .iter()
                    .find(|relation| relation.name == *name);
                found.cloned().into_iter().collect()
            }
        };
        if relations.is_empty() {
            let why =
                "which columns it stands for is not known: nothing that is taken over names them";
            return self.trouble(range.start, "*", why, "name the columns");
        }
        let is_one = scope.relations.len() == 1;
        let mut written: Vec<String> = Vec::new();
        for relation in &relations {
            for column in &relation.columns.known {
                if columns.known.len() > COLUMNS_MAX {
                    break;
                }
                if left_out.contains(column) || (of.is_none() && relation.joined.contains(column)) {
                    continue;
                }
                if let Some((_, expr)) = replaced.iter().find(|(name, _)| name == column) {
                    written.push(format!("{expr} as {}", quoted(column)));
                } else {
                    let is_joined = scope
                        .relations
                        .iter()
                        .any(|other| other.joined.contains(column));
                    written.push(match is_one || (is_joined && of.is_none()) {
                        true => quoted(column),
                        false => format!("{}.{}", quoted(&relation.name), quoted(column)),
                    });
                }
                columns.known.push(column.clone());
            }
        }
        self.written += written.len();
        if columns.known.len() > COLUMNS_MAX || self.written > WRITTEN_MAX {
            let why = format!("it stands for more than {COLUMNS_MAX} columns");
            columns.known.clear();
            return self.trouble(range.start, "*", why, "name the columns");
        }
        let open: Vec<&String> = relations
            .iter()
            .filter_map(|relation| relation.columns.open.as_ref())
            .collect();
        match open.as_slice() {
            [] => {}
            [table] if columns.open.is_none() => columns.open = Some((*table).clone()),
            _ => {
                let why = "it stands for columns of several tables that nobody declares";
                self.trouble(range.start, "*", why, "declare the columns of the sources");
            }
        }
        if written.is_empty() && open.is_empty() {
            let why =
                "which columns it stands for is not known: nothing that is taken over names them";
            return self.trouble(range.start, "*", why, "name the columns");
        }
        self.found.edits.push(Edit {
            range,
            text: written.join(", "),
        });
    }

    /// Notes the columns that expressions name, and reads the queries in them.
    fn expressions(&mut self, expr: &impl Visit) {
        let mut names = Names::default();
        let _: ControlFlow<()> = expr.visit(&mut names);
        for idents in names.columns {
            self.column(&idents);
        }
        for query in names.queries {
            self.query(&query);
        }
    }

    fn column(&mut self, idents: &[String]) {
        let Some((column, qualifier)) = idents.split_last() else {
            return;
        };
        for scope in self.scopes.iter().rev() {
            if qualifier.is_empty() && scope.aliases.contains(column) {
                return;
            }
            let mut relations = scope.relations.iter();
            match qualifier {
                [] => {
                    if relations.any(|relation| relation.columns.known.contains(column)) {
                        return;
                    }
                    let open: Vec<&String> = scope
                        .relations
                        .iter()
                        .filter_map(|relation| relation.columns.open.as_ref())
                        .collect();
                    if let Some(table) = open.first() {
                        if open.iter().any(|other| other != table) {
                            let why =
                                "which table has this column is not known: several declare none";
                            let construct = column.clone();
                            return self.trouble(
                                0,
                                construct,
                                why,
                                "write the table before it, or declare the columns of the sources",
                            );
                        }
                        let demand = ((*table).clone(), column.clone());
                        return self.demand(demand);
                    }
                }
                [.., table] => {
                    if let Some(relation) = relations.find(|relation| relation.name == *table) {
                        let open = relation.columns.open.clone();
                        if !relation.columns.known.contains(column)
                            && let Some(open) = open
                        {
                            self.demand((open, column.clone()));
                        }
                        return;
                    }
                }
            }
        }
    }

    fn demand(&mut self, demand: (String, String)) {
        if !self.found.demands.contains(&demand) {
            self.found.demands.push(demand);
        }
    }
}

/// What a relation is called by its alias, which may name its columns, too.
fn named(columns: &mut Shape, alias: &TableAlias) -> String {
    if !alias.columns.is_empty() {
        columns.open = None;
        columns.known = alias
            .columns
            .iter()
            .map(|column| fold(&column.name))
            .collect();
    }
    fold(&alias.name)
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    Some(match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint)
        | JoinOperator::Semi(constraint)
        | JoinOperator::LeftSemi(constraint)
        | JoinOperator::RightSemi(constraint)
        | JoinOperator::Anti(constraint)
        | JoinOperator::LeftAnti(constraint)
        | JoinOperator::RightAnti(constraint)
        | JoinOperator::StraightJoin(constraint) => constraint,
        _ => return None,
    })
}

/// Shape of expressions, and queries in them, which have scopes of their own.
#[derive(Default)]
struct Names {
    columns: Vec<Vec<String>>,
    queries: Vec<Query>,
    depth: usize,
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            self.queries.push(query.clone());
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            match expr {
                Expr::Identifier(ident) => self.columns.push(vec![fold(ident)]),
                Expr::CompoundIdentifier(idents) => {
                    self.columns.push(idents.iter().map(fold).collect());
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}
