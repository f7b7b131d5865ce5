//! Walks over parsed texts and over plans. The walks of sqlparser and DataFusion are generic in who walks, and each walker makes the code of the
//! whole tree anew; these are compiled once, and call who walks through a pointer. Whoever walks over a whole tree in this crate does it here.

use std::ops::ControlFlow;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::sqlparser::ast;

/// Reads a parsed text.
pub(crate) type Reader<'a> = &'a mut dyn ast::Visitor<Break = ()>;
/// Changes a parsed text.
pub(crate) type Editor<'a> = &'a mut dyn ast::VisitorMut<Break = ()>;

/// Shows a text to a reader until he breaks off.
pub(crate) fn read(text: &impl ast::Visit, reader: Reader<'_>) {
    let _ = text.visit(&mut AnyReader(reader));
}

/// Hands a text to an editor until he breaks off.
pub(crate) fn edit(text: &mut impl ast::VisitMut, editor: Editor<'_>) {
    let _ = text.visit(&mut AnyEditor(editor));
}

struct AnyReader<'a>(Reader<'a>);
struct AnyEditor<'a>(Editor<'a>);

macro_rules! handed_on {
    ($($method:ident($node:ty)),* $(,)?) => {
        $(fn $method(&mut self, node: $node) -> ControlFlow<()> {
            self.0.$method(node)
        })*
    };
}

impl ast::Visitor for AnyReader<'_> {
    type Break = ();

    handed_on! {
        pre_visit_query(&ast::Query),
        post_visit_query(&ast::Query),
        pre_visit_select(&ast::Select),
        post_visit_select(&ast::Select),
        pre_visit_relation(&ast::ObjectName),
        post_visit_relation(&ast::ObjectName),
        pre_visit_table_factor(&ast::TableFactor),
        post_visit_table_factor(&ast::TableFactor),
        pre_visit_expr(&ast::Expr),
        post_visit_expr(&ast::Expr),
        pre_visit_statement(&ast::Statement),
        post_visit_statement(&ast::Statement),
        pre_visit_value(&ast::ValueWithSpan),
        post_visit_value(&ast::ValueWithSpan),
    }
}

impl ast::VisitorMut for AnyEditor<'_> {
    type Break = ();

    handed_on! {
        pre_visit_query(&mut ast::Query),
        post_visit_query(&mut ast::Query),
        pre_visit_select(&mut ast::Select),
        post_visit_select(&mut ast::Select),
        pre_visit_relation(&mut ast::ObjectName),
        post_visit_relation(&mut ast::ObjectName),
        pre_visit_table_factor(&mut ast::TableFactor),
        post_visit_table_factor(&mut ast::TableFactor),
        pre_visit_expr(&mut ast::Expr),
        post_visit_expr(&mut ast::Expr),
        pre_visit_statement(&mut ast::Statement),
        post_visit_statement(&mut ast::Statement),
        pre_visit_value(&mut ast::ValueWithSpan),
        post_visit_value(&mut ast::ValueWithSpan),
    }
}

/// What a walker says of a node that it changes.
type Change<'a, T> = &'a mut dyn FnMut(T) -> Result<Transformed<T>>;

/// DataFusion's walks of the same names, less the prefix.
pub(crate) trait Walk: TreeNode {
    /// `transform_up`.
    fn walk_up(
        self,
        mut change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>> {
        fn walk<T: TreeNode>(node: T, change: Change<'_, T>) -> Result<Transformed<T>> {
            node.transform_up(change)
        }
        walk(self, &mut change)
    }

    /// `transform_down`.
    fn walk_down(
        self,
        mut change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>> {
        fn walk<T: TreeNode>(node: T, change: Change<'_, T>) -> Result<Transformed<T>> {
            node.transform_down(change)
        }
        walk(self, &mut change)
    }

    /// `apply`.
    fn walk<'n>(
        &'n self,
        mut see: impl FnMut(&'n Self) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        fn walk<'n, T: TreeNode>(
            node: &'n T,
            see: &mut dyn FnMut(&'n T) -> Result<TreeNodeRecursion>,
        ) -> Result<TreeNodeRecursion> {
            node.apply(see)
        }
        walk(self, &mut see)
    }

    /// `exists`.
    fn has(&self, mut is: impl FnMut(&Self) -> Result<bool>) -> Result<bool> {
        let mut found = false;
        self.walk(|node| {
            found = is(node)?;
            Ok(if found {
                TreeNodeRecursion::Stop
            } else {
                TreeNodeRecursion::Continue
            })
        })?;
        Ok(found)
    }
}

impl<T: TreeNode> Walk for T {}

/// The same for what only a plan has.
pub(crate) trait WalkPlan: Sized {
    /// `transform_up_with_subqueries`.
    fn walk_up_with_subqueries(
        self,
        change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>>;

    /// `transform_down_with_subqueries`.
    fn walk_down_with_subqueries(
        self,
        change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>>;

    /// `apply_with_subqueries`.
    fn walk_with_subqueries(
        &self,
        see: impl FnMut(&Self) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion>;

    /// `map_expressions`: those of this node alone.
    fn change_expressions(
        self,
        change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
    ) -> Result<Transformed<Self>>;

    /// `apply_expressions`: those of this node alone.
    fn see_expressions(
        &self,
        see: impl FnMut(&Expr) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion>;
}

impl WalkPlan for LogicalPlan {
    fn walk_up_with_subqueries(
        self,
        mut change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>> {
        fn walk(
            plan: LogicalPlan,
            change: Change<'_, LogicalPlan>,
        ) -> Result<Transformed<LogicalPlan>> {
            plan.transform_up_with_subqueries(change)
        }
        walk(self, &mut change)
    }

    fn walk_down_with_subqueries(
        self,
        mut change: impl FnMut(Self) -> Result<Transformed<Self>>,
    ) -> Result<Transformed<Self>> {
        fn walk(
            plan: LogicalPlan,
            change: Change<'_, LogicalPlan>,
        ) -> Result<Transformed<LogicalPlan>> {
            plan.transform_down_with_subqueries(change)
        }
        walk(self, &mut change)
    }

    fn walk_with_subqueries(
        &self,
        mut see: impl FnMut(&Self) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        fn walk(
            plan: &LogicalPlan,
            see: &mut dyn FnMut(&LogicalPlan) -> Result<TreeNodeRecursion>,
        ) -> Result<TreeNodeRecursion> {
            plan.apply_with_subqueries(see)
        }
        walk(self, &mut see)
    }

    fn change_expressions(
        self,
        mut change: impl FnMut(Expr) -> Result<Transformed<Expr>>,
    ) -> Result<Transformed<Self>> {
        fn walk(plan: LogicalPlan, change: Change<'_, Expr>) -> Result<Transformed<LogicalPlan>> {
            plan.map_expressions(change)
        }
        walk(self, &mut change)
    }

    fn see_expressions(
        &self,
        mut see: impl FnMut(&Expr) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        fn walk(
            plan: &LogicalPlan,
            see: &mut dyn FnMut(&Expr) -> Result<TreeNodeRecursion>,
        ) -> Result<TreeNodeRecursion> {
            plan.apply_expressions(see)
        }
        walk(self, &mut see)
    }
}
