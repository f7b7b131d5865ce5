//! Queries that take each row for itself: columns as expressions over the columns of a feed, and rules over the columns.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Statement, TableFactor, Visit,
    VisitMut, Visitor, VisitorMut,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::outline::Origin;

/// Functions that make one row of several, or look at others.
const OF_SEVERAL: [&str; 32] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "median",
    "mode",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
    "corr",
    "covar_samp",
    "covar_pop",
    "bool_and",
    "bool_or",
    "every",
    "count_if",
    "any_value",
    "max_by",
    "min_by",
    "array_agg",
    "string_agg",
    "percentile_cont",
    "percentile_disc",
    "approx_count_distinct",
    "first_value",
    "last_value",
    "unnest",
    "explode",
];

/// A rule over the columns of a table.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) expect: Expr,
    pub(crate) action: &'static str,
    pub(crate) origin: Origin,
}

/// Columns as expressions over those of bronze.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Which of the files that are read.
    pub(crate) files: usize,
    pub(crate) select: Vec<(String, Expr)>,
    pub(crate) rules: Vec<Rule>,
}

pub(crate) fn ident(name: &str) -> Expr {
    Expr::Identifier(match crate::sql::quoted(name).starts_with('"') {
        true => Ident::with_quote('"', name),
        false => Ident::new(name),
    })
}

/// An expression of a text that was read already.
pub(crate) fn expression(text: &str) -> Option<Expr> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).ok()?;
    parser.parse_expr().ok()
}

pub(crate) fn names_of(expr: &Expr) -> Vec<String> {
    struct Names(Vec<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.0.push(ident.value.to_lowercase()),
                Expr::CompoundIdentifier(idents) => {
                    self.0
                        .extend(idents.last().map(|ident| ident.value.to_lowercase()));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(Vec::new());
    let _: ControlFlow<()> = expr.visit(&mut names);
    names.0
}

/// The expression with others in the place of columns.
pub(crate) fn substituted(expr: &Expr, with: &dyn Fn(&str) -> Option<Expr>) -> Expr {
    struct Put<'w>(&'w dyn Fn(&str) -> Option<Expr>);
    impl VisitorMut for Put<'_> {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            let name = match &*expr {
                Expr::Identifier(ident) => ident.value.to_lowercase(),
                Expr::CompoundIdentifier(idents) => match idents.last() {
                    Some(ident) => ident.value.to_lowercase(),
                    None => return ControlFlow::Continue(()),
                },
                _ => return ControlFlow::Continue(()),
            };
            if let Some(own) = (self.0)(&name) {
                *expr = match own {
                    plain @ (Expr::Identifier(_)
                    | Expr::Function(_)
                    | Expr::Cast { .. }
                    | Expr::Nested(_)) => plain,
                    other => Expr::Nested(Box::new(other)),
                };
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let _: ControlFlow<()> = VisitMut::visit(&mut expr, &mut Put(with));
    expr
}

/// The one table that a query reads row by row, and the SELECT; `None` where rows are joined, grouped, ordered or chosen.
fn row_by_row(sql: &str) -> Option<(String, String, Box<Select>)> {
    let statements = Parser::parse_sql(&GenericDialect {}, sql).ok()?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return None;
    };
    let Query {
        with: None,
        body,
        order_by: None,
        limit_clause: None,
        fetch: None,
        ..
    } = query.as_ref()
    else {
        return None;
    };
    let SetExpr::Select(select) = body.as_ref() else {
        return None;
    };
    let is_grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty());
    let is_plain = select.distinct.is_none()
        && select.top.is_none()
        && select.having.is_none()
        && select.qualify.is_none()
        && select.lateral_views.is_empty()
        && !is_grouped;
    let [from] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = &from.relation
    else {
        return None;
    };
    if !is_plain || !from.joins.is_empty() || looks_at_others(select) {
        return None;
    }
    let table = name.to_string();
    let last = name
        .0
        .last()
        .and_then(|part| part.as_ident())
        .map(|ident| ident.value.to_lowercase());
    let shown = alias
        .as_ref()
        .map(|alias| alias.name.value.to_lowercase())
        .or(last);
    Some((table, shown.unwrap_or_default(), select.clone()))
}

fn looks_at_others(select: &Select) -> bool {
    struct Looks(bool);
    impl Visitor for Looks {
        type Break = ();
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 = true;
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Function(call) = expr {
                let name = call.name.to_string().to_lowercase();
                self.0 |= call.over.is_some() || OF_SEVERAL.contains(&name.as_str());
            }
            ControlFlow::Continue(())
        }
    }
    let mut looks = Looks(false);
    for item in &select.projection {
        let _: ControlFlow<()> = item.visit(&mut looks);
    }
    let _: ControlFlow<()> = select.selection.visit(&mut looks);
    looks.0
}

impl Rows {
    /// A query over one table whose rows are known, with its rules; `None` where it is no such query, or where a rule of what it reads
    /// cannot be asked of what it gives.
    pub(crate) fn read(
        sql: &str,
        known: &BTreeMap<String, Rows>,
        origin: &Origin,
    ) -> Result<Option<Rows>, (String, String, String)> {
        let Some((table, shown, select)) = row_by_row(sql) else {
            return Ok(None);
        };
        let Some(below) = known.get(&table.to_lowercase()) else {
            return Ok(None);
        };
        let mut columns: Vec<(String, Expr)> = Vec::new();
        for item in &select.projection {
            let (name, expr) = match item {
                SelectItem::ExprWithAlias { expr, alias } => (alias.value.to_lowercase(), expr),
                SelectItem::UnnamedExpr(expr @ Expr::Identifier(ident)) => {
                    (ident.value.to_lowercase(), expr)
                }
                SelectItem::UnnamedExpr(expr @ Expr::CompoundIdentifier(idents)) => (
                    idents
                        .last()
                        .map(|ident| ident.value.to_lowercase())
                        .unwrap_or_default(),
                    expr,
                ),
                _ => return Ok(None),
            };
            // What does not fit a row is in `_rescued` of bronze, and such rows are held back.
            if name == "_rescued_data" && is_name(expr) {
                continue;
            }
            check_fields(expr, &shown)?;
            columns.push((name, expr.clone()));
        }
        if let Some(condition) = &select.selection {
            check_fields(condition, &shown)?;
        }
        // A rule over what is read, asked of what is given: only where its columns go through as they are.
        let passed = |column: &str| {
            let through = columns.iter().find(|(_, expr)| {
                matches!(names_of(expr).as_slice(), [own] if own == column) && is_name(expr)
            });
            through.map(|(name, _)| ident(name))
        };
        let mut rules = Vec::new();
        let mut wanted: Vec<Rule> = below.rules.clone();
        if let Some(condition) = &select.selection {
            wanted.push(Rule {
                name: "where_of_the_query".to_owned(),
                expect: condition.clone(),
                action: "drop",
                origin: origin.clone(),
            });
        }
        for rule in wanted {
            if names_of(&rule.expect)
                .iter()
                .any(|name| passed(name).is_none())
            {
                return Ok(None);
            }
            let expect = substituted(&rule.expect, &passed);
            rules.push(Rule { expect, ..rule });
        }
        let of_bronze = |column: &str| {
            let own = below.select.iter().find(|(name, _)| name == column);
            own.map(|(_, expr)| expr.clone())
        };
        let select = columns
            .iter()
            .map(|(name, expr)| (name.clone(), substituted(expr, &of_bronze)))
            .collect();
        Ok(Some(Rows {
            files: below.files,
            select,
            rules,
        }))
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Expr> {
        self.select
            .iter()
            .find_map(|(own, expr)| (own == name).then_some(expr))
    }
}

pub(crate) fn is_name(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Refuses `a.b` where `a` is no table: a field of a nested value.
fn check_fields(expr: &Expr, shown: &str) -> Result<(), (String, String, String)> {
    struct Fields<'s>(&'s str, Option<String>);
    impl Visitor for Fields<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(idents) = expr
                && idents.len() >= 2
                && idents[idents.len() - 2].value.to_lowercase() != self.0
            {
                let parts: Vec<&str> = idents.iter().map(|ident| ident.value.as_str()).collect();
                self.1 = Some(parts.join("."));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    let mut fields = Fields(shown, None);
    let _: ControlFlow<()> = expr.visit(&mut fields);
    match fields.1 {
        None => Ok(()),
        Some(field) => {
            let pointer = field.replace('.', "/");
            let column = field.replace('.', "_");
            Err((
                field,
                "it is a field of a nested value, and a file's fields are taken by its feed"
                    .to_owned(),
                format!(
                    "write `columns: {{ {column}: /{pointer} }}` in the feed, and `{column}` here"
                ),
            ))
        }
    }
}
