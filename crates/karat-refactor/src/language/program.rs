//! The small tree that Python, Scala and R are read into, so that values, calls and rules are understood once for all three.
//!
//! It keeps what can carry a table name: texts with the way back to their bytes, names, attributes, calls, sums, assignments,
//! functions and loops. Everything else is `Other` with its children. What a call means is said in [`super::calls`], what a name can be
//! in [`super::values`]. All ranges are bytes of the text of one cell.

use std::ops::Range;
use std::sync::Arc;

/// Deeper nesting than this is not followed; what lies deeper is left to a person.
pub const DEPTH_MAX: usize = 1_500;

/// How much stack one level of a walk may need, and how much is added when it runs out.
const STACK_LEFT: usize = 128 * 1024;
const STACK_MORE: usize = 2 * 1024 * 1024;

/// Runs one level of a recursive walk with enough stack for it.
pub fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_LEFT, STACK_MORE, level)
}

/// One cell or file.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The statements in the order of the text.
    pub body: Vec<Statement>,
    /// Comments, with their mark.
    pub comments: Vec<Range<usize>>,
    /// Stretches that the grammar did not understand or that lie too deep; sorted.
    pub broken: Vec<Range<usize>>,
    /// Every text of the program, also those in stretches that are passed over; sorted.
    pub texts: Vec<Range<usize>>,
    /// Commands for a shell, as `!ls` in IPython.
    pub shell: Vec<Range<usize>>,
    /// The holes of texts, braces included: code within a text.
    pub holes: Vec<Range<usize>>,
    /// Why there is nothing of all this, if it was not parsed.
    pub not_parsed: Option<&'static str>,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// An expression for its effect; in Scala and R the last one of a block is its value.
    Expression(Expression),
    /// `target = value`; `target += value` if `adds`.
    Assign {
        /// What is assigned.
        target: Expression,
        /// The value.
        value: Expression,
        /// Whether it is added to what is there.
        adds: bool,
    },
    /// A function.
    Function(Arc<Function>),
    /// A class or object: its body.
    Class {
        /// Its name.
        name: String,
        /// Constructor parameters, where the language writes them at the head.
        parameters: Vec<Parameter>,
        /// What stands in it.
        body: Vec<Statement>,
    },
    /// A loop over the elements of something.
    For {
        /// What each element is bound to.
        target: Expression,
        /// What is looped over.
        iterable: Expression,
        /// The body.
        body: Vec<Statement>,
    },
    /// A loop while a condition holds.
    While {
        /// The condition.
        condition: Expression,
        /// The body.
        body: Vec<Statement>,
    },
    /// One of several bodies runs, or none.
    Branch {
        /// The conditions and subjects, evaluated first.
        conditions: Vec<Expression>,
        /// The bodies.
        arms: Vec<Vec<Statement>>,
        /// Whether one of the arms runs in any case.
        complete: bool,
    },
    /// A body that may stop anywhere: `try`.
    Try {
        /// The body.
        body: Vec<Statement>,
        /// What runs if all of the body did.
        otherwise: Vec<Statement>,
        /// One of these runs if it stopped; without any, so does what is around it.
        handlers: Vec<Vec<Statement>>,
        /// What runs in any case.
        finally: Vec<Statement>,
    },
    /// A statement that runs its body once, as `with`.
    Block {
        /// What is bound first, as in `with a as b`.
        bindings: Vec<(Option<Expression>, Expression)>,
        /// The body.
        body: Vec<Statement>,
    },
    /// Leaves the function with a value.
    Return(Option<Expression>),
    /// Raises an error: what stands behind it is not reached.
    Raise(Expression),
    /// `import module`, `from module import names`, `library(module)`.
    Import {
        /// The statement.
        span: Range<usize>,
        /// The module as written.
        module: String,
        /// The names, each with the name it gets here.
        names: Vec<(String, String)>,
    },
    /// `global`, `del` and whatever is not understood: names that are no longer known.
    Forget(Vec<String>),
}

/// A function or method.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name; empty for a lambda.
    pub name: String,
    /// All of it.
    pub span: Range<usize>,
    /// The parameters in order.
    pub parameters: Vec<Parameter>,
    /// What it does.
    pub body: Vec<Statement>,
    /// Python's decorators.
    pub decorators: Vec<Expression>,
    /// Whether the value of the last statement is what it returns.
    pub last_is_value: bool,
}

/// A parameter of a function.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its default.
    pub default: Option<Expression>,
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Its bytes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text.
    Text(Text),
    /// A number, `True`, `None`.
    Constant(String),
    /// A name.
    Name(String),
    /// `object.name`, `object$name`, `package::name`.
    Attribute {
        /// The object.
        object: Box<Expression>,
        /// The attribute.
        name: String,
    },
    /// A call.
    Call {
        /// What is called.
        function: Box<Expression>,
        /// The arguments.
        arguments: Vec<Argument>,
    },
    /// `a + b + c` of Python and Scala, `paste0(a, b, c)` of R, and neighbouring texts: put together if they are texts.
    Sum(Vec<Expression>),
    /// `format % value`.
    Percent {
        /// The format.
        format: Box<Expression>,
        /// The value or values.
        value: Box<Expression>,
    },
    /// `a == b`, `a in b`, `a != b`.
    Comparison(Vec<Expression>),
    /// `object[index]`.
    Index {
        /// The object.
        object: Box<Expression>,
        /// The index.
        index: Box<Expression>,
    },
    /// A list, tuple, set, `Seq(…)`, `c(…)`.
    List(Vec<Expression>),
    /// A dictionary, `Map(a -> b)`.
    Map(Vec<(Expression, Expression)>),
    /// One of these: `a if c else b`, `a or b`, `if (c) a else b`.
    Choice {
        /// The condition, if there is one.
        condition: Option<Box<Expression>>,
        /// What it can be.
        arms: Vec<Expression>,
    },
    /// A function without a name.
    Lambda(Arc<Function>),
    /// `[element for target in iterable if condition]`.
    Comprehension {
        /// The loops, from left to right.
        loops: Vec<(Expression, Expression)>,
        /// The conditions.
        conditions: Vec<Expression>,
        /// The element.
        element: Box<Expression>,
    },
    /// Statements in the place of an expression; the value is that of the last one.
    Block(Vec<Statement>),
    /// Anything else.
    Other(Vec<Expression>),
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Argument {
    /// Its name, if it is named.
    pub name: Option<String>,
    /// Whether it stands for several, as `*a` and `**a`.
    pub spread: bool,
    /// Its value.
    pub value: Expression,
}

/// A text of the program, quotes included.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its parts from left to right.
    pub parts: Vec<TextPart>,
    /// How new text must be written in it.
    pub writing: &'static super::literal::Writing,
    /// Whether it is a text of bytes.
    pub bytes: bool,
    /// Whether a hole changes what it is given, as `raw` and `sql` interpolators of others do: the text is not known for sure.
    pub foreign: bool,
}

/// A part of a text.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// Bytes that stand for themselves.
    Verbatim(Range<usize>),
    /// An escape sequence and what it stands for.
    Escape(Range<usize>, String),
    /// A value, braces included.
    Hole {
        /// Its bytes, braces and dollar included.
        span: Range<usize>,
        /// The value.
        value: Box<Expression>,
        /// Whether it is put in as it is: without a format, conversion or `=`.
        plain: bool,
    },
}

impl Program {
    /// A text without a tree, and why.
    pub fn not_parsed(text: &str, why: &'static str) -> Self {
        let mut program = Self {
            not_parsed: Some(why),
            ..Self::default()
        };
        program.broken.push(0..text.len());
        program
    }
}

impl Expression {
    /// An expression of a kind.
    pub fn new(span: Range<usize>, kind: Kind) -> Self {
        Self { span, kind }
    }

    /// The same in a place where it may not be evaluated.
    pub fn if_at_all(self) -> Self {
        let span = self.span.clone();
        let branch = Statement::Branch {
            conditions: Vec::new(),
            arms: vec![vec![Statement::Expression(self)]],
            complete: false,
        };
        Self::new(span, Kind::Block(vec![branch]))
    }

    /// Names joined by dots, as `spark.read`, if it is no more than that.
    pub fn dotted(&self) -> Option<String> {
        match &self.kind {
            Kind::Name(name) => Some(name.clone()),
            Kind::Attribute { object, name } => Some(format!("{}.{name}", object.dotted()?)),
            _ => None,
        }
    }

    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) => Some(name),
            _ => None,
        }
    }
}

impl Default for Expression {
    fn default() -> Self {
        Self::new(0..0, Kind::Other(Vec::new()))
    }
}
