//! Walks a parsed query and says what each name stands for.
//!
//! Scopes are kept on a stack: a frame for each query (its CTE names) and one for each SELECT (its relations). A column is
//! traced to tables only where the text alone leaves no doubt; everything else stays undetermined, so that whoever checks
//! columns against declarations never raises a false alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Ident, ObjectName, PipeOperator, Query, Select, SelectFlavor,
    SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins, Visitor,
};
use sqlparser::tokenizer::{Location, Span as ParserSpan};

use crate::passed_over;
use crate::query::{ColumnRef, Derived, Star, TableRef, column_names};
use crate::{Position, Span, SqlTextError};

pub(crate) fn span_of(span: ParserSpan) -> Span {
    let position = |at: Location| Position {
        line: at.line.max(1) as u32,
        column: at.column.max(1) as u32,
    };
    Span {
        start: position(span.start),
        end: position(span.end),
    }
}

pub(crate) fn span_of_idents(idents: &[Ident]) -> Span {
    let first = idents
        .first()
        .map_or(ParserSpan::empty(), |ident| ident.span);
    let last = idents.last().map_or(first, |ident| ident.span);
    Span {
        start: span_of(first).start,
        end: span_of(last).end,
    }
}

/// F3: names are compared in lower case, quoted or not.
pub(crate) fn fold(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

/// What a name in FROM stands for.
#[derive(Clone, Copy, Debug)]
enum Relation {
    /// A table of the lake: index into `tables`.
    Table(usize),
    /// A CTE or a subquery with known columns: index into `derived`.
    Derived(usize),
    /// Anything else, like a function: its columns are not known.
    Opaque,
}

#[derive(Debug)]
enum Frame {
    Query {
        /// Each with its columns, if they are known.
        ctes: BTreeMap<String, Option<BTreeSet<String>>>,
        /// SELECTs of the body not yet left; at 0 we are in ORDER BY or LIMIT, where output names count as well.
        selects_left: usize,
    },
    Select {
        /// (written name or alias, domain part where it was written, relation)
        relations: Vec<(String, Option<String>, Relation)>,
        aliases: BTreeSet<String>,
        /// Where the select list ends, if known: an alias is no column inside it.
        list_ends: Option<Location>,
    },
}

/// The walk and what it found.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) tables: Vec<TableRef>,
    pub(crate) derived: Vec<Derived>,
    pub(crate) columns: Vec<ColumnRef>,
    pub(crate) stars: Vec<Star>,
    pub(crate) error: Option<SqlTextError>,
    /// The first query with pipe operators (`|> where …`).
    pub(crate) pipes: Option<Span>,
    frames: Vec<Frame>,
    /// Names that are no columns, found on the way: lambda parameters, fields behind a dot.
    lambda_names: BTreeSet<String>,
    fields: BTreeSet<Location>,
}

impl Names {
    fn refuse(&mut self, span: Span, message: &str, hint: &str) {
        if self.error.is_none() {
            let mut error = SqlTextError::at(span.start, span.length(), message);
            if !hint.is_empty() {
                error = error.hint(hint);
            }
            self.error = Some(error);
        }
    }

    fn refuse_found(&mut self, found: Option<passed_over::Refusal>) {
        if let Some((span, message, hint)) = found {
            self.refuse(span_of(span), message, hint);
        }
    }

    /// The columns of the nearest CTE of this name; the outer `None`: there is none.
    fn cte(&self, name: &str) -> Option<Option<BTreeSet<String>>> {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Query { ctes, .. } => ctes.get(name).cloned(),
            Frame::Select { .. } => None,
        })
    }

    fn add_derived(&mut self, name: String, columns: Option<BTreeSet<String>>) -> Relation {
        match columns {
            Some(columns) => {
                self.derived.push(Derived { name, columns });
                Relation::Derived(self.derived.len() - 1)
            }
            None => Relation::Opaque,
        }
    }

    fn add_relations(
        &mut self,
        from: &TableWithJoins,
        into: &mut Vec<(String, Option<String>, Relation)>,
    ) {
        self.add_relation(&from.relation, into);
        for join in &from.joins {
            self.add_relation(&join.relation, into);
        }
    }

    fn add_relation(
        &mut self,
        factor: &TableFactor,
        into: &mut Vec<(String, Option<String>, Relation)>,
    ) {
        match factor {
            TableFactor::Table {
                name, alias, args, ..
            } => {
                let relation = if args.is_some() {
                    Relation::Opaque
                } else {
                    self.add_table(name)
                };
                let relation = match alias {
                    Some(TableAlias { columns, .. }) if !columns.is_empty() => Relation::Opaque,
                    _ => relation,
                };
                let parts: Vec<String> = name
                    .0
                    .iter()
                    .filter_map(|part| part.as_ident())
                    .map(fold)
                    .collect();
                match (alias, parts.as_slice()) {
                    (Some(alias), _) => into.push((fold(&alias.name), None, relation)),
                    (None, [.., domain, table]) => {
                        into.push((table.clone(), Some(domain.clone()), relation))
                    }
                    (None, [table]) => into.push((table.clone(), None, relation)),
                    (None, []) => into.push((String::new(), None, Relation::Opaque)),
                }
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias,
            } => match alias {
                None => self.add_relations(table_with_joins, into),
                Some(alias) => {
                    self.add_relations(table_with_joins, &mut Vec::new());
                    into.push((fold(&alias.name), None, Relation::Opaque));
                }
            },
            TableFactor::Pivot { table, alias, .. } | TableFactor::Unpivot { table, alias, .. } => {
                self.add_relation(table, &mut Vec::new());
                into.push((
                    alias
                        .as_ref()
                        .map(|alias| fold(&alias.name))
                        .unwrap_or_default(),
                    None,
                    Relation::Opaque,
                ));
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                let name = alias
                    .as_ref()
                    .map(|alias| fold(&alias.name))
                    .unwrap_or_default();
                let columns = column_names(&subquery.body, alias.as_ref());
                let relation = self.add_derived(name.clone(), columns);
                into.push((name, None, relation));
            }
            TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. } => {
                into.push((
                    alias
                        .as_ref()
                        .map(|alias| fold(&alias.name))
                        .unwrap_or_default(),
                    None,
                    Relation::Opaque,
                ));
            }
            _ => into.push((String::new(), None, Relation::Opaque)),
        }
    }

    fn add_table(&mut self, name: &ObjectName) -> Relation {
        let idents: Vec<Ident> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident().cloned())
            .collect();
        let parts: Vec<String> = idents.iter().map(fold).collect();
        if let [single] = parts.as_slice()
            && let Some(columns) = self.cte(single)
        {
            return self.add_derived(single.clone(), columns);
        }
        self.tables.push(TableRef {
            parts,
            span: span_of_idents(&idents),
        });
        Relation::Table(self.tables.len() - 1)
    }

    /// The relations a bare column can come from, or `None` if the text leaves a doubt.
    fn trace_bare(&self, ident: &Ident) -> Option<Vec<Relation>> {
        let name = fold(ident);
        if self.lambda_names.contains(&name)
            || name.starts_with('@')
            || self.fields.contains(&ident.span.start)
        {
            return None;
        }
        let mut candidates = Vec::new();
        for frame in self.frames.iter().rev() {
            match frame {
                Frame::Query {
                    selects_left: 0, ..
                } => return None,
                Frame::Query { .. } => {}
                Frame::Select {
                    relations,
                    aliases,
                    list_ends,
                } => {
                    let in_list = list_ends.is_some_and(|end| ident.span.start < end);
                    if aliases.contains(&name) && !in_list {
                        return None;
                    }
                    for (alias, _, relation) in relations {
                        match relation {
                            Relation::Opaque => return None,
                            // A whole row by its table's name.
                            _ if *alias == name => return None,
                            known => candidates.push(*known),
                        }
                    }
                }
            }
        }
        (!candidates.is_empty()).then_some(candidates)
    }

    /// The relation that a qualified column comes from, or `None`.
    fn trace_qualified(&self, qualifier: &[String]) -> Option<Relation> {
        let (domain, table) = match qualifier {
            [table] => (None, table),
            [domain, table] => (Some(domain), table),
            _ => return None,
        };
        for frame in self.frames.iter().rev() {
            let relations = match frame {
                Frame::Select { relations, .. } => relations,
                Frame::Query {
                    selects_left: 0, ..
                } => return None,
                Frame::Query { .. } => continue,
            };
            let mut found = relations.iter().filter(|(name, written, _)| {
                name == table && domain.is_none_or(|domain| written.as_ref() == Some(domain))
            });
            match (found.next(), found.next()) {
                (Some((_, _, Relation::Opaque)), _) | (_, Some(_)) => return None,
                (Some((_, _, known)), None) => return Some(*known),
                (None, None) => {}
            }
        }
        None
    }

    fn add_column(&mut self, idents: &[Ident]) {
        let Some(last) = idents.last() else { return };
        if self.fields.contains(&last.span.start) {
            return;
        }
        let parts: Vec<String> = idents.iter().map(fold).collect();
        let span = span_of_idents(&idents[idents.len() - 1..]);
        let [qualifier @ .., name] = parts.as_slice() else {
            return;
        };
        let relations = match qualifier {
            [] => self.trace_bare(last),
            _ => self
                .trace_qualified(qualifier)
                .map(|relation| vec![relation]),
        };
        let (mut tables, mut derived) = (Vec::new(), Vec::new());
        for relation in relations.iter().flatten() {
            match relation {
                Relation::Table(index) => tables.push(*index),
                Relation::Derived(index) => derived.push(*index),
                Relation::Opaque => {}
            }
        }
        self.columns.push(ColumnRef {
            name: name.clone(),
            qualifier: qualifier.to_vec(),
            quoted: (last.quote_style == Some('"')).then(|| last.value.clone()),
            span,
            tables: relations.map(|_| tables),
            derived,
        });
    }
}

fn count_selects(body: &SetExpr) -> usize {
    match body {
        SetExpr::Select(_) => 1,
        SetExpr::SetOperation { left, right, .. } => count_selects(left) + count_selects(right),
        // A bracketed query has a frame of its own; a list of values has no names.
        _ => 0,
    }
}

impl Visitor for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes: BTreeMap<String, Option<BTreeSet<String>>> = query
            .with
            .iter()
            .flat_map(|with| &with.cte_tables)
            .map(|cte| {
                let columns = column_names(&cte.query.body, Some(&cte.alias));
                (fold(&cte.alias.name), columns)
            })
            .collect();
        let selects_left = match query.body.as_ref() {
            // A bracketed query has a frame of its own: outside it, only output names are left.
            SetExpr::Query(_) => 0,
            body => count_selects(body),
        };
        refuse_writes(self, query.body.as_ref());
        self.refuse_found(passed_over::in_query(query));
        if !query.pipe_operators.is_empty() && self.pipes.is_none() {
            self.pipes = Some(span_of(query.body.span()));
        }
        if !query.locks.is_empty() {
            let span = span_of(query.body.span());
            self.refuse(
                span,
                "SQL: a model cannot lock rows",
                "remove `for update` or `for share`",
            );
        }
        self.frames.push(Frame::Query { ctes, selects_left });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for operator in &query.pipe_operators {
            if let PipeOperator::Join(join) = operator {
                self.add_relation(&join.relation, &mut Vec::new());
            }
        }
        self.frames.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.refuse_found(passed_over::in_select(select));
        let mut relations = Vec::new();
        for from in &select.from {
            self.add_relations(from, &mut relations);
        }
        if let Some(into) = &select.into {
            self.refuse(
                span_of(into.span()),
                "SQL: `select into` writes a table",
                "a model is one SELECT; its own name is the table",
            );
        }
        let mut aliases = BTreeSet::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => drop(aliases.insert(fold(alias))),
                SelectItem::ExprWithAliases { aliases: names, .. } => {
                    aliases.extend(names.iter().map(fold))
                }
                SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                    self.stars.push(Star {
                        span: span_of(item.span()),
                    })
                }
                SelectItem::UnnamedExpr(_) => {}
            }
        }
        if select.flavor == SelectFlavor::FromFirstNoSelect {
            self.stars.push(Star {
                span: span_of(
                    select
                        .from
                        .first()
                        .map_or(ParserSpan::empty(), |from| from.span()),
                ),
            });
        }
        let list_ends = match (&select.flavor, select.from.first()) {
            (SelectFlavor::Standard, Some(from)) => {
                Some(from.span().start).filter(|at| at.line > 0)
            }
            _ => None,
        };
        self.frames.push(Frame::Select {
            relations,
            aliases,
            list_ends,
        });
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &Select) -> ControlFlow<()> {
        self.frames.pop();
        if let Some(Frame::Query { selects_left, .. }) = self.frames.last_mut() {
            *selects_left = selects_left.saturating_sub(1);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.refuse_found(passed_over::in_table(factor));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.refuse_found(passed_over::in_expression(expr));
        match expr {
            Expr::Identifier(ident) => self.add_column(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(idents) => self.add_column(idents),
            Expr::CompoundFieldAccess { access_chain, .. } => {
                for access in access_chain {
                    if let AccessExpr::Dot(Expr::Identifier(ident)) = access {
                        self.fields.insert(ident.span.start);
                    }
                }
            }
            Expr::Lambda(lambda) => {
                for parameter in lambda.params.iter() {
                    self.lambda_names.insert(fold(&parameter.name));
                }
            }
            // In this dialect `e -> e + 1` reads as an operator; its left side may be a parameter.
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Arrow,
                ..
            } => {
                if let Expr::Identifier(ident) = left.as_ref() {
                    self.lambda_names.insert(fold(ident));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn refuse_writes(names: &mut Names, body: &SetExpr) {
    let verb = match body {
        SetExpr::Insert(_) => "insert",
        SetExpr::Update(_) => "update",
        SetExpr::Delete(_) => "delete",
        SetExpr::Merge(_) => "merge",
        SetExpr::Table(_) => "table",
        SetExpr::SetOperation { left, right, .. } => {
            refuse_writes(names, left);
            return refuse_writes(names, right);
        }
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => return,
    };
    let span = span_of(body.span());
    names.refuse(
        span,
        &format!("SQL: `{verb}` is not a SELECT"),
        "write exactly one SELECT",
    );
}
