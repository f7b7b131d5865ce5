//! Texts that the parser takes for something that nobody meant: a number that ends in an alias, a join without a condition, an empty select
//! list, a part that no date has. Each is told at its place; what has one meaning in a form of ours is brought to it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use arrow::compute::kernels::cast_utils::IntervalUnit;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Fetch, Function, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, Interval, JoinConstraint, JoinOperator, LimitClause,
    NamedWindowExpr, OrderByExpr, OrderByKind, Query, Select, SelectFlavor, SelectItem, SetExpr,
    Spanned, Statement, TableFactor, TableWithJoins, UnaryOperator, Value, Visitor, VisitorMut,
    WildcardAdditionalOptions, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan};

use crate::error::{SqlError, SqlErrorKind};
use crate::{unnest, walks};

/// Words before `join` that the parser takes for the alias of a table.
const KINDS_OF_JOINS: [&str; 2] = ["positional", "asof"];

fn slip(kind: SqlErrorKind, at: Location, message: String, hint: &str) -> SqlError {
    let known = at.line > 0;
    SqlError {
        message,
        line: known.then_some(at.line),
        column: known.then_some(at.column),
        hint: Some(hint.to_owned()),
        kind,
    }
}

/// Number literals as all the world reads them: `1_000` is 1000 and `0x1F` is 31. What is no number, and the word that begins where a
/// number ends, which would be an alias, are mistakes.
pub(crate) fn read_numbers(tokens: &mut [TokenWithSpan], sql: &str) -> Result<(), SqlError> {
    const HINT: &str = "digits are grouped like 1_000, hexadecimal ones written like 0x1F; an alias stands behind a space";
    let wrong = |at, written: &str| {
        let message = format!("`{written}` is no number");
        slip(SqlErrorKind::Syntax, at, message, HINT)
    };
    for at in 0..tokens.len() {
        let begins = tokens[at].span.start;
        let (written, value) = match &tokens[at].token {
            Token::Number(text, false) => (text.clone(), Some(text.replace('_', ""))),
            Token::HexStringLiteral(digits) if letter(sql, begins) == Some('0') => {
                let value = u128::from_str_radix(&digits.replace('_', ""), 16);
                (
                    format!("0x{digits}"),
                    value.ok().map(|value| value.to_string()),
                )
            }
            _ => continue,
        };
        if let Some(Token::Word(word)) = tokens.get(at + 1).map(|next| &next.token)
            && word.quote_style.is_none()
        {
            return Err(wrong(begins, &format!("{written}{}", word.value)));
        }
        match value {
            Some(value) if !written.ends_with('_') => {
                tokens[at].token = Token::Number(value, false)
            }
            _ => return Err(wrong(begins, &written)),
        }
    }
    Ok(())
}

fn letter(sql: &str, at: Location) -> Option<char> {
    let line = usize::try_from(at.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
    sql.split('\n').nth(line)?.chars().nth(column)
}

/// Brings a parsed text to forms that are planned, or says what is wrong with it.
pub(crate) fn corrected(statement: &mut Statement) -> Result<(), SqlError> {
    let mut slips = Slips {
        windows: BTreeSet::new(),
        found: None,
    };
    walks::edit(statement, &mut slips);
    slips.found.map_or(Ok(()), Err)
}

/// What to say of columns that are a list of one name: in some databases square brackets stand around names.
pub(crate) fn lists_of_one(statement: &Statement) -> Vec<String> {
    struct Lists(Vec<String>);
    impl Visitor for Lists {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            for item in &select.projection {
                if let SelectItem::UnnamedExpr(Expr::Array(list)) = item
                    && !list.named
                    && let [Expr::Identifier(name)] = list.elem.as_slice()
                {
                    self.0.push(format!(
                        "`[{0}]` is a list of one value; a name that needs quotes stands in double ones: \"{0}\"",
                        name.value
                    ));
                }
            }
            ControlFlow::Continue(())
        }
    }
    let mut lists = Lists(Vec::new());
    walks::read(statement, &mut lists);
    lists.0
}

struct Slips {
    /// Names of windows, of all the selects that are open or were.
    windows: BTreeSet<String>,
    found: Option<SqlError>,
}

impl VisitorMut for Slips {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        fetched(query);
        by_all_columns(query);
        beside_doubles(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let looked = self.select(select);
        self.told(looked)
    }

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        unnest::without_lateral(table);
        let places = unnest::with_places(table).map_err(|at| {
            let what = "the columns of `unnest … with ordinality` have no names".to_owned();
            slip(SqlErrorKind::Name, at, what, unnest::NAMED)
        });
        self.told(places)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let looked = match expr {
            Expr::Function(call) => self.call(call),
            // The parser takes all that follows for its right side.
            Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right)
                if matches!(
                    **right,
                    Expr::BinaryOp {
                        op: BinaryOperator::And | BinaryOperator::Or,
                        ..
                    }
                ) =>
            {
                Err(slip(
                    SqlErrorKind::Syntax,
                    right.span().start,
                    "`is distinct from` would take all that follows it for its right side"
                        .to_owned(),
                    "put it in brackets: (a is distinct from b) and c",
                ))
            }
            Expr::InSubquery { expr: values, .. } if matches!(**values, Expr::Tuple(_)) => {
                Err(slip(
                    SqlErrorKind::Refused,
                    values.span().start,
                    format!(
                        "`{values} in (select …)` stands elsewhere than as a condition of `where`"
                    ),
                    "write exists, or not exists (select 1 from … where x = a and y = b)",
                ))
            }
            Expr::Extract { field, expr, .. } => part(&field.to_string(), expr.span()),
            _ => Ok(()),
        };
        self.told(looked)
    }
}

impl Slips {
    fn told(&mut self, looked: Result<(), SqlError>) -> ControlFlow<()> {
        match looked {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.found = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(), SqlError> {
        // `from t` gives all columns.
        if select.projection.is_empty() && select.flavor == SelectFlavor::FromFirstNoSelect {
            let all = SelectItem::Wildcard(WildcardAdditionalOptions::default());
            select.projection.push(all);
        }
        if select.projection.is_empty() && select.flavor == SelectFlavor::Standard {
            return Err(slip(
                SqlErrorKind::Syntax,
                select.select_token.0.span.start,
                "a select list is empty".to_owned(),
                "name columns, or write `*`",
            ));
        }
        for window in &mut select.named_window {
            self.windows.insert(window.0.value.to_lowercase());
            if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
                framed(spec)?;
            }
        }
        select.from.iter_mut().try_for_each(joined)
    }

    fn call(&self, call: &mut Function) -> Result<(), SqlError> {
        let name = call.name.0.last().and_then(|part| part.as_ident());
        let is_part = name.is_some_and(|name| {
            let name = name.value.to_lowercase();
            name == "date_part" || name == "datepart"
        });
        if is_part
            && let FunctionArguments::List(list) = &call.args
            && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) =
                list.args.first()
            && let Value::SingleQuotedString(text) = &value.value
        {
            part(text, value.span)?;
        }
        match &mut call.over {
            Some(WindowType::WindowSpec(spec)) => framed(spec),
            Some(WindowType::NamedWindow(name)) => self.window(name),
            None => Ok(()),
        }
    }

    fn window(&self, name: &Ident) -> Result<(), SqlError> {
        if self.windows.contains(&name.value.to_lowercase()) {
            return Ok(());
        }
        Err(slip(
            SqlErrorKind::Name,
            name.span.start,
            format!("no window `{name}`"),
            "write over (…), or give the select a clause: window w as (…)",
        ))
    }
}

/// `order by all` of a select list without `*`, column by column: the engine knows it of plain columns alone.
fn by_all_columns(query: &mut Query) {
    let Some(order) = &mut query.order_by else {
        return;
    };
    let (OrderByKind::All(options), SetExpr::Select(select)) = (&order.kind, query.body.as_ref())
    else {
        return;
    };
    let known = |item: &SelectItem| {
        matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    };
    if !select.projection.iter().all(known) {
        return;
    }
    let column = |at: usize| OrderByExpr {
        expr: Expr::Value(Value::Number(at.to_string(), false).with_empty_span()),
        options: options.clone(),
        with_fill: None,
    };
    let columns = (1..=select.projection.len()).map(column).collect();
    order.kind = OrderByKind::Expressions(columns);
}

/// `fetch first 3 rows only` as a limit.
fn fetched(query: &mut Query) {
    let Some(Fetch {
        with_ties: false,
        percent: false,
        quantity,
    }) = &query.fetch
    else {
        return;
    };
    let one = || Expr::Value(Value::Number("1".to_owned(), false).with_empty_span());
    let rows = quantity.clone().unwrap_or_else(one);
    match &mut query.limit_clause {
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        Some(LimitClause::LimitOffset { limit, .. }) if limit.is_none() => *limit = Some(rows),
        Some(_) => return,
    }
    query.fetch = None;
}

/// Number literals in columns of `values` that hold doubles are doubles.
fn beside_doubles(body: &mut SetExpr) {
    if let SetExpr::Values(values) = body {
        let width = values.rows.first().map_or(0, |row| row.content.len());
        for at in 0..width {
            let mut cells = values.rows.iter().filter_map(|row| row.content.get(at));
            if !cells.any(is_double) {
                continue;
            }
            for cell in values
                .rows
                .iter_mut()
                .filter_map(|row| row.content.get_mut(at))
            {
                if is_number(cell) {
                    *cell = Expr::Cast {
                        kind: CastKind::Cast,
                        expr: Box::new(cell.clone()),
                        data_type: DataType::Double(ExactNumberInfo::None),
                        array: false,
                        format: None,
                    };
                }
            }
        }
    }
}

fn is_double(cell: &Expr) -> bool {
    let double = |of: &DataType| {
        matches!(
            of,
            DataType::Double(_) | DataType::DoublePrecision | DataType::Real | DataType::Float8
        )
    };
    match cell {
        Expr::TypedString(text) => double(&text.data_type),
        Expr::Cast { data_type, .. } => double(data_type),
        Expr::UnaryOp { expr, .. } | Expr::Nested(expr) => is_double(expr),
        _ => false,
    }
}

fn is_number(cell: &Expr) -> bool {
    match cell {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => is_number(expr),
        Expr::Nested(expr) => is_number(expr),
        _ => false,
    }
}

fn joined(from: &mut TableWithJoins) -> Result<(), SqlError> {
    let mut before = &mut from.relation;
    for join in &mut from.joins {
        if let Some(alias) = alias(before)
            && !alias.explicit
            && alias.name.quote_style.is_none()
            && KINDS_OF_JOINS.contains(&alias.name.value.to_lowercase().as_str())
        {
            return Err(slip(
                SqlErrorKind::Refused,
                alias.name.span.start,
                format!("`{} join` is not offered", alias.name),
                "number the rows, or find the latest one, in a subquery, and join by that; an alias of this name is written with `as`",
            ));
        }
        nested(before)?;
        before = &mut join.relation;
        let operator = &mut join.join_operator;
        if let JoinOperator::Semi(constraint) = operator {
            *operator = JoinOperator::LeftSemi(constraint.clone());
        } else if let JoinOperator::Anti(constraint) = operator {
            *operator = JoinOperator::LeftAnti(constraint.clone());
        }
        if let JoinOperator::Join(JoinConstraint::None)
        | JoinOperator::Inner(JoinConstraint::None)
        | JoinOperator::Left(JoinConstraint::None)
        | JoinOperator::LeftOuter(JoinConstraint::None)
        | JoinOperator::Right(JoinConstraint::None)
        | JoinOperator::RightOuter(JoinConstraint::None)
        | JoinOperator::FullOuter(JoinConstraint::None)
        | JoinOperator::LeftSemi(JoinConstraint::None)
        | JoinOperator::LeftAnti(JoinConstraint::None)
        | JoinOperator::RightSemi(JoinConstraint::None)
        | JoinOperator::RightAnti(JoinConstraint::None) = operator
        {
            return Err(slip(
                SqlErrorKind::Syntax,
                before.span().start,
                "a join has no condition".to_owned(),
                "add on …, or using (…); each row with each is a cross join",
            ));
        }
    }
    nested(before)
}

fn nested(table: &mut TableFactor) -> Result<(), SqlError> {
    match table {
        TableFactor::NestedJoin {
            table_with_joins, ..
        } => joined(table_with_joins),
        _ => Ok(()),
    }
}

fn alias(table: &TableFactor) -> Option<&datafusion::sql::sqlparser::ast::TableAlias> {
    match table {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
        _ => None,
    }
}

/// The offsets of a frame are literals.
fn framed(spec: &mut WindowSpec) -> Result<(), SqlError> {
    let Some(frame) = &mut spec.window_frame else {
        return Ok(());
    };
    let range = frame.units == WindowFrameUnits::Range;
    for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()]
        .into_iter()
        .flatten()
    {
        let (WindowFrameBound::Preceding(Some(offset)) | WindowFrameBound::Following(Some(offset))) =
            bound
        else {
            continue;
        };
        let fits = match offset.as_mut() {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) => range || text.parse::<u64>().is_ok(),
                _ => false,
            },
            Expr::Interval(Interval { value, .. }) if range => quoted(value),
            _ => false,
        };
        if !fits {
            let hint = match range {
                true => {
                    "write a number or an interval, for example 10 preceding or interval '7 days' preceding"
                }
                false => "write how many, for example 10 preceding",
            };
            return Err(slip(
                SqlErrorKind::Type,
                offset.span().start,
                format!("the offset of a frame is a literal of at least 0, not `{offset}`"),
                hint,
            ));
        }
    }
    Ok(())
}

/// `interval 1 day` as `interval '1' day`; whether it is a literal.
fn quoted(value: &mut Expr) -> bool {
    let Expr::Value(literal) = value else {
        return false;
    };
    if let Value::Number(text, _) = &literal.value {
        literal.value = Value::SingleQuotedString(text.clone());
    }
    matches!(literal.value, Value::SingleQuotedString(_))
}

/// Whether moments have such a part.
fn part(name: &str, at: Span) -> Result<(), SqlError> {
    let name = name.trim_matches(['\'', '"']).to_lowercase();
    let own = ["isoyear", "qtr", "quarter", "doy", "dow", "isodow", "epoch"];
    let known = match name.parse::<IntervalUnit>() {
        Ok(IntervalUnit::Century | IntervalUnit::Decade) => false,
        Ok(_) => true,
        Err(_) => own.contains(&name.as_str()),
    };
    match known {
        true => Ok(()),
        false => Err(slip(
            SqlErrorKind::Type,
            at.start,
            format!("`{name}` is no part of a date or time"),
            "parts are year, quarter, month, week, day, dow, isodow, doy, isoyear, hour, minute, second, millisecond, microsecond, nanosecond, epoch",
        )),
    }
}
