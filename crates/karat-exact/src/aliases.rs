//! Names that a select list gives where the text means the columns below it, and tables that a column of a subquery hides: brought to texts
//! of one meaning before they are planned.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, GroupByExpr, Ident, ObjectName, ObjectNamePart, OrderByKind,
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias,
    TableAliasColumnDef, TableFactor, Value, Visitor, VisitorMut,
};

use crate::functions::Registry;
use crate::session::Settings;
use crate::walks;

/// What no text has in a name.
const HIDDEN: char = '\u{1}';

/// The text with the columns that are meant where a name of the select list would be taken: `sum(x) as x … order by sum(x)`; with the
/// columns of `group by all` counted where `having` names one; and with `(a, b) in (select …)` as `exists`.
pub(crate) fn meant(statement: &mut Statement) {
    walks::edit(statement, &mut Meant);
}

struct Meant;

impl VisitorMut for Meant {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let Some(order) = &mut query.order_by else {
            return ControlFlow::Continue(());
        };
        if let (SetExpr::Select(select), OrderByKind::Expressions(keys)) =
            (query.body.as_ref(), &mut order.kind)
        {
            for key in keys {
                walks::edit(&mut key.expr, &mut Below { select });
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        counted(select);
        if let Some(condition) = &mut select.selection {
            tuples(condition);
        }
        ControlFlow::Continue(())
    }
}

fn is_aggregate(call: &Function) -> bool {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let all = Registry::new(&Settings::plain()).aggregate;
        let names = all.iter().flat_map(|of| {
            let aliases = of.aliases().iter().cloned();
            aliases.chain([of.name().to_owned()])
        });
        names.collect()
    });
    let name = call.name.0.last().and_then(|part| part.as_ident());
    call.over.is_none() && name.is_some_and(|name| names.contains(&name.value.to_lowercase()))
}

/// The names that a select list gives to what is not the column of that name.
fn given(select: &Select) -> Vec<(&Ident, &Expr)> {
    let items = select.projection.iter().filter_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } => Some((alias, expr)),
        _ => None,
    });
    let renames = |alias: &Ident, expr: &Expr| match expr {
        Expr::Identifier(own) => own.value != alias.value,
        Expr::CompoundIdentifier(parts) => parts.last().is_none_or(|own| own.value != alias.value),
        _ => true,
    };
    items.filter(|(alias, expr)| renames(alias, expr)).collect()
}

/// The one table that a select reads, as its columns name it.
fn only_table(select: &Select) -> Option<Ident> {
    let [from] = select.from.as_slice() else {
        return None;
    };
    if !from.joins.is_empty() {
        return None;
    }
    named(&from.relation)
}

fn named(table: &TableFactor) -> Option<Ident> {
    match table {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(alias.name.clone()),
            None => name.0.last().and_then(|part| part.as_ident()).cloned(),
        },
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|alias| alias.name.clone()),
        _ => None,
    }
}

/// Brings the aggregates of an order to the columns below: one of the select list is that column of it, another names its table.
struct Below<'a> {
    select: &'a Select,
}

impl VisitorMut for Below<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(call) = &*expr else {
            return ControlFlow::Continue(());
        };
        let given = given(self.select);
        if !is_aggregate(call) || !names_one(expr, &given) {
            return ControlFlow::Continue(());
        }
        let text = expr.to_string();
        let same = given.iter().find(|(_, own)| own.to_string() == text);
        if let Some((alias, _)) = same {
            *expr = Expr::Identifier((*alias).clone());
            return ControlFlow::Continue(());
        }
        if let Some(table) = only_table(self.select) {
            let names = given.iter().map(|(alias, _)| alias.value.clone());
            let mut of_table = OfTable {
                table,
                names: names.collect(),
            };
            walks::edit(expr, &mut of_table);
        }
        ControlFlow::Continue(())
    }
}

fn names_one(expr: &Expr, given: &[(&Ident, &Expr)]) -> bool {
    struct Names<'a>(&'a [(&'a Ident, &'a Expr)], bool);
    impl Visitor for Names<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::Identifier(name) = expr {
                self.1 |= self.0.iter().any(|(alias, _)| alias.value == name.value);
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(given, false);
    walks::read(expr, &mut names);
    names.1
}

struct OfTable {
    table: Ident,
    names: BTreeSet<String>,
}

impl VisitorMut for OfTable {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr
            && self.names.contains(&name.value)
        {
            *expr = Expr::CompoundIdentifier(vec![self.table.clone(), name.clone()]);
        }
        ControlFlow::Continue(())
    }
}

/// `group by all` as the numbers of the columns without aggregates, where a condition on groups may name one.
fn counted(select: &mut Select) {
    let all = matches!(&select.group_by, GroupByExpr::All(modifiers) if modifiers.is_empty());
    if !all || select.having.is_none() && select.qualify.is_none() {
        return;
    }
    let mut keys = Vec::new();
    for (at, item) in select.projection.iter().enumerate() {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            return;
        };
        if !aggregates(expr) {
            let number = Value::Number((at + 1).to_string(), false);
            keys.push(Expr::Value(number.with_empty_span()));
        }
    }
    select.group_by = GroupByExpr::Expressions(keys, Vec::new());
}

fn aggregates(expr: &Expr) -> bool {
    #[derive(Default)]
    struct Search {
        depth: usize,
        found: bool,
    }
    impl Visitor for Search {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.found |=
                self.depth == 0 && matches!(expr, Expr::Function(call) if is_aggregate(call));
            ControlFlow::Continue(())
        }
    }
    let mut search = Search::default();
    walks::read(expr, &mut search);
    search.found
}

/// `(a, b) in (select …)`, where only its truth counts, as `exists (select 1 from (select …) … where … = a and … = b)`.
fn tuples(condition: &mut Expr) {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And | BinaryOperator::Or,
            right,
        } => {
            tuples(left);
            tuples(right);
        }
        Expr::Nested(inner) => tuples(inner),
        Expr::InSubquery {
            expr,
            subquery,
            negated: false,
        } => {
            let Expr::Tuple(values) = expr.as_ref() else {
                return;
            };
            let column = |at: usize| Ident::with_quote('"', format!("{HIDDEN}{at}"));
            let equal = values.iter().enumerate().map(|(at, value)| Expr::BinaryOp {
                left: Box::new(Expr::Identifier(column(at))),
                op: BinaryOperator::Eq,
                right: Box::new(value.clone()),
            });
            let all = equal.reduce(|left, right| Expr::BinaryOp {
                left: Box::new(left),
                op: BinaryOperator::And,
                right: Box::new(right),
            });
            let Some(exists) = exists_over(subquery, values.len(), column, all) else {
                return;
            };
            *condition = exists;
        }
        _ => {}
    }
}

fn exists_over(
    subquery: &Query,
    width: usize,
    column: impl Fn(usize) -> Ident,
    condition: Option<Expr>,
) -> Option<Expr> {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;
    // The frame alone is read from a text.
    let text = "select 1 from (select 1) where true";
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(text).ok()?;
    let mut query = parser.parse_query().ok()?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return None;
    };
    select.selection = condition;
    let from = select.from.first_mut()?;
    let TableFactor::Derived {
        subquery: inner,
        alias,
        ..
    } = &mut from.relation
    else {
        return None;
    };
    **inner = subquery.clone();
    let columns = (0..width).map(|at| TableAliasColumnDef {
        name: column(at),
        data_type: None,
    });
    *alias = Some(TableAlias {
        explicit: true,
        name: Ident::with_quote('"', format!("{HIDDEN}in")),
        columns: columns.collect(),
        at: None,
    });
    Some(Expr::Exists {
        subquery: query,
        negated: false,
    })
}

/// The text with its tables called by names that no column has: `t.k` is a field of a column `t` only where no table is called so.
pub(crate) fn tables_apart(statement: &mut Statement) {
    struct Tables(BTreeSet<String>);
    impl Visitor for Tables {
        type Break = ();

        fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<()> {
            self.0.extend(named(table).map(|name| name.value));
            ControlFlow::Continue(())
        }
    }
    let mut tables = Tables(BTreeSet::new());
    walks::read(statement, &mut tables);
    walks::edit(statement, &mut Apart(tables.0));
}

struct Apart(BTreeSet<String>);

impl Apart {
    fn renamed(&self, name: &mut Ident) {
        if self.0.contains(&name.value) {
            name.value = format!("{HIDDEN}{}", name.value);
            name.quote_style = Some('"');
        }
    }
}

impl VisitorMut for Apart {
    type Break = ();

    fn pre_visit_table_factor(&mut self, table: &mut TableFactor) -> ControlFlow<()> {
        let Some(mut name) = named(table) else {
            return ControlFlow::Continue(());
        };
        self.renamed(&mut name);
        if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = table {
            match alias {
                Some(alias) => alias.name = name,
                None => {
                    *alias = Some(TableAlias {
                        explicit: true,
                        name,
                        columns: Vec::new(),
                        at: None,
                    });
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ObjectName(parts)),
                _,
            ) = item
                && let [ObjectNamePart::Identifier(name)] = parts.as_mut_slice()
            {
                self.renamed(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let Some(first) = parts.first_mut()
        {
            self.renamed(first);
        }
        ControlFlow::Continue(())
    }
}
