//! `x at time zone 'zone'`, which DataFusion takes for a cast, as the call of karat's function.

use std::ops::ControlFlow;

use crate::walks;
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Value, VisitMut, VisitorMut,
};

/// Replaces the operator everywhere in a parsed text.
pub(crate) fn at_time_zone_as_call(text: &mut impl VisitMut) {
    walks::edit(text, &mut Zones);
}

struct Zones;

impl VisitorMut for Zones {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::AtTimeZone { .. }) {
            let nothing = Expr::Value(Value::Null.with_empty_span());
            if let Expr::AtTimeZone {
                timestamp,
                time_zone,
            } = std::mem::replace(expr, nothing)
            {
                *expr = call(*timestamp, *time_zone);
            }
        }
        ControlFlow::Continue(())
    }
}

fn call(timestamp: Expr, zone: Expr) -> Expr {
    let args = [timestamp, zone]
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new("at_time_zone")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
