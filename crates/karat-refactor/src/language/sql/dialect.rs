//! SQL that is not that of Databricks: T-SQL, PL/SQL and that of DB2, told by signs that Databricks SQL does not have. Their tables are not those of
//! the metastore, even where a schema is called like a database of the mapping, so what would be rewritten is left to a person.
//!
//! It is asked only where nothing says who runs the SQL: files, and cells of notebooks that are not Databricks' own. One sign is enough;
//! what it costs to see one too many is a question.

use std::ops::Range;
use std::sync::Arc;

use super::lexer::{self, Kind, Token, Tokens};
use crate::fragment::Fragment;
use crate::occurrence::{Doubt, rule};
use crate::reader::Reader;

/// Reads a SQL text that may be of another system.
pub(crate) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let from = reader.occurrences();
    reader
        .cells
        .push((Arc::clone(fragment), crate::language::Language::Sql));
    super::read(reader, fragment);
    if let Some(sign) = sign(fragment.text()) {
        leave_to_a_person(reader, from, sign);
    } else if let Some(place) = place_of_another_system(reader)
        && !is_of_spark(fragment.text())
    {
        let sign = format!("a script in {place} without a word of Spark");
        leave_to_a_person(reader, from, &sign);
    }
}

/// Where a script lies, if that tells of another system.
fn place_of_another_system(reader: &Reader<'_>) -> Option<String> {
    let in_project = reader
        .facts
        .sql_server_projects
        .iter()
        .any(|folder| reader.asset.starts_with(folder.as_str()));
    if in_project {
        return Some("a project of SQL Server".to_owned());
    }
    system_of_path(reader.asset).map(|system| format!("`{system}`"))
}

/// Systems that folders of scripts are named after.
const SYSTEMS: &[&str] = &[
    "azuresql",
    "azuresqldb",
    "azuresqldw",
    "bigquery",
    "db2",
    "greenplum",
    "mariadb",
    "mssql",
    "mysql",
    "netezza",
    "oracle",
    "plsql",
    "postgres",
    "postgresql",
    "redshift",
    "snowflake",
    "sqldw",
    "sqlserver",
    "teradata",
    "tsql",
    "vertica",
];

/// Words of Spark and Hive that none of these systems has.
const SPARK_WORDS: &[&str] = &[
    "cluster by",
    "create widget",
    "dbfs:",
    "describe history",
    "distribute by",
    "insert overwrite",
    "lateral view",
    "msck",
    "optimize ",
    "partitioned by",
    "restore table",
    "stored as",
    "tblproperties",
    "using csv",
    "using delta",
    "using json",
    "using orc",
    "using parquet",
    "vacuum ",
    "zorder",
];

/// The system that a folder or file of a path is named after, as its words tell: `sql/redshift_views/a.sql`.
fn system_of_path(path: &str) -> Option<&str> {
    path.split(|letter: char| !letter.is_ascii_alphanumeric())
        .find(|word| {
            SYSTEMS
                .iter()
                .any(|system| word.eq_ignore_ascii_case(system))
        })
}

fn is_of_spark(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    SPARK_WORDS.iter().any(|words| lower.contains(words))
}

/// Leaves all names from an occurrence on to a person, because of a sign.
pub(crate) fn leave_to_a_person(reader: &mut Reader<'_>, from: usize, sign: &str) {
    let doubt = Doubt::new(
        rule::OTHER_DIALECT,
        format!(
            "{sign} is no Databricks SQL, so this seems to be a table of another system; if it is one of the metastore, `karat refactor decide` settles it"
        ),
    );
    for index in from..reader.occurrences() {
        reader.demote(index, doubt.clone());
    }
}

/// Words that stand in no Databricks SQL: types, options, functions and schemas of SQL Server, Synapse, Oracle, PostgreSQL, Redshift and DB2.
const FOREIGN_WORDS: &[&str] = &[
    "az64",
    "columnstore",
    "datetime2",
    "distkey",
    "diststyle",
    "nocount",
    "nolock",
    "nvarchar",
    "openrowset",
    "plpgsql",
    "sortkey",
    "sysibm",
    "tablespace",
    "varchar2",
];

/// Words that a name follows, so that brackets behind them are no subscript.
const BEFORE_A_NAME: &[&str] = &[
    "as",
    "by",
    "database",
    "delete",
    "distinct",
    "exec",
    "execute",
    "from",
    "function",
    "into",
    "join",
    "on",
    "proc",
    "procedure",
    "schema",
    "select",
    "table",
    "update",
    "use",
    "view",
];

/// The head of a procedure, up to its body, is looked for so far.
const HEAD_TOKENS_MAX: usize = 4096;

/// The first sign that a text is SQL of another system, in words.
pub(crate) fn sign(text: &str) -> Option<&'static str> {
    let mut tokens = lexer::tokens(text);
    tokens.retain(|token| !matches!(token.kind, Kind::Blank | Kind::Comment));
    let tokens = Statements { text, tokens };
    (0..tokens.tokens.len()).find_map(|at| tokens.sign_at(at))
}

/// The tokens of a text without blanks and comments.
struct Statements<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

impl Tokens for Statements<'_> {
    fn text(&self) -> &str {
        self.text
    }

    fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

impl Statements<'_> {
    fn sign_at(&self, at: usize) -> Option<&'static str> {
        let next = self.token_text(at + 1);
        match self.kind(at)? {
            Kind::Word => {
                if self.is(at, "go") && self.is_alone_on_its_line(at) {
                    Some("a batch that ends with `GO`")
                } else if self.is(at, "dbo") && next == "." {
                    Some("the schema `dbo`")
                } else if self.token_text(at) == "N" && next.starts_with('\'') && self.touches(at) {
                    Some("a text `N'…'`")
                } else if FOREIGN_WORDS.iter().any(|word| self.is(at, word)) {
                    Some("a word of SQL Server, Oracle, PostgreSQL, Redshift or DB2")
                } else if self.is_call_of_a_procedure(at) {
                    Some("`EXEC` of a procedure")
                } else if self.makes_a_procedure(at) {
                    Some("a procedure without `LANGUAGE SQL`")
                } else if self.makes_a_variable(at) {
                    Some("`CREATE VARIABLE`")
                } else if self.is(at, "immediate") && self.ends_a_truncation(at) {
                    Some("`TRUNCATE … IMMEDIATE`")
                } else if self.is(at, "fetch")
                    && self.is(at + 1, "first")
                    && self.is_one_of(at + 3, &["row", "rows"])
                {
                    Some("`FETCH FIRST … ROWS`")
                } else {
                    None
                }
            }
            Kind::Quoted if self.token_text(at).eq_ignore_ascii_case("`dbo`") && next == "." => {
                Some("the schema `dbo`")
            }
            Kind::Symbol => match self.token_text(at) {
                "@" if self.is_variable(at) => Some("a variable `@…`"),
                "[" if self.is_name_in_brackets(at) => Some("a name in brackets"),
                ":" if next == "=" && self.touches(at) => Some("an assignment `:=`"),
                "/" if self.is_alone_on_its_line(at) => Some("a block that ends with `/`"),
                _ => None,
            },
            _ => None,
        }
    }

    fn range(&self, at: usize) -> Range<usize> {
        self.tokens
            .get(at)
            .map_or(self.text.len()..self.text.len(), |token| {
                token.range.clone()
            })
    }

    /// Whether nothing lies between a token and the next.
    fn touches(&self, at: usize) -> bool {
        self.range(at).end == self.range(at + 1).start
    }

    /// Looks back no further than to the first letter: a line may hold the whole text.
    fn is_first_on_its_line(&self, at: usize) -> bool {
        let before = self.text[..self.range(at).start].chars().rev();
        let mut before = before.skip_while(|c| c.is_whitespace() && !matches!(c, '\n' | '\r'));
        matches!(before.next(), None | Some('\n' | '\r'))
    }

    fn is_alone_on_its_line(&self, at: usize) -> bool {
        if !self.is_first_on_its_line(at) {
            return false;
        }
        let behind = &self.text[self.range(at).end..];
        let behind = behind.split(['\n', '\r']).next().unwrap_or_default().trim();
        behind.is_empty() || behind == ";" || behind.starts_with("--")
    }

    /// `@x`, `@@rowcount`; not `orders@v12`, which is a version of a table.
    fn is_variable(&self, at: usize) -> bool {
        let named = matches!(self.kind(at + 1), Some(Kind::Word)) || self.token_text(at + 1) == "@";
        let before = self.text[..self.range(at).start].chars().next_back();
        let apart =
            before.is_none_or(|letter| letter.is_whitespace() || "(,=+-*/<>%|;".contains(letter));
        named && self.touches(at) && apart
    }

    /// `[Order Details]` where a name stands; not `items[0]`, `items[i]` or `raw:items[*]`.
    fn is_name_in_brackets(&self, at: usize) -> bool {
        let named = self
            .token_text(at + 1)
            .starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
        let close = (at + 1..self.tokens.len()).find(|at| self.kind(*at) != Some(Kind::Word));
        let whole = close.is_some_and(|close| self.token_text(close) == "]");
        let no_subscript = at == 0
            || matches!(self.token_text(at - 1), "." | "," | "(" | ";")
            || self.is_one_of(at - 1, BEFORE_A_NAME);
        named && whole && no_subscript
    }

    /// `EXEC sales.load`, `exec sp_help 'x'`, `execute('…')` at the beginning of a line; not `execute immediate`, nor a column of that name.
    fn is_call_of_a_procedure(&self, at: usize) -> bool {
        if !self.is_one_of(at, &["exec", "execute"]) {
            return false;
        }
        let in_a_list = at > 0
            && (matches!(self.token_text(at - 1), "," | "(" | ".")
                || self.is_one_of(at - 1, BEFORE_A_NAME));
        let called = match self.kind(at + 1) {
            Some(Kind::Word) => !self.is_one_of(at + 1, &["as", "from", "immediate"]),
            _ => self.token_text(at + 1) == "(" && self.kind(at + 2) == Some(Kind::String),
        };
        self.is_first_on_its_line(at) && !in_a_list && called
    }

    /// `CREATE OR REPLACE VARIABLE sales.first_day`; Databricks declares variables.
    fn makes_a_variable(&self, at: usize) -> bool {
        let what = match self.is(at + 1, "or") {
            true => at + 3,
            false => at + 1,
        };
        self.is(at, "create")
            && self.is(what, "variable")
            && self.kind(what + 1) == Some(Kind::Word)
    }

    /// `TRUNCATE TABLE sales.orders IMMEDIATE`.
    fn ends_a_truncation(&self, at: usize) -> bool {
        let mut before = (at.saturating_sub(7)..at).rev();
        before
            .find(|at| self.is_one_of(*at, &["truncate", "execute", ";"]))
            .is_some_and(|at| self.is(at, "truncate"))
    }

    /// `CREATE OR ALTER PROC`, `CREATE PROCEDURE … AS BEGIN`, `CREATE PACKAGE`; Databricks' own say `LANGUAGE SQL` in front of the body.
    fn makes_a_procedure(&self, at: usize) -> bool {
        if !self.is_one_of(at, &["create", "alter"]) {
            return false;
        }
        let or = self.is(at + 1, "or");
        let what = if or { at + 3 } else { at + 1 };
        if self.is_one_of(what, &["proc", "package", "trigger"]) {
            return true;
        }
        self.is(what, "procedure")
            && (what + 1..self.tokens.len().min(what + HEAD_TOKENS_MAX))
                .find(|at| self.is_one_of(*at, &["language", "as", "is", "begin", ";"]))
                .is_some_and(|at| self.is_one_of(at, &["as", "is", "begin"]))
    }
}
