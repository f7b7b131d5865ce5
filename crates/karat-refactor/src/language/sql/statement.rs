//! One statement after the other: the clauses in which names stand, what is only an alias or a common table expression, and what the
//! statement does to the session. Statements that open with an unknown word are left alone; their candidates go to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::lexer::{self, Kind, Token, Tokens};
use super::{script, second_reading, string_inside, with_substitutions};
use crate::fragment::Fragment;
use crate::language::program::{DEPTH_MAX, with_stack};
use crate::mapping::{NewTable, TableLookup};
use crate::occurrence::{Doubt, Means, NotATable, Role, rule};
use crate::reader::{NamePart, Reader, Spot, is_called_like_database, of_widget, whole};
use crate::rules::DATABASE_APART;
use crate::session::{Namespace, Value};
use crate::style::Style;

/// Reads all statements of a text.
pub(super) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let text = fragment.text();
    let mut tokens = lexer::tokens(text);
    for token in tokens.iter().filter(|token| token.kind == Kind::Comment) {
        let range = token.range.clone();
        reader.region(fragment, range, Means::NotATable(NotATable::Comment));
    }
    let hints = without_comments(text, &mut tokens);
    for hint in &hints {
        // What no statement tells of it.
        let doubt = Doubt::new(rule::QUALIFIER, "a hint names this");
        reader.region(fragment, hint.clone(), Means::NeedsPerson(doubt));
    }
    script::read(reader, fragment, &tokens, &hints);
}

/// Takes blanks and comments away; the hints among them, `/*+ … */`.
fn without_comments(text: &str, tokens: &mut Vec<Token>) -> Vec<Range<usize>> {
    let mut hints = Vec::new();
    tokens.retain(|token| {
        if token.kind == Kind::Comment && text[token.range.clone()].starts_with("/*+") {
            hints.push(token.range.clone());
        }
        !matches!(token.kind, Kind::Blank | Kind::Comment)
    });
    hints
}

/// Reads a statement, with what `${name}` stands for at this point of the session. `hints` are those of the text.
pub(super) fn run_substituted(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
) {
    substituted(reader, fragment, tokens, hints, true);
}

/// The same for a condition or value of a script.
pub(super) fn expression(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
) {
    substituted(reader, fragment, tokens, hints, false);
}

fn substituted(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
    is_statement: bool,
) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return;
    };
    let range = first.range.start..last.range.end;
    match with_substitutions(reader, fragment, range.clone()) {
        None => {
            let from = hints.partition_point(|hint| hint.start < range.start);
            let to = hints.partition_point(|hint| hint.start < range.end);
            run(reader, fragment, tokens, &hints[from..to], is_statement);
        }
        Some(filled) => {
            let mut tokens = lexer::tokens(filled.text());
            let hints = without_comments(filled.text(), &mut tokens);
            run(reader, &filled, &tokens, &hints, is_statement);
        }
    }
}

fn run(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
    is_statement: bool,
) {
    if tokens.is_empty() {
        return;
    }
    for token in tokens.iter().filter(|token| token.kind == Kind::String) {
        let means = Means::NotATable(NotATable::StringData);
        reader.region(fragment, token.range.clone(), means);
    }
    read_statement(reader, fragment, tokens, hints, is_statement);
}

fn read_statement(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
    is_statement: bool,
) {
    let mut statement = Statement {
        reader,
        fragment,
        text: fragment.text(),
        tokens,
        parentheses: Parentheses::of(fragment.text(), tokens),
        ctes: Vec::new(),
        visible: BTreeMap::new(),
        aliases: BTreeSet::new(),
        implicit: BTreeMap::new(),
        named: BTreeSet::new(),
        chains: Vec::new(),
        seen: BTreeSet::new(),
        read: BTreeSet::new(),
    };
    if !is_statement {
        statement.walk(0, tokens.len(), false, false);
        statement.settle_chains();
    } else if statement.whole(0) {
        for hint in hints {
            statement.hint(hint);
        }
        statement.settle_chains();
        let (seen, read) = (
            std::mem::take(&mut statement.seen),
            std::mem::take(&mut statement.read),
        );
        compare(reader, fragment, tokens, &seen, &read);
    }
}

/// Hints whose arguments are tables; those of others are columns.
const HINTS_OF_TABLES: &[&str] = &[
    "BROADCAST",
    "BROADCASTJOIN",
    "MAPJOIN",
    "MERGE",
    "MERGEJOIN",
    "SHUFFLE_HASH",
    "SHUFFLE_MERGE",
    "SHUFFLE_REPLICATE_NL",
    "SKEW",
];

/// Statements that a parser reads too.
const PARSED: &[&str] = &[
    "SELECT", "WITH", "INSERT", "MERGE", "UPDATE", "DELETE", "CREATE", "FROM",
];

/// Asks the parser what it sees.
fn compare(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    seen: &BTreeSet<usize>,
    read: &BTreeSet<usize>,
) {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else {
        return;
    };
    let text = fragment.text();
    let word = &text[first.range.clone()];
    if seen.is_empty() || !PARSED.iter().any(|known| word.eq_ignore_ascii_case(known)) {
        return;
    }
    let start = first.range.start;
    let relative = seen.iter().map(|at| at - start).collect();
    let Some(found) = second_reading::disagreement(&text[start..last.range.end], &relative) else {
        return;
    };
    let doubt = || {
        Doubt::new(
            rule::TWO_READINGS,
            "a parser and karat's own scan do not agree on whether this is a table",
        )
    };
    let only_scan = |at: &&usize| read.contains(&(start + **at));
    let is_read_otherwise =
        !found.only_parser.is_empty() || found.only_scan.iter().any(|at| only_scan(&at));
    for range in found.only_parser {
        reader.needs_person(
            fragment,
            start + range.start..start + range.end,
            doubt(),
            Vec::new(),
        );
    }
    // With a name put together in it the parser would not read the statement any more, and what it saw otherwise would be gone.
    if is_read_otherwise && reader.options.styles.of(reader.asset) == Style::Parameter {
        for at in seen {
            reader.distrust(fragment, *at, doubt());
        }
        return;
    }
    // The parser does not name every table that a statement changes.
    for at in found.only_scan.iter().filter(only_scan) {
        reader.distrust(fragment, start + at, doubt());
    }
}

/// Words that end a table factor and cannot be its alias.
const NO_ALIAS: &[&str] = &[
    "ANTI",
    "AS",
    "BY",
    "CLUSTER",
    "CROSS",
    "DISTRIBUTE",
    "EXCEPT",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "INNER",
    "INSERT",
    "INTERSECT",
    "JOIN",
    "LATERAL",
    "LOCATION",
    "LEFT",
    "LIMIT",
    "MINUS",
    "NATURAL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "ORDER",
    "PARTITION",
    "PIVOT",
    "QUALIFY",
    "RIGHT",
    "SELECT",
    "SEMI",
    "SET",
    "SORT",
    "TABLESAMPLE",
    "TBLPROPERTIES",
    "TIMESTAMP",
    "UNION",
    "UNPIVOT",
    "USING",
    "VALUES",
    "VERSION",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "COPY_OPTIONS",
    "FILEFORMAT",
    "FORMAT_OPTIONS",
    "TO",
    "IN",
    "THEN",
    "END",
];

/// Words that end the list of a FROM clause.
const ENDS_FROM: &[&str] = &[
    "CLUSTER",
    "DISTRIBUTE",
    "EXCEPT",
    "GROUP",
    "HAVING",
    "INTERSECT",
    "LIMIT",
    "MINUS",
    "ORDER",
    "QUALIFY",
    "SELECT",
    "SET",
    "SORT",
    "UNION",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "INSERT",
];

/// Words that begin a query.
const BEGINS_QUERY: &[&str] = &["SELECT", "WITH", "FROM", "TABLE", "VALUES", "MAP", "REDUCE"];

/// The parentheses of a statement: found once, so that deep nesting costs no more than long text.
struct Parentheses {
    /// The one that closes each one that opens; by index.
    closes: BTreeMap<usize, usize>,
    /// The first token behind a row of opening ones, for each of the row.
    inner: BTreeMap<usize, usize>,
}

impl Parentheses {
    fn of(text: &str, tokens: &[Token]) -> Self {
        let mut open: Vec<usize> = Vec::new();
        let mut closes = BTreeMap::new();
        let mut inner = BTreeMap::new();
        let mut row = 0;
        for (at, token) in tokens.iter().enumerate() {
            match &text[token.range.clone()] {
                "(" if token.kind == Kind::Symbol => {
                    open.push(at);
                    row += 1;
                    continue;
                }
                ")" if token.kind == Kind::Symbol => {
                    closes.extend(open.pop().map(|open| (open, at)));
                }
                _ => {}
            }
            inner.extend((at - row..at).map(|open| (open, at)));
            row = 0;
        }
        let end = tokens.len();
        inner.extend((end - row..end).map(|open| (open, end)));
        closes.extend(open.into_iter().map(|open| (open, end)));
        Self { closes, inner }
    }
}

pub(super) struct Statement<'s, 'r, 'e> {
    reader: &'r mut Reader<'e>,
    fragment: &'s Arc<Fragment>,
    pub(super) text: &'s str,
    pub(super) tokens: &'s [Token],
    parentheses: Parentheses,
    /// Common table expressions that can be seen, in lower case, innermost query last.
    ctes: Vec<Vec<String>>,
    /// In how many of these queries each of them is declared.
    visible: BTreeMap<String, usize>,
    /// Aliases of the statement, implicit ones too, in lower case.
    aliases: BTreeSet<String>,
    /// Tables without an alias, by the name that stands for it, with the new table name.
    implicit: BTreeMap<String, Option<NewTable>>,
    /// Tables by their parts in lower case.
    named: BTreeSet<Vec<String>>,
    /// Dotted names in expressions, and whether a parenthesis follows.
    chains: Vec<(Vec<NamePart>, bool)>,
    /// Where tables stand in queries, by the first byte of their names.
    seen: BTreeSet<usize>,
    /// Those of them that stand in FROM clauses.
    read: BTreeSet<usize>,
}

impl Tokens for Statement<'_, '_, '_> {
    fn text(&self) -> &str {
        self.text
    }

    fn tokens(&self) -> &[Token] {
        self.tokens
    }
}

impl Statement<'_, '_, '_> {
    /// Whether a word, and no name in quotes, is one of these.
    pub(super) fn is_any(&self, at: usize, words: &[&str]) -> bool {
        self.kind(at) == Some(Kind::Word) && self.is_one_of(at, words)
    }

    fn eat(&self, at: &mut usize, word: &str) -> bool {
        let found = self.is(*at, word);
        *at += usize::from(found);
        found
    }

    fn eat_any(&self, at: &mut usize, words: &[&str]) -> bool {
        let found = self.is_any(*at, words);
        *at += usize::from(found);
        found
    }

    fn eat_if_exists(&self, at: &mut usize) {
        if self.is(*at, "IF") {
            let mut next = *at + 1;
            self.eat(&mut next, "NOT");
            if self.eat(&mut next, "EXISTS") {
                *at = next;
            }
        }
    }

    fn is_name(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(Kind::Word | Kind::Quoted))
    }

    /// The first token behind the parentheses that open the statement.
    pub(super) fn behind_open(&self) -> usize {
        self.parentheses.inner.get(&0).copied().unwrap_or(0)
    }

    /// The index of the parenthesis that closes the one at `open`, or the end.
    fn close(&self, open: usize) -> usize {
        if let Some(close) = self.parentheses.closes.get(&open) {
            return *close;
        }
        let mut depth = 0usize;
        for at in open..self.tokens.len() {
            if self.kind(at) == Some(Kind::Symbol) {
                match self.token_text(at) {
                    "(" => depth += 1,
                    ")" => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            return at;
                        }
                    }
                    _ => {}
                }
            }
        }
        self.tokens.len()
    }

    /// The parts of the name that begins here, and the index behind it.
    fn name_at(&self, at: usize) -> Option<(Vec<NamePart>, usize)> {
        name_at(self.text, self.tokens, at)
    }

    /// The statement from `at` on; whether its kind is known.
    fn whole(&mut self, at: usize) -> bool {
        let end = self.tokens.len();
        let mut at = at;
        // Scripts: what stands in front of a statement.
        while self.is_any(at, &["BEGIN", "ELSE", "THEN", "DO", "LOOP"]) {
            at += 1;
        }
        if self.token_text(at) == "(" {
            self.walk(at, end, true, false);
            return true;
        }
        let word = self.token_text(at).to_ascii_uppercase();
        let next = at + 1;
        match word.as_str() {
            "EXPLAIN" => {
                let mut next = next;
                self.eat_any(
                    &mut next,
                    &["EXTENDED", "CODEGEN", "COST", "FORMATTED", "ANALYZE"],
                );
                return self.whole(next);
            }
            "SELECT" | "WITH" | "FROM" | "VALUES" | "TABLE" | "MAP" | "REDUCE" => {
                self.walk(at, end, true, false)
            }
            "INSERT" => self.insert(at, end),
            "CREATE" | "REPLACE" => return self.create(next),
            "MERGE" => self.merge(next),
            "UPDATE" => {
                let next = self.target(next, true);
                self.walk(next, end, true, false);
            }
            "DELETE" => {
                let mut next = next;
                self.eat(&mut next, "FROM");
                let next = self.target(next, true);
                self.walk(next, end, true, false);
            }
            "DROP" => return self.drop(next),
            "ALTER" => return self.alter(next),
            "TRUNCATE" => {
                let mut next = next;
                self.eat(&mut next, "TABLE");
                let next = self.target(next, false);
                self.walk(next, end, false, false);
            }
            "USE" => self.use_statement(next),
            "SET" | "RESET" => self.set(next),
            "SHOW" => return self.show(next),
            "DESCRIBE" | "DESC" => self.describe(next),
            "REFRESH" => {
                let mut next = next;
                if self.eat(&mut next, "FUNCTION") {
                    return false;
                }
                self.eat_any(&mut next, &["TABLE", "STREAMING", "MATERIALIZED"]);
                self.eat_any(&mut next, &["TABLE", "VIEW"]);
                self.named_or_path(next, Role::Name);
            }
            "CACHE" | "UNCACHE" => {
                let mut next = next;
                if self.is(next, "SELECT") {
                    // `CACHE SELECT a FROM t` fills the cache of the disks.
                    self.walk(next, end, true, false);
                    return true;
                }
                self.eat(&mut next, "LAZY");
                self.eat(&mut next, "TABLE");
                self.eat_if_exists(&mut next);
                let cached = self.name_at(next);
                if let Some((parts, behind)) = &cached
                    && (self.is(*behind, "AS") || self.is_any(*behind, BEGINS_QUERY))
                {
                    // `CACHE TABLE x AS SELECT …` makes a temporary view.
                    self.walk(*behind, end, true, false);
                    self.temporary_view(parts);
                } else {
                    self.named_or_path(next, Role::Name);
                }
            }
            "ANALYZE" => {
                let mut next = next;
                if self.eat(&mut next, "TABLES") {
                    self.eat_any(&mut next, &["IN", "FROM"]);
                    self.database(next);
                } else {
                    self.eat(&mut next, "TABLE");
                    self.named_or_path(next, Role::Name);
                }
            }
            "SYNC" => self.sync(next),
            "MSCK" | "FSCK" | "REPAIR" | "REORG" => {
                let mut next = next;
                self.eat(&mut next, "REPAIR");
                self.eat_any(&mut next, &["TABLE", "SCHEMA"]);
                let next = self.named_or_path(next, Role::Write);
                self.walk(next, end, false, false);
            }
            "OPTIMIZE" | "VACUUM" => {
                let next = self.named_or_path(next, Role::Write);
                self.walk(next, end, false, false);
            }
            "RESTORE" => {
                let mut next = next;
                self.eat(&mut next, "TABLE");
                self.named_or_path(next, Role::Write);
            }
            "GENERATE" => {
                let mut next = next + 1;
                self.eat(&mut next, "FOR");
                self.eat(&mut next, "TABLE");
                self.named_or_path(next, Role::Name);
            }
            "CONVERT" => {
                let mut next = next;
                self.eat(&mut next, "TO");
                self.eat(&mut next, "DELTA");
                let next = self.named_or_path(next, Role::Write);
                self.walk(next, end, false, false);
            }
            "COPY" => {
                let mut next = next;
                self.eat(&mut next, "INTO");
                let next = self.target(next, false);
                self.walk(next, end, true, false);
            }
            "LOAD" => self.load(next),
            "GRANT" | "REVOKE" | "DENY" => return self.grant(next),
            "COMMENT" => {
                let mut next = next;
                self.eat(&mut next, "ON");
                if self.eat_any(&mut next, &["DATABASE", "SCHEMA"]) {
                    self.database(next);
                } else if self.eat_any(&mut next, &["TABLE", "VIEW"]) {
                    self.named_or_path(next, Role::Write);
                } else {
                    return false;
                }
            }
            "EXECUTE" => {
                let mut next = next;
                // What it runs is told by the script.
                self.eat(&mut next, "IMMEDIATE");
                self.walk(next, end, false, false);
            }
            "DECLARE" | "CALL" | "END" | "IF" | "WHILE" | "RETURN" => {
                self.walk(next, end, false, false)
            }
            "APPLY" => {
                // `APPLY CHANGES INTO LIVE.x FROM STREAM(LIVE.y) …`.
                let mut next = next;
                self.eat(&mut next, "CHANGES");
                self.eat(&mut next, "INTO");
                let next = self.target(next, false);
                self.walk(next, end, true, false);
            }
            _ => return false,
        }
        true
    }

    /// `SYNC TABLE new FROM old`: what it copies from lies in the metastore, and keeps its name.
    fn sync(&mut self, at: usize) {
        let mut next = at;
        let of_schema = self.eat(&mut next, "SCHEMA");
        self.eat(&mut next, "TABLE");
        let mut behind = next + 1;
        if let Some((parts, end)) = self.name_at(next) {
            if of_schema && let Some(range) = whole(&parts) {
                let means = Means::NotATable(NotATable::AlreadyThreePart);
                self.reader.region(self.fragment, range, means);
            } else {
                self.reader.table(self.fragment, &parts, Role::Write);
            }
            behind = end;
        }
        if self.eat(&mut behind, "AS") {
            self.eat(&mut behind, "EXTERNAL");
        }
        if self.eat(&mut behind, "FROM")
            && let Some((parts, _)) = self.name_at(behind)
            && let Some(range) = whole(&parts)
        {
            let doubt = Doubt::new(
                rule::BESIDE_NEW,
                "`SYNC` copies from the metastore: what it reads keeps its name",
            );
            self.reader
                .needs_person(self.fragment, range, doubt, Vec::new());
        }
    }

    /// Walks over expressions and clauses. `query`: FROM means a list of tables here. `factor`: the text opens with a table.
    fn walk(&mut self, from: usize, end: usize, query: bool, factor: bool) {
        if self.ctes.len() >= DEPTH_MAX {
            return self.too_deep(from, end);
        }
        self.ctes.push(Vec::new());
        with_stack(|| self.clauses(from, end, query, factor));
        for name in self.ctes.pop().unwrap_or_default() {
            if let Some(count) = self.visible.get_mut(&name) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// What is nested so deeply is left to a person.
    fn too_deep(&mut self, from: usize, end: usize) {
        let last = end.min(self.tokens.len()).checked_sub(1);
        if let (Some(first), Some(last)) = (
            self.tokens.get(from),
            last.and_then(|at| self.tokens.get(at)),
        ) && first.range.start < last.range.end
        {
            let range = first.range.start..last.range.end;
            let doubt = Doubt::new(
                rule::NOT_UNDERSTOOD,
                "this stands in more parentheses than are followed",
            );
            self.reader
                .region(self.fragment, range, Means::NeedsPerson(doubt));
        }
    }

    fn clauses(&mut self, from: usize, end: usize, query: bool, factor: bool) {
        let mut at = from;
        let mut in_from = factor;
        let mut in_values = false;
        if factor {
            at = self.factor(at, end);
        }
        while at < end {
            let Some(kind) = self.kind(at) else { break };
            match kind {
                Kind::Symbol => {
                    let symbol = self.token_text(at);
                    if symbol == "(" {
                        let close = self.close(at).min(end);
                        let row = if in_values { at + 1..close } else { 0..0 };
                        for inner in row {
                            if self.kind(inner) == Some(Kind::String) {
                                self.data_row(inner);
                            }
                        }
                        self.group(at, close, query);
                        at = close + 1;
                    } else if symbol == "," && in_from {
                        at = self.factor(at + 1, end);
                    } else {
                        at += 1;
                    }
                }
                Kind::String => {
                    if in_values {
                        self.data_row(at);
                    }
                    at += 1;
                }
                Kind::Word if self.token_text(at + 1) != "." => {
                    if query
                        && (self.is(at, "FROM") && !self.is_distinct_from(at)
                            || self.is(at, "JOIN"))
                    {
                        at = self.factor(at + 1, end);
                        in_from = true;
                    } else if self.is(at, "WITH") && query {
                        at = self.with(at + 1, end);
                    } else if self.is(at, "INSERT") && query && at > from {
                        self.insert(at, end);
                        at = end;
                    } else if self.is(at, "TABLE")
                        && query
                        && self.opens_query(at, from)
                        && self.is_name(at + 1)
                    {
                        at = self.factor(at + 1, end);
                    } else if self.is(at, "LATERAL") && self.is(at + 1, "VIEW") {
                        at = self.lateral_view(at + 2, end);
                        in_from = false;
                    } else if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" {
                        at = self.identifier_clause(at, Role::Read);
                    } else {
                        if self.is_any(at, ENDS_FROM) {
                            in_from = false;
                            in_values = self.is(at, "VALUES");
                        }
                        at += 1;
                    }
                }
                Kind::Word | Kind::Quoted if self.token_text(at + 1) == "." => {
                    // `t.*` has no name behind its dot.
                    let Some((parts, behind)) = self.name_at(at) else {
                        at += 1;
                        continue;
                    };
                    let star = self.token_text(behind) == "." && self.token_text(behind + 1) == "*";
                    let call = self.token_text(behind) == "(";
                    if parts.len() > 1 || star {
                        let mut parts = parts;
                        if star {
                            // The star is a column of the table that the name is.
                            let range = self.tokens[behind + 1].range.clone();
                            parts.push(NamePart {
                                range,
                                text: "*".to_owned(),
                                quoted: false,
                            });
                        }
                        self.chains.push((parts, call));
                    }
                    at = behind.max(at + 1);
                }
                _ => at += 1,
            }
        }
    }

    fn opens_query(&self, at: usize, from: usize) -> bool {
        at == from
            || self.is_any(
                at - 1,
                &["UNION", "ALL", "INTERSECT", "EXCEPT", "DISTINCT", "AS"],
            )
    }

    fn is_distinct_from(&self, at: usize) -> bool {
        at >= 2 && self.is(at - 1, "DISTINCT") && (self.is(at - 2, "IS") || self.is(at - 2, "NOT"))
    }

    /// What stands in parentheses in an expression.
    fn group(&mut self, open: usize, close: usize, query: bool) {
        let first = open + 1;
        let is_query = self.is_any(first, BEGINS_QUERY)
            && !(self.is(first, "TABLE") && self.token_text(first + 1) == "(")
            || self.token_text(first) == "(" && query && self.leads_to_query(first);
        // Functions that take the name of a table as a string.
        if open > 0 && self.is(open - 1, "table_changes") && self.kind(first) == Some(Kind::String)
        {
            self.string_name(first);
        }
        self.walk(first, close, is_query, false);
    }

    fn leads_to_query(&self, open: usize) -> bool {
        let inner = self.parentheses.inner.get(&open).copied();
        self.is_any(inner.unwrap_or(open), BEGINS_QUERY)
    }

    /// A string that names a table.
    fn string_name(&mut self, at: usize) {
        let inner = string_inside(self.fragment, self.tokens[at].range.clone());
        self.reader
            .table_text(&inner, 0..inner.text().len(), Role::Read);
    }

    /// A string that is a path.
    fn string_path(&mut self, at: usize) {
        let inner = string_inside(self.fragment, self.tokens[at].range.clone());
        self.reader.path(&inner, 0..inner.text().len());
    }

    /// A string that is the place of a table or schema.
    fn string_location(&mut self, at: usize) {
        let inner = string_inside(self.fragment, self.tokens[at].range.clone());
        self.reader.location(&inner, 0..inner.text().len());
    }

    /// A string in a row that is written into a table: whoever reads it may take it for a name.
    fn data_row(&mut self, at: usize) {
        let range = self.tokens[at].range.clone();
        let doubt = Doubt::new(
            rule::METADATA,
            "a row of data holds this; code that reads the row may use it as a name",
        );
        self.reader
            .region(self.fragment, range, Means::NeedsPerson(doubt));
    }

    /// `WITH a AS (…), b (x) AS (…)`, from behind the WITH.
    fn with(&mut self, at: usize, end: usize) -> usize {
        let mut at = at;
        let recursive = self.eat(&mut at, "RECURSIVE");
        loop {
            let start = at;
            if !self.is_name(at) {
                return at;
            }
            let name = self.token_text(at).trim_matches('`').to_lowercase();
            let name_range = self.tokens[at].range.clone();
            at += 1;
            if self.token_text(at) == "(" && !self.leads_to_query(at) {
                at = self.close(at) + 1;
            }
            if self.is(at, "MAX") {
                // `MAX RECURSION LEVEL n`.
                at += 4;
            }
            self.eat(&mut at, "AS");
            if self.token_text(at) != "(" || at >= end {
                return start;
            }
            let close = self.close(at).min(end);
            if recursive {
                self.declare(&name);
            }
            self.walk(at + 1, close, true, self.token_text(at + 1) == "(");
            self.declare(&name);
            if self.reader.mapping.knows_table_name(&name) {
                self.reader.not_a_table(
                    self.fragment,
                    name_range,
                    NotATable::CommonTableExpression,
                );
            }
            at = close + 1;
            if self.token_text(at) != "," || at >= end {
                return at;
            }
            at += 1;
        }
    }

    fn declare(&mut self, name: &str) {
        if let Some(scope) = self.ctes.last_mut() {
            scope.push(name.to_owned());
            *self.visible.entry(name.to_owned()).or_default() += 1;
        }
    }

    /// One table of a FROM clause with its alias; the index behind it.
    fn factor(&mut self, at: usize, end: usize) -> usize {
        let mut at = at;
        self.eat(&mut at, "LATERAL");
        if at >= end {
            return end;
        }
        let mut implicit: Option<(String, Option<NewTable>)> = None;
        match self.token_text(at) {
            "(" => {
                let close = self.close(at).min(end);
                let is_query = self.is_any(at + 1, BEGINS_QUERY);
                self.walk(at + 1, close, true, !is_query);
                at = close + 1;
            }
            _ if self.kind(at) == Some(Kind::String) => {
                self.string_path(at);
                at += 1;
            }
            _ if self.is(at, "VALUES") => return at,
            _ if self.is_any(at, &["STREAM", "TABLE"]) && self.token_text(at + 1) == "(" => {
                let close = self.close(at + 1).min(end);
                match self.name_at(at + 2) {
                    Some((parts, behind)) if behind == close => {
                        implicit = self.table(&parts, Role::Read);
                    }
                    _ => self.group(at + 1, close, true),
                }
                at = close + 1;
            }
            _ if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" => {
                at = self.identifier_clause(at, Role::Read);
            }
            _ => {
                if self.is(at, "STREAM") && self.is_name(at + 1) && self.token_text(at + 2) == "." {
                    at += 1;
                }
                let Some((parts, behind)) = self.name_at(at) else {
                    return at;
                };
                if parts.len() == 1 && !parts[0].quoted && self.is_any(at, NO_ALIAS) {
                    return at;
                }
                at = behind;
                if self.token_text(at) == "(" {
                    let close = self.close(at).min(end);
                    self.table_function(&parts, at, close);
                    at = close + 1;
                } else {
                    self.read.insert(parts[0].range.start);
                    implicit = self.table(&parts, Role::Read);
                }
            }
        }
        self.behind_factor(at, end, implicit)
    }

    /// Version, sample and alias behind a table.
    fn behind_factor(
        &mut self,
        at: usize,
        end: usize,
        implicit: Option<(String, Option<NewTable>)>,
    ) -> usize {
        let mut at = at;
        loop {
            if self.token_text(at) == "@" {
                at += 2;
            } else if self.is(at, "FOR")
                && self.is_any(
                    at + 1,
                    &["VERSION", "TIMESTAMP", "SYSTEM_VERSION", "SYSTEM_TIME"],
                )
            {
                at += 1;
            } else if self.is_any(
                at,
                &["VERSION", "TIMESTAMP", "SYSTEM_VERSION", "SYSTEM_TIME"],
            ) && self.is(at + 1, "AS")
                && self.is(at + 2, "OF")
            {
                at += 3;
                // The version: a literal, a call, or something in parentheses.
                if self.token_text(at) == "(" {
                    at = self.close(at) + 1;
                } else {
                    at += 1;
                    if self.token_text(at) == "(" {
                        at = self.close(at) + 1;
                    }
                }
            } else if self.is(at, "TABLESAMPLE") && self.token_text(at + 1) == "(" {
                at = self.close(at + 1) + 1;
            } else {
                break;
            }
        }
        let with_as = self.eat(&mut at, "AS");
        let named = at < end
            && match self.kind(at) {
                Some(Kind::Quoted) => true,
                Some(Kind::Word) => with_as || !self.is_any(at, NO_ALIAS),
                _ => false,
            };
        if named && self.token_text(at + 1) != "." {
            let alias = self.token_text(at).trim_matches('`').to_lowercase();
            self.aliases.insert(alias);
            at += 1;
            if self.token_text(at) == "(" && at < end {
                at = self.close(at) + 1;
            }
        } else if let Some((name, new)) = implicit {
            self.aliases.insert(name.clone());
            self.implicit.insert(name, new);
        }
        at.min(end)
    }

    fn table_function(&mut self, name: &[NamePart], open: usize, close: usize) {
        if let Some(part) = name.first() {
            self.seen.insert(part.range.start);
        }
        let function = name
            .last()
            .map(|part| part.text.to_ascii_lowercase())
            .unwrap_or_default();
        let first = open + 1;
        if name.len() == 1 && self.kind(first) == Some(Kind::String) {
            match function.as_str() {
                "table_changes" | "read_change_feed" => self.string_name(first),
                "read_files" | "cloud_files" | "read_statestore" | "read_state_metadata" => {
                    self.string_path(first)
                }
                _ => {}
            }
        }
        if name.len() > 1 {
            self.chains.push((name.to_vec(), true));
        }
        self.walk(first, close, false, false);
    }

    /// Whether the name in `IDENTIFIER(:catalog || '.db.t')` is a catalog that is decided at run time and so many parts behind it.
    fn is_put_behind_catalog(&mut self, at: usize, parts: usize) -> bool {
        let close = self.close(at + 1);
        let (Some(open), Some(last)) = (self.tokens.get(at + 1), self.tokens.get(close)) else {
            return false;
        };
        let range = open.range.end..last.range.start;
        let mut shape = String::new();
        let mut open_term = false;
        for at in at + 2..close {
            match self.kind(at) {
                Some(Kind::String) => {
                    let text = string_inside(self.fragment, self.tokens[at].range.clone());
                    shape.push_str(text.text());
                    open_term = false;
                }
                Some(Kind::Symbol) if matches!(self.token_text(at), "|" | "||") => {
                    open_term = false
                }
                Some(Kind::Symbol) if self.token_text(at) != ":" => return false,
                _ if !open_term => {
                    shape.push('?');
                    open_term = true;
                }
                _ => {}
            }
        }
        let written: Vec<&str> = shape
            .split('.')
            .map(|part| part.trim_matches('`'))
            .collect();
        let found = written.len() == parts + 1
            && written[0] == "?"
            && written.iter().all(|part| !part.is_empty());
        if found {
            let means = Means::NotATable(NotATable::AlreadyThreePart);
            self.reader.region(self.fragment, range, means);
        }
        found
    }

    /// `IDENTIFIER('db.t')`; what is put together is left to a person.
    fn identifier_clause(&mut self, at: usize, role: Role) -> usize {
        let close = self.close(at + 1);
        if self.is_put_behind_catalog(at, 2) {
            return close + 1;
        }
        if self.kind(at + 2) == Some(Kind::String) && close == at + 3 {
            let inner = string_inside(self.fragment, self.tokens[at + 2].range.clone());
            self.reader.table_text(&inner, 0..inner.text().len(), role);
        } else if let (Some(first), Some(last)) = (
            self.tokens.get(at + 2),
            self.tokens.get(close.saturating_sub(1)),
        ) {
            let range = first.range.start..last.range.end.max(first.range.start);
            let doubt = Doubt::new(
                rule::UNRESOLVED,
                "`IDENTIFIER` puts the name together at run time",
            );
            self.reader
                .needs_person(self.fragment, range, doubt, Vec::new());
        }
        close + 1
    }

    /// A table, unless it is a common table expression. The name that stands for it, and its new name if that is known.
    fn table(&mut self, parts: &[NamePart], role: Role) -> Option<(String, Option<NewTable>)> {
        let range = parts.first()?.range.start..parts.last()?.range.end;
        self.seen.insert(range.start);
        let lower: Vec<String> = parts.iter().map(|part| part.text.to_lowercase()).collect();
        if let [only] = lower.as_slice()
            && self.visible.get(only).is_some_and(|count| *count > 0)
        {
            if self.reader.mapping.knows_table_name(only) {
                self.reader
                    .not_a_table(self.fragment, range, NotATable::CommonTableExpression);
            }
            return Some((only.clone(), None));
        }
        if lower.len() == 2 && lower[0] == "live" {
            // A dataset of the same Delta Live Tables pipeline.
            self.reader
                .not_a_table(self.fragment, range, NotATable::TemporaryView);
            return Some((lower[1].clone(), None));
        }
        self.reader.spot = self.spot(&range);
        let new = self.reader.table(self.fragment, parts, role);
        self.reader.spot = Spot::None;
        let name = lower.last().cloned()?;
        self.named.insert(lower);
        Some((name, new))
    }

    /// The table that a statement changes, with an alias if it may have one; the index behind it.
    fn target(&mut self, at: usize, aliased: bool) -> usize {
        if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" {
            let behind = self.identifier_clause(at, Role::Write);
            return match aliased {
                true => self.behind_factor(behind, self.tokens.len(), None),
                false => behind,
            };
        }
        let Some((parts, behind)) = self.name_at(at) else {
            return at;
        };
        let implicit = self.table(&parts, Role::Write);
        if aliased {
            return self.behind_factor(behind, self.tokens.len(), implicit);
        }
        if let Some((name, new)) = implicit {
            self.aliases.insert(name.clone());
            self.implicit.insert(name, new);
        }
        behind
    }

    fn named_or_path(&mut self, at: usize, role: Role) -> usize {
        if self.kind(at) == Some(Kind::String) {
            self.string_path(at);
            return at + 1;
        }
        if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" {
            return self.identifier_clause(at, role);
        }
        match self.name_at(at) {
            Some((parts, behind)) => {
                self.table(&parts, role);
                behind
            }
            None => at,
        }
    }

    fn database(&mut self, at: usize) -> usize {
        if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" {
            if self.is_put_behind_catalog(at, 1) {
                return self.close(at + 1) + 1;
            }
            return self.identifier_clause(at, Role::Name);
        }
        match self.name_at(at) {
            Some((parts, behind)) => {
                self.report_database(&parts);
                behind
            }
            None => at,
        }
    }

    fn report_database(&mut self, parts: &[NamePart]) {
        if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
            self.reader.spot = self.spot(&(first.range.start..last.range.end));
        }
        self.reader.database(self.fragment, parts);
        self.reader.spot = Spot::None;
    }

    fn insert(&mut self, at: usize, end: usize) {
        let mut at = at + 1;
        self.eat_any(&mut at, &["INTO", "OVERWRITE"]);
        self.eat(&mut at, "INTO");
        if self.is(at, "LOCAL") || self.is(at, "DIRECTORY") {
            self.eat(&mut at, "LOCAL");
            self.eat(&mut at, "DIRECTORY");
            if self.kind(at) == Some(Kind::String) {
                self.string_path(at);
            }
            return self.walk(at, end, true, false);
        }
        self.eat(&mut at, "TABLE");
        let at = self.target(at, false);
        self.walk(at, end, true, false);
    }

    fn merge(&mut self, at: usize) {
        let end = self.tokens.len();
        let mut at = at;
        if self.is(at, "WITH") {
            // `MERGE WITH SCHEMA EVOLUTION INTO`.
            at += 3;
        }
        self.eat(&mut at, "INTO");
        let mut at = self.target(at, true);
        if self.eat(&mut at, "USING") {
            at = self.factor(at, end);
        }
        self.walk(at, end, true, false);
    }

    fn create(&mut self, at: usize) -> bool {
        let end = self.tokens.len();
        let mut at = at;
        let (mut temporary, mut live) = (false, false);
        loop {
            if self.eat_any(&mut at, &["TEMP", "TEMPORARY"]) {
                temporary = true;
            } else if self.eat_any(&mut at, &["LIVE", "REFRESH", "INCREMENTAL", "PRIVATE"]) {
                live = true;
            } else if !self.eat_any(
                &mut at,
                &[
                    "OR",
                    "REPLACE",
                    "GLOBAL",
                    "LOCAL",
                    "EXTERNAL",
                    "MATERIALIZED",
                    "STREAMING",
                ],
            ) {
                break;
            }
        }
        if self.eat_any(&mut at, &["DATABASE", "SCHEMA", "NAMESPACE"]) {
            self.eat_if_exists(&mut at);
            let at = self.database(at);
            self.tail(at, end, false, true);
            return true;
        }
        if self.eat(&mut at, "FUNCTION") {
            self.eat_if_exists(&mut at);
            if let Some((parts, behind)) = self.name_at(at) {
                if parts.len() > 1 {
                    self.chains.push((parts, true));
                }
                let query = ["SELECT", "WITH", "FROM", "TABLE", "VALUES"];
                let body =
                    (behind..end).find(|at| self.is(*at, "RETURN") && self.is_any(*at + 1, &query));
                self.walk(behind, body.unwrap_or(end), false, false);
                if let Some(body) = body {
                    self.walk(body + 1, end, true, false);
                }
            }
            return true;
        }
        if self.eat(&mut at, "VOLUME") {
            let at = self.volume(at);
            self.tail(at, end, false, true);
            return true;
        }
        if self.eat(&mut at, "WIDGET") {
            // `CREATE WIDGET TEXT db DEFAULT "sales"`.
            let name = self
                .token_text(at + 1)
                .trim_matches(['`', '"', '\''])
                .to_owned();
            let default = (at..end).find(|at| self.is(*at, "DEFAULT"));
            let value = match default
                .map(|at| at + 1)
                .filter(|at| self.kind(*at) == Some(Kind::String))
            {
                Some(at) => {
                    let inside = string_inside(self.fragment, self.tokens[at].range.clone());
                    if inside.text().contains('.') || is_called_like_database(&name) {
                        let doubt = Doubt::new(rule::PARAMETER, of_widget(&name));
                        self.reader.value_for_others(&inside, doubt);
                    }
                    Value::text(inside.text())
                }
                None => Value::Unknown,
            };
            self.reader.widget(&name, value);
            return true;
        }
        if self.is(at, "BLOOMFILTER") {
            while at < end && !self.is(at, "TABLE") {
                at += 1;
            }
            at += 1;
            self.named_or_path(at, Role::Write);
            return true;
        }
        if !self.eat_any(&mut at, &["TABLE", "VIEW"]) {
            return false;
        }
        self.eat_if_exists(&mut at);
        let Some((parts, behind)) = self.name_at(at) else {
            if self.is(at, "IDENTIFIER") {
                at = self.identifier_clause(at, Role::Write);
            }
            self.tail(at, end, true, !temporary);
            return true;
        };
        if self.is(at, "IDENTIFIER") && self.token_text(behind) == "(" {
            let at = self.identifier_clause(at, Role::Write);
            self.tail(at, end, true, !temporary);
            return true;
        }
        // The body still sees what the name meant before.
        self.tail(behind, end, true, !temporary);
        if temporary || live && parts.len() == 1 {
            self.temporary_view(&parts);
        } else {
            self.table(&parts, Role::Write);
        }
        true
    }

    /// The name of a volume: only Unity Catalog has them. One without its catalog is left open.
    fn volume(&mut self, at: usize) -> usize {
        let mut at = at;
        self.eat_if_exists(&mut at);
        let Some((parts, behind)) = self.name_at(at) else {
            return at;
        };
        if let [catalog, _, volume] = parts.as_slice() {
            let range = catalog.range.start..volume.range.end;
            self.reader
                .not_a_table(self.fragment, range, NotATable::AlreadyThreePart);
        }
        behind
    }

    fn temporary_view(&mut self, parts: &[NamePart]) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return;
        };
        let range = first.range.start..last.range.end;
        self.seen.insert(range.start);
        if parts.len() == 1 && self.fragment.holes_in(&range).is_empty() {
            self.reader
                .session
                .temporary_views
                .insert(last.text.to_lowercase());
        } else if parts.len() == 1 {
            self.reader.session.views_incomplete = true;
        }
        self.reader
            .not_a_table(self.fragment, range, NotATable::TemporaryView);
    }

    /// What follows the name of a new table, view or database; whether the catalog keeps it.
    fn tail(&mut self, at: usize, end: usize, may_hold_query: bool, is_kept: bool) {
        let mut at = at;
        while at < end {
            if self.is_any(at, &["LOCATION", "MANAGED"]) {
                self.eat(&mut at, "MANAGED");
                self.eat(&mut at, "LOCATION");
                if self.kind(at) == Some(Kind::String) {
                    self.string_location(at);
                    at += 1;
                }
            } else if self.is_any(at, &["LIKE", "CLONE"]) && may_hold_query {
                at = self.named_or_path(at + 1, Role::Read);
                at = self.behind_factor(at, end, None);
            } else if self.is(at, "OPTIONS") && self.token_text(at + 1) == "(" {
                let close = self.close(at + 1).min(end);
                for key in at + 2..close {
                    let is_path = self
                        .token_text(key)
                        .trim_matches(['"', '\'', '`'])
                        .eq_ignore_ascii_case("path");
                    let value = key + 1 + usize::from(self.token_text(key + 1) == "=");
                    if is_path && value < close && self.kind(value) == Some(Kind::String) {
                        match is_kept {
                            true => self.string_location(value),
                            false => self.string_path(value),
                        }
                    }
                }
                at = close + 1;
            } else if self.is_any(at, &["TBLPROPERTIES", "DBPROPERTIES"])
                && self.token_text(at + 1) == "("
            {
                at = self.close(at + 1) + 1;
            } else if may_hold_query && (self.is(at, "AS") || self.is_any(at, &["SELECT", "WITH"]))
            {
                return self.walk(at, end, true, false);
            } else if self.token_text(at) == "(" {
                let close = self.close(at).min(end);
                self.walk(at + 1, close, false, false);
                at = close + 1;
            } else {
                at += 1;
            }
        }
    }

    fn drop(&mut self, at: usize) -> bool {
        let mut at = at;
        self.eat_any(&mut at, &["TEMPORARY", "TEMP", "MATERIALIZED", "STREAMING"]);
        if self.eat_any(&mut at, &["DATABASE", "SCHEMA", "NAMESPACE"]) {
            self.eat_if_exists(&mut at);
            self.reader.drops = true;
            self.database(at);
            self.reader.drops = false;
            return true;
        }
        if self.eat(&mut at, "VOLUME") {
            self.volume(at);
            return true;
        }
        if self.eat(&mut at, "FUNCTION") {
            self.eat_if_exists(&mut at);
            if let Some((parts, _)) = self.name_at(at)
                && parts.len() > 1
            {
                self.chains.push((parts, true));
            }
            return true;
        }
        if self.is(at, "BLOOMFILTER") {
            while at < self.tokens.len() && !self.is(at, "TABLE") {
                at += 1;
            }
            self.named_or_path(at + 1, Role::Write);
            return true;
        }
        if !self.eat_any(&mut at, &["TABLE", "VIEW"]) {
            return false;
        }
        self.eat_if_exists(&mut at);
        self.named_or_path(at, Role::Write);
        if let Some((parts, _)) = self.name_at(at)
            && let [only] = parts.as_slice()
        {
            self.reader
                .session
                .temporary_views
                .remove(&only.text.to_lowercase());
        }
        true
    }

    fn alter(&mut self, at: usize) -> bool {
        let end = self.tokens.len();
        let mut at = at;
        self.eat_any(&mut at, &["STREAMING", "MATERIALIZED"]);
        if self.eat_any(&mut at, &["DATABASE", "SCHEMA", "NAMESPACE"]) {
            let at = self.database(at);
            self.tail(at, end, false, true);
            return true;
        }
        if !self.eat_any(&mut at, &["TABLE", "VIEW"]) {
            return false;
        }
        self.eat_if_exists(&mut at);
        let mut at = self.named_or_path(at, Role::Write);
        while at < end {
            if self.is(at, "RENAME") && self.is(at + 1, "TO") {
                at = self.named_or_path(at + 2, Role::Write);
            } else if self.is(at, "LOCATION") && self.kind(at + 1) == Some(Kind::String) {
                self.string_location(at + 1);
                at += 2;
            } else if self.is(at, "AS")
                && (self.is_any(at + 1, BEGINS_QUERY) || self.token_text(at + 1) == "(")
            {
                self.walk(at + 1, end, true, false);
                at = end;
            } else if self.token_text(at) == "(" {
                let close = self.close(at).min(end);
                self.walk(at + 1, close, false, false);
                at = close + 1;
            } else {
                at += 1;
            }
        }
        true
    }

    fn use_statement(&mut self, at: usize) {
        let mut at = at;
        if self.eat(&mut at, "CATALOG") {
            match self.name_at(at) {
                Some((parts, _)) if self.token_text(at + 1) != "(" => {
                    self.reader.use_catalog(&parts[0].text);
                }
                // `USE CATALOG IDENTIFIER(:catalog)`: some catalog of Unity Catalog.
                _ => self.reader.use_catalog("?"),
            }
            return;
        }
        if self.is_any(at, &["DATABASE", "SCHEMA", "NAMESPACE"]) && self.is_name(at + 1) {
            at += 1;
        }
        if self.is(at, "IDENTIFIER") && self.token_text(at + 1) == "(" {
            if self.is_put_behind_catalog(at, 1) {
                self.reader.use_catalog("?");
            } else {
                self.identifier_clause(at, Role::Name);
            }
            self.reader.session.database = Value::Unknown;
        } else if let Some((parts, _)) = self.name_at(at) {
            self.report_database(&parts);
            self.reader.use_database(self.fragment, &parts);
        }
    }

    fn set(&mut self, at: usize) {
        let end = self.tokens.len();
        if self.is(at, "CATALOG") {
            return self.use_statement(at);
        }
        let equals = (at..end).find(|at| self.token_text(*at) == "=");
        if let Some(equals) = equals
            && equals > at
            && !self.is_any(at, &["VAR", "VARIABLE"])
            && let (Some(first), Some(last)) = (self.tokens.get(at), self.tokens.get(end - 1))
        {
            let key = self.text[first.range.start..self.tokens[equals - 1].range.end].to_owned();
            let value = self.text[self.tokens[equals].range.end..last.range.end]
                .trim()
                .to_owned();
            let holes = self
                .fragment
                .holes_in(&(self.tokens[equals].range.end..last.range.end));
            let value = if holes.is_empty() {
                Value::text(value)
            } else {
                Value::Unknown
            };
            self.reader
                .session
                .variables
                .insert((Namespace::Conf, key), value);
        }
        self.walk(at, end, false, false);
    }

    fn show(&mut self, at: usize) -> bool {
        let mut at = at;
        let in_or_from = &["IN", "FROM"];
        if self.eat_any(
            &mut at,
            &["TABLES", "VIEWS", "FUNCTIONS", "USER", "SYSTEM", "ALL"],
        ) || self.is(at, "TABLE") && self.is(at + 1, "EXTENDED")
        {
            while at < self.tokens.len() {
                if self.eat_any(&mut at, in_or_from) {
                    self.database(at);
                    break;
                }
                at += 1;
            }
            return true;
        }
        if self.eat(&mut at, "CREATE") {
            self.eat_any(&mut at, &["TABLE", "VIEW"]);
            self.named_or_path(at, Role::Name);
            return true;
        }
        if self.eat_any(&mut at, &["PARTITIONS", "TBLPROPERTIES", "HISTORY"]) {
            self.named_or_path(at, Role::Name);
            return true;
        }
        if self.eat(&mut at, "COLUMNS") {
            self.eat_any(&mut at, in_or_from);
            if !self.columns_of_database_apart(at) {
                self.named_or_path(at, Role::Name);
            }
            return true;
        }
        if self.eat_any(&mut at, &["GRANT", "GRANTS"]) {
            return self.grant(at);
        }
        self.is_any(
            at,
            &[
                "DATABASES",
                "SCHEMAS",
                "CATALOGS",
                "VOLUMES",
                "GROUPS",
                "USERS",
                "CURRENT",
                "CONF",
            ],
        )
    }

    /// `SHOW COLUMNS IN t IN db`: the table is one of `db`, whatever is current, and a name with a catalog may not stand in front of the second
    /// `IN`. Whether the statement was one of these.
    fn columns_of_database_apart(&mut self, at: usize) -> bool {
        let Some((table, behind)) = self.name_at(at) else {
            return false;
        };
        let mut at = behind;
        if !self.eat_any(&mut at, &["IN", "FROM"]) {
            return false;
        }
        let Some((database, _)) = self.name_at(at) else {
            return false;
        };
        let (Some(first), Some(named), Some(last)) = (table.first(), table.last(), database.last())
        else {
            return false;
        };
        let candidates = match self.reader.mapping.table(&last.text, &named.text) {
            TableLookup::Mapped(new) => vec![new.sql()],
            _ => Vec::new(),
        };
        let doubt = Doubt::new(
            DATABASE_APART.id,
            "the database is given apart from the table; in Unity Catalog give the three-part name alone, without the second `IN`",
        );
        let range = first.range.start..last.range.end;
        self.reader
            .needs_person(self.fragment, range, doubt, candidates);
        true
    }

    fn describe(&mut self, at: usize) {
        let end = self.tokens.len();
        let mut at = at;
        if self.is_any(at, &["DATABASE", "SCHEMA"]) && at + 1 < end {
            at += 1;
            if self.is(at, "EXTENDED") && at + 1 < end {
                at += 1;
            }
            self.database(at);
            return;
        }
        if self.is_any(
            at,
            &[
                "FUNCTION",
                "CATALOG",
                "QUERY",
                "VOLUME",
                "PROVIDER",
                "SHARE",
                "STORAGE",
                "EXTERNAL",
                "CREDENTIAL",
                "SELECT",
                "WITH",
            ],
        ) && at + 1 < end
        {
            let from = if self.is(at, "QUERY") { at + 1 } else { at };
            return self.walk(from, end, true, false);
        }
        while at + 1 < end
            && self.is_any(at, &["TABLE", "HISTORY", "DETAIL", "EXTENDED", "FORMATTED"])
            && self.token_text(at + 1) != "."
        {
            at += 1;
        }
        self.named_or_path(at, Role::Name);
    }

    fn load(&mut self, at: usize) {
        let end = self.tokens.len();
        let mut at = at;
        while at < end {
            if self.is(at, "INPATH") && self.kind(at + 1) == Some(Kind::String) {
                self.string_path(at + 1);
                at += 2;
            } else if self.is(at, "INTO") && self.is(at + 1, "TABLE") {
                at = self.named_or_path(at + 2, Role::Write);
            } else {
                at += 1;
            }
        }
    }

    fn grant(&mut self, at: usize) -> bool {
        let end = self.tokens.len();
        let Some(on) = (at..end).find(|at| self.is(*at, "ON")) else {
            return false;
        };
        let mut at = on + 1;
        if self.eat_any(&mut at, &["DATABASE", "SCHEMA"]) {
            self.database(at);
        } else if self.is_any(
            at,
            &[
                "CATALOG",
                "ANY",
                "ANONYMOUS",
                "FUNCTION",
                "VOLUME",
                "EXTERNAL",
                "STORAGE",
                "METASTORE",
                "SHARE",
                "CONNECTION",
            ],
        ) {
            return true;
        } else {
            self.eat_any(&mut at, &["TABLE", "VIEW"]);
            self.named_or_path(at, Role::Name);
        }
        true
    }

    fn lateral_view(&mut self, at: usize, end: usize) -> usize {
        let mut at = at;
        self.eat(&mut at, "OUTER");
        while at < end && self.token_text(at) != "(" {
            at += 1;
        }
        let close = self.close(at).min(end);
        if at < close {
            self.walk(at + 1, close, false, false);
        }
        at = close + 1;
        if self.is_name(at) && !self.is(at, "AS") && at < end {
            let alias = self.token_text(at).trim_matches('`').to_lowercase();
            self.aliases.insert(alias);
            at += 1;
        }
        if self.eat(&mut at, "AS") {
            while self.is_name(at) && at < end {
                at += 1;
                if self.token_text(at) != "," {
                    break;
                }
                at += 1;
            }
        }
        at.min(end).max(close)
    }

    /// The names of a hint, which are settled with those of expressions.
    fn hint(&mut self, hint: &Range<usize>) {
        let inside = hint.start + "/*+".len()..hint.end;
        let Some(text) = self.text.get(inside.clone()) else {
            return;
        };
        let mut tokens = lexer::tokens(text.strip_suffix("*/").unwrap_or(text));
        tokens.retain(|token| !matches!(token.kind, Kind::Blank | Kind::Comment));
        for token in &mut tokens {
            token.range.start += inside.start;
            token.range.end += inside.start;
        }
        let shown = |at: usize| {
            tokens
                .get(at)
                .map_or("", |token| &self.text[token.range.clone()])
        };
        let (mut at, mut depth, mut of_tables) = (0, 0_usize, false);
        while at < tokens.len() {
            match shown(at) {
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let Some((mut parts, behind)) = name_at(self.text, &tokens, at) else {
                at += 1;
                continue;
            };
            if depth == 0 {
                let word = shown(at);
                of_tables = HINTS_OF_TABLES
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(word));
            } else if of_tables {
                // As a table stands in front of a column.
                let end = parts.last().map_or(0, |part| part.range.end);
                parts.push(NamePart {
                    range: end..end,
                    text: "*".to_owned(),
                    quoted: false,
                });
                self.chains.push((parts, false));
            } else if parts.len() > 1 {
                self.chains.push((parts, false));
            }
            at = behind;
        }
    }

    /// Dotted names of expressions, now that all tables and aliases are known.
    fn settle_chains(&mut self) {
        for (parts, call) in std::mem::take(&mut self.chains) {
            self.settle_chain(&parts, call);
        }
    }

    fn settle_chain(&mut self, parts: &[NamePart], call: bool) {
        let lower: Vec<String> = parts.iter().map(|part| part.text.to_lowercase()).collect();
        let range = parts[0].range.start..parts[parts.len() - 1].range.end;
        let qualifying = if call {
            &lower[..]
        } else {
            &lower[..lower.len() - 1]
        };
        for length in [3, 2] {
            if qualifying.len() >= length && !call && self.named.contains(&lower[..length]) {
                return self.reader.qualifier(self.fragment, &parts[..length]);
            }
        }
        if !call && self.aliases.contains(&lower[0]) {
            if let Some(Some(new)) = self.implicit.get(&lower[0]).cloned()
                && !new.table.eq_ignore_ascii_case(&lower[0])
            {
                return self
                    .reader
                    .rename_qualifier(self.fragment, &parts[0], &new.table);
            }
            return self.explain(&lower, range, NotATable::AliasColumn);
        }
        if call {
            if lower.len() >= 2 && self.reader.mapping.knows_database(&lower[0]) {
                let doubt = Doubt::new(
                    "name/function",
                    format!(
                        "a function of the database `{}`; the mapping holds tables only",
                        lower[0]
                    ),
                );
                return self
                    .reader
                    .needs_person(self.fragment, range, doubt, Vec::new());
            }
            return self.explain(&lower, range, NotATable::OtherWord);
        }
        if lower.len() >= 4 && self.reader.mapping.has_catalog(&lower[0]) {
            return self.explain(&lower, range, NotATable::AlreadyThreePart);
        }
        if lower.len() >= 3 && self.reader.mapping.knows_database(&lower[0]) {
            // A table in front of a column that no FROM clause of the statement names.
            return self.reader.qualifier(self.fragment, &parts[..2]);
        }
        self.explain(&lower, range, NotATable::StructField);
    }

    /// Tells what a dotted name is, if the independent scanner can take it for a table.
    fn explain(&mut self, lower: &[String], range: Range<usize>, reason: NotATable) {
        if lower
            .iter()
            .any(|part| self.reader.mapping.knows_database(part))
        {
            self.reader.not_a_table(self.fragment, range, reason);
        }
    }
}

/// The parts of the name that begins at a token, and the index of the token behind it.
fn name_at(text: &str, tokens: &[Token], at: usize) -> Option<(Vec<NamePart>, usize)> {
    let is_name = |at: usize| {
        let kind = tokens.get(at).map(|token| token.kind);
        matches!(kind, Some(Kind::Word | Kind::Quoted))
    };
    let is_dot = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| &text[token.range.clone()] == ".")
    };
    let mut parts = Vec::new();
    let mut at = at;
    while is_name(at) {
        let token = &tokens[at];
        let raw = &text[token.range.clone()];
        let quoted = token.kind == Kind::Quoted;
        let inner = if quoted {
            let inner = raw.strip_prefix('`').unwrap_or(raw);
            inner.strip_suffix('`').unwrap_or(inner).replace("``", "`")
        } else {
            raw.to_owned()
        };
        parts.push(NamePart {
            range: token.range.clone(),
            text: inner,
            quoted,
        });
        at += 1;
        if is_dot(at) && is_name(at + 1) {
            at += 1;
        } else {
            break;
        }
    }
    (!parts.is_empty()).then_some((parts, at))
}

/// The dotted names of an expression that are no calls.
pub(crate) fn dotted_names(text: &str) -> Vec<Vec<NamePart>> {
    let mut tokens = lexer::tokens(text);
    tokens.retain(|token| !matches!(token.kind, Kind::Blank | Kind::Comment));
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some((parts, behind)) = name_at(text, &tokens, at) else {
            at += 1;
            continue;
        };
        let is_called = tokens
            .get(behind)
            .is_some_and(|token| &text[token.range.clone()] == "(");
        if parts.len() > 1 && !is_called {
            names.push(parts);
        }
        at = behind;
    }
    names
}
