//! Long chains of operators, as programs write them: `a or b or c …`. Each operator is a level of the tree that a text is read as, and
//! what walks a tree takes a stack, and time, by its depth.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Value, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{SqlError, SqlErrorKind};
use crate::walks;

/// How many operators may stand in one chain: each is a level of its tree, and the whole is walked many times.
const CHAIN: usize = 5_000;

pub(crate) fn refuse_long(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    // For each open bracket, the operators since its last comma.
    let mut open = vec![0];
    for token in tokens {
        let chained = match &token.token {
            Token::LParen | Token::LBracket => {
                open.push(0);
                continue;
            }
            Token::RParen | Token::RBracket => {
                open.pop();
                continue;
            }
            Token::Comma => {
                open.pop();
                open.push(0);
                continue;
            }
            Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::Mod => true,
            Token::StringConcat | Token::Pipe | Token::Ampersand | Token::DoubleColon => true,
            Token::Word(word) => matches!(
                word.keyword,
                Keyword::AND | Keyword::OR | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT
            ),
            _ => false,
        };
        if let (true, Some(count)) = (chained, open.last_mut()) {
            *count += 1;
            if *count > CHAIN {
                return Err(SqlError {
                    message: format!("more than {CHAIN} operators stand in one chain"),
                    line: Some(token.span.start.line),
                    column: Some(token.span.start.column),
                    hint: Some(
                        "write many values as `in (…)`, or as a table that is joined".to_owned(),
                    ),
                    kind: SqlErrorKind::Refused,
                });
            }
        }
    }
    Ok(())
}

/// Chains with fewer operands stay as they are.
const SHORT: usize = 32;

/// Reads long chains of `and` and of `or` as trees that are as deep as they must be: what they say does not depend on where it begins.
pub(crate) fn balanced(text: &mut impl VisitMut) {
    walks::edit(text, &mut Balanced);
}

struct Balanced;

impl VisitorMut for Balanced {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let op = match expr {
            Expr::BinaryOp { op, .. } => op.clone(),
            _ => return ControlFlow::Continue(()),
        };
        if !matches!(op, BinaryOperator::And | BinaryOperator::Or) || operands(expr, &op) < SHORT {
            return ControlFlow::Continue(());
        }
        let mut all = Vec::new();
        let mut rest = std::mem::replace(expr, nothing());
        loop {
            rest = match rest {
                Expr::BinaryOp {
                    left,
                    op: of,
                    right,
                } if of == op => {
                    all.push(*right);
                    *left
                }
                first => {
                    all.push(first);
                    break;
                }
            };
        }
        all.reverse();
        *expr = tree(all, &op);
        ControlFlow::Continue(())
    }
}

fn operands(mut expr: &Expr, op: &BinaryOperator) -> usize {
    let mut count = 1;
    while let Expr::BinaryOp { left, op: of, .. } = expr
        && of == op
    {
        count += 1;
        expr = left;
    }
    count
}

fn tree(mut operands: Vec<Expr>, op: &BinaryOperator) -> Expr {
    match operands.len() {
        0 => nothing(),
        1 => operands.remove(0),
        count => {
            let right = operands.split_off(count / 2);
            Expr::BinaryOp {
                left: Box::new(tree(operands, op)),
                op: op.clone(),
                right: Box::new(tree(right, op)),
            }
        }
    }
}

fn nothing() -> Expr {
    Expr::value(Value::Null)
}
