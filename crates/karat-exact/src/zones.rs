//! `x at time zone 'zone'`, which DataFusion takes for a cast, as the call of karat's function.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Value, VisitMut, VisitorMut};

use crate::spellings::call;
use crate::walks;

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
                *expr = call("at_time_zone", vec![*timestamp, *time_zone]);
            }
        }
        ControlFlow::Continue(())
    }
}
