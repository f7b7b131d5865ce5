//! Where the columns of a query's select lists stand in its text, for messages about them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::dialect::statements;
use crate::walks;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, Select, SelectItem, SetExpr, Spanned, Statement, Visitor, VisitorMut,
};

/// Line and column.
type Place = (u64, u64);

/// Where a query names its column of this number, from 0.
pub fn output_place(sql: &str, nth: usize) -> Option<(u64, u64)> {
    let statements = statements(sql)?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return None;
    };
    place(top_items(query)?.get(nth)?)
}

/// What the query's columns are called: as the text has them, where they have no name of their own. None where the text does not tell.
pub(crate) fn written_titles(sql: &str) -> Option<Vec<String>> {
    let statements = statements(sql)?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return None;
    };
    top_items(query)?
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.to_lowercase()),
            SelectItem::UnnamedExpr(expr) => Some(expr.to_string()),
            _ => None,
        })
        .collect()
}

/// Gives each computed column of a select list that has no name its text for one: functions that compute the same under two names, and
/// literals that are equal, would have one name in the plan.
pub(crate) fn title_all(statement: &mut Statement) {
    struct Titles;
    impl VisitorMut for Titles {
        type Break = ();

        fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
            for item in &mut select.projection {
                let SelectItem::UnnamedExpr(expr) = item else {
                    continue;
                };
                if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
                    continue;
                }
                let alias = Ident::with_quote('"', expr.to_string().to_lowercase());
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            ControlFlow::Continue(())
        }
    }
    walks::edit(statement, &mut Titles);
}

/// The second of two columns that share a name in one select list: the name, and where it stands.
pub(crate) fn twin(sql: &str) -> Option<(String, Place)> {
    struct Twins(Option<(String, Place)>);
    impl Visitor for Twins {
        type Break = ();

        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let mut seen = BTreeSet::new();
            for item in &select.projection {
                if let Some(title) = title(item)
                    && !seen.insert(title.clone())
                    && let Some(at) = place(item)
                {
                    self.0 = Some((title, at));
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        }
    }
    let statements = statements(sql)?;
    let mut twins = Twins(None);
    walks::read(&statements, &mut twins);
    twins.0
}

/// The names of a set operation are those of its first SELECT.
fn top_items(query: &Query) -> Option<&[SelectItem]> {
    // What comes behind a pipe may have other columns.
    if !query.pipe_operators.is_empty() {
        return None;
    }
    let mut body = query.body.as_ref();
    loop {
        match body {
            SetExpr::Select(select) => return Some(&select.projection),
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(query) => body = &query.body,
            _ => return None,
        }
    }
}

fn name(item: &SelectItem) -> Option<&Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => idents.last(),
        _ => None,
    }
}

fn title(item: &SelectItem) -> Option<String> {
    match (name(item), item) {
        (Some(name), _) => Some(name.value.to_lowercase()),
        (None, SelectItem::UnnamedExpr(expr)) => Some(expr.to_string()),
        (None, _) => None,
    }
}

fn place(item: &SelectItem) -> Option<Place> {
    let span = match name(item) {
        Some(name) => name.span,
        None => item.span(),
    };
    (span.start.line > 0).then_some((span.start.line, span.start.column))
}
