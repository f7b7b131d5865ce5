//! Random queries over two small tables: what they are, and their SQL.

/// A small deterministic source of choices.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// An expression that gives a bigint.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    Column(String),
    Literal(i64),
    Add(Box<Number>, Box<Number>),
    Div(Box<Number>, Box<Number>),
    Mod(Box<Number>, Box<Number>),
    /// Of a column of text.
    Cast(String),
    Case(Box<Condition>, Box<Number>, Box<Number>),
    Coalesce(Box<Number>, Box<Number>),
    /// The one row of a query of one column.
    One(Box<Query>),
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    Compare(&'static str, Box<Number>, Box<Number>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    IsNull(Box<Number>),
}

#[derive(Clone, Debug)]
pub(crate) enum Aggregate {
    Sum(Number),
    Min(Number),
    Count(Number),
    Rows,
    SumWhere(Number, Condition),
}

#[derive(Clone, Debug)]
pub(crate) enum Windowed {
    /// Over the whole partition.
    Sum(Number, Vec<Number>),
    Count(Vec<Number>),
    /// From the start of the partition to the ties of the row in an order.
    MinSoFar(Number, Vec<Number>, Number),
    Rank(Vec<Number>, Number),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Inner,
    Left,
    Full,
    Exists,
    NotExists,
}

/// A query; each has column names of its own.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    Table(&'static str, Vec<(String, String)>),
    Select(Box<Query>, Vec<(Number, String)>, Option<Condition>),
    Distinct(Box<Query>),
    Join(Kind, Box<Query>, Box<Query>, Condition),
    /// `number in (query of one column)`, or `not in`.
    In(Box<Query>, Number, Box<Query>, bool),
    Group(Box<Query>, Vec<(Number, String)>, Vec<(Aggregate, String)>),
    Union(Box<Query>, Box<Query>, bool, Vec<String>),
    Window(Box<Query>, Vec<(Windowed, String)>),
    Limit(Box<Query>, Number, usize, usize),
    /// At the top alone.
    Ordered(Box<Query>, Number),
}

impl Number {
    pub(crate) fn sql(&self) -> String {
        match self {
            Number::Column(name) => name.clone(),
            Number::Literal(n) => n.to_string(),
            Number::Add(a, b) => format!("({} + {})", a.sql(), b.sql()),
            Number::Div(a, b) => format!("div({}, {})", a.sql(), b.sql()),
            Number::Mod(a, b) => format!("({} % {})", a.sql(), b.sql()),
            Number::Cast(text) => format!("cast({text} as bigint)"),
            Number::Case(when, then, otherwise) => format!(
                "case when {} then {} else {} end",
                when.sql(),
                then.sql(),
                otherwise.sql()
            ),
            Number::Coalesce(a, b) => format!("coalesce({}, {})", a.sql(), b.sql()),
            Number::One(query) => format!("({})", query.sql()),
        }
    }

    /// Where its first operand stands in its text, which is where karat says that it stands.
    pub(crate) fn offset(&self) -> usize {
        match self {
            Number::Add(a, _) | Number::Mod(a, _) => 1 + a.offset(),
            _ => 0,
        }
    }
}

impl Condition {
    fn sql(&self) -> String {
        match self {
            Condition::Compare(op, a, b) => format!("{} {op} {}", a.sql(), b.sql()),
            Condition::And(a, b) => format!("({} and {})", a.sql(), b.sql()),
            Condition::Or(a, b) => format!("({} or {})", a.sql(), b.sql()),
            Condition::Not(a) => format!("not ({})", a.sql()),
            Condition::IsNull(a) => format!("({}) is null", a.sql()),
        }
    }
}

impl Aggregate {
    pub(crate) fn sql(&self) -> String {
        match self {
            Aggregate::Sum(of) => format!("sum({})", of.sql()),
            Aggregate::Min(of) => format!("min({})", of.sql()),
            Aggregate::Count(of) => format!("count({})", of.sql()),
            Aggregate::Rows => "count(*)".to_owned(),
            Aggregate::SumWhere(of, only) => {
                format!("sum({}) filter (where {})", of.sql(), only.sql())
            }
        }
    }
}

fn partition(by: &[Number]) -> String {
    let by: Vec<String> = by.iter().map(Number::sql).collect();
    match by.is_empty() {
        true => String::new(),
        false => format!("partition by {}", by.join(", ")),
    }
}

impl Windowed {
    fn sql(&self) -> String {
        match self {
            Windowed::Sum(of, by) => format!("sum({}) over ({})", of.sql(), partition(by)),
            Windowed::Count(by) => format!("count(*) over ({})", partition(by)),
            Windowed::MinSoFar(of, by, order) => format!(
                "min({}) over ({} order by {})",
                of.sql(),
                partition(by),
                order.sql()
            ),
            Windowed::Rank(by, order) => {
                format!("rank() over ({} order by {})", partition(by), order.sql())
            }
        }
    }
}

fn list<T>(of: &[(T, String)], sql: impl Fn(&T) -> String) -> String {
    let columns: Vec<String> = of
        .iter()
        .map(|(expr, name)| format!("{} as {name}", sql(expr)))
        .collect();
    columns.join(", ")
}

impl Query {
    /// Names of its columns; those that hold text begin with `s`.
    pub(crate) fn columns(&self) -> Vec<String> {
        match self {
            Query::Table(_, columns) => columns.iter().map(|(_, name)| name.clone()).collect(),
            Query::Select(_, columns, _) => columns.iter().map(|c| c.1.clone()).collect(),
            Query::Distinct(of)
            | Query::In(of, ..)
            | Query::Limit(of, ..)
            | Query::Ordered(of, _) => of.columns(),
            Query::Join(Kind::Exists | Kind::NotExists, left, ..) => left.columns(),
            Query::Join(_, left, right, _) => {
                let mut columns = left.columns();
                columns.extend(right.columns());
                columns
            }
            Query::Group(_, keys, aggregates) => {
                let keys = keys.iter().map(|c| c.1.clone());
                keys.chain(aggregates.iter().map(|c| c.1.clone())).collect()
            }
            Query::Union(_, _, _, names) => names.clone(),
            Query::Window(of, columns) => {
                let mut names = of.columns();
                names.extend(columns.iter().map(|c| c.1.clone()));
                names
            }
        }
    }

    pub(crate) fn sql(&self) -> String {
        let from = |query: &Query| {
            let text = query.sql();
            // Each subquery has a name of its own.
            let name = format!("q{}", query.columns().join(""));
            format!("({text}) as {name}")
        };
        match self {
            Query::Table(name, columns) => {
                let columns: Vec<String> = columns
                    .iter()
                    .map(|(own, new)| format!("{own} as {new}"))
                    .collect();
                format!("select {} from {name}", columns.join(", "))
            }
            Query::Select(input, columns, condition) => {
                let condition = condition
                    .as_ref()
                    .map_or(String::new(), |c| format!(" where {}", c.sql()));
                format!(
                    "select {} from {}{condition}",
                    list(columns, Number::sql),
                    from(input)
                )
            }
            Query::Distinct(input) => format!("select distinct * from {}", from(input)),
            Query::Join(kind, left, right, on) => {
                let word = match kind {
                    Kind::Inner => "join",
                    Kind::Left => "left join",
                    Kind::Full => "full join",
                    Kind::Exists | Kind::NotExists => {
                        let not = match kind {
                            Kind::Exists => "",
                            _ => "not ",
                        };
                        return format!(
                            "select * from {} where {not}exists (select 1 from {} where {})",
                            from(left),
                            from(right),
                            on.sql()
                        );
                    }
                };
                format!(
                    "select * from {} {word} {} on {}",
                    from(left),
                    from(right),
                    on.sql()
                )
            }
            Query::In(left, number, right, negated) => format!(
                "select * from {} where {} {}in ({})",
                from(left),
                number.sql(),
                if *negated { "not " } else { "" },
                right.sql()
            ),
            Query::Group(input, keys, aggregates) => {
                let mut columns = Vec::new();
                if !keys.is_empty() {
                    columns.push(list(keys, Number::sql));
                }
                if !aggregates.is_empty() {
                    columns.push(list(aggregates, Aggregate::sql));
                }
                let by: Vec<String> = keys.iter().map(|(key, _)| key.sql()).collect();
                let by = match by.is_empty() {
                    true => String::new(),
                    false => format!(" group by {}", by.join(", ")),
                };
                format!("select {} from {}{by}", columns.join(", "), from(input))
            }
            Query::Union(left, right, all, names) => {
                let side = |query: &Query| {
                    let columns: Vec<(Number, String)> = query
                        .columns()
                        .into_iter()
                        .zip(names)
                        .map(|(own, new)| (Number::Column(own), new.clone()))
                        .collect();
                    format!(
                        "select {} from {}",
                        list(&columns, Number::sql),
                        from(query)
                    )
                };
                let word = if *all { "union all" } else { "union" };
                format!("{} {word} {}", side(left), side(right))
            }
            Query::Window(input, columns) => format!(
                "select *, {} from {}",
                list(columns, Windowed::sql),
                from(input)
            ),
            Query::Ordered(input, order) => {
                format!("select * from {} order by {}", from(input), order.sql())
            }
            Query::Limit(input, order, skip, fetch) => {
                let mut by = vec![order.sql()];
                by.extend(input.columns());
                format!(
                    "select * from {} order by {} limit {fetch} offset {skip}",
                    from(input),
                    by.join(", ")
                )
            }
        }
    }
}

/// Makes queries.
struct Maker<'d> {
    dice: &'d mut Dice,
    names: usize,
}

/// A random query.
pub(crate) fn query(dice: &mut Dice) -> Query {
    let depth = 1 + dice.below(3);
    let mut maker = Maker { dice, names: 0 };
    let query = maker.query(depth);
    if maker.dice.chance(15) {
        let order = maker.number(&query.columns(), 2);
        if !matches!(order, Number::Literal(_)) {
            return Query::Ordered(Box::new(query), order);
        }
    }
    query
}

fn is_text(name: &str) -> bool {
    name.starts_with('s')
}

impl Maker<'_> {
    fn name(&mut self, first: char) -> String {
        self.names += 1;
        format!("{first}{}", self.names)
    }

    fn table(&mut self) -> Query {
        let table = self.dice.pick(&["t", "u"]);
        let columns = ["k", "a", "b", "s"].map(|own| {
            let first = if own == "s" { 's' } else { 'x' };
            (format!("{table}{own}"), self.name(first))
        });
        Query::Table(table, columns.to_vec())
    }

    fn number(&mut self, columns: &[String], depth: usize) -> Number {
        let numbers: Vec<String> = columns.iter().filter(|c| !is_text(c)).cloned().collect();
        let texts: Vec<String> = columns.iter().filter(|c| is_text(c)).cloned().collect();
        if depth == 0 || self.dice.chance(25) {
            if numbers.is_empty() || self.dice.chance(15) {
                return Number::Literal(self.dice.below(4) as i64);
            }
            return Number::Column(self.dice.pick(&numbers));
        }
        match self.dice.below(12) {
            0..=3 => Number::Div(
                self.boxed(columns, depth - 1),
                self.boxed(columns, depth - 1),
            ),
            4 => Number::Mod(
                self.boxed(columns, depth - 1),
                self.boxed(columns, depth - 1),
            ),
            5 | 6 => Number::Add(
                self.boxed(columns, depth - 1),
                self.boxed(columns, depth - 1),
            ),
            7 | 8 if !texts.is_empty() => Number::Cast(self.dice.pick(&texts)),
            9 => Number::Case(
                Box::new(self.condition(columns, depth - 1)),
                self.boxed(columns, depth - 1),
                self.boxed(columns, depth - 1),
            ),
            10 => Number::Coalesce(
                self.boxed(columns, depth - 1),
                self.boxed(columns, depth - 1),
            ),
            _ if numbers.is_empty() => Number::Literal(1),
            _ => Number::Column(self.dice.pick(&numbers)),
        }
    }

    fn boxed(&mut self, columns: &[String], depth: usize) -> Box<Number> {
        Box::new(self.number(columns, depth))
    }

    fn condition(&mut self, columns: &[String], depth: usize) -> Condition {
        if depth > 0 && self.dice.chance(45) {
            let mut part = || Box::new(self.condition(columns, depth - 1));
            let (a, b) = (part(), part());
            return match self.dice.below(5) {
                0 | 1 => Condition::And(a, b),
                2 | 3 => Condition::Or(a, b),
                _ => Condition::Not(a),
            };
        }
        if self.dice.chance(12) {
            return Condition::IsNull(self.boxed(columns, depth.min(1)));
        }
        let op = self.dice.pick(&["=", "<>", "<", ">=", "="]);
        let (a, b) = (self.boxed(columns, depth.min(1)), self.boxed(columns, 0));
        Condition::Compare(op, a, b)
    }

    /// A condition that mostly compares columns of two sides.
    fn pairs(&mut self, left: &[String], right: &[String]) -> Condition {
        let mut condition = {
            let (l, r) = (self.dice.below(2), self.dice.below(2));
            Condition::Compare("=", self.boxed(left, l), self.boxed(right, r))
        };
        while self.dice.chance(35) {
            let mut both = left.to_vec();
            both.extend(right.iter().cloned());
            let more = match self.dice.chance(50) {
                true => Condition::Compare("=", self.boxed(left, 1), self.boxed(right, 1)),
                false => self.condition(&both, 1),
            };
            condition = Condition::And(Box::new(condition), Box::new(more));
        }
        condition
    }

    fn numbers(&mut self, columns: &[String], most: usize, depth: usize) -> Vec<(Number, String)> {
        let count = 1 + self.dice.below(most);
        (0..count)
            .map(|_| (self.number(columns, depth), self.name('x')))
            .collect()
    }

    fn query(&mut self, depth: usize) -> Query {
        if depth == 0 {
            return self.table();
        }
        let input = Box::new(self.query(depth - 1));
        let columns = input.columns();
        match self.dice.below(14) {
            0..=3 => {
                let mut exprs = self.numbers(&columns, 3, 2);
                if self.dice.chance(8) {
                    exprs.push((self.one(), self.name('x')));
                }
                let condition = self.dice.chance(60).then(|| self.condition(&columns, 2));
                Query::Select(input, exprs, condition)
            }
            4 => Query::Distinct(Box::new(Query::Select(
                input,
                self.numbers(&columns, 3, 1),
                None,
            ))),
            5..=7 => {
                let right = Box::new(self.query((depth - 1).min(1)));
                let on = self.pairs(&columns, &right.columns());
                let kinds = [
                    Kind::Inner,
                    Kind::Left,
                    Kind::Full,
                    Kind::Exists,
                    Kind::NotExists,
                ];
                let kind = self.dice.pick(&kinds);
                Query::Join(kind, input, right, on)
            }
            8 => {
                let right = self.query(depth - 1);
                let exprs = vec![(self.number(&right.columns(), 1), self.name('x'))];
                let condition = self
                    .dice
                    .chance(40)
                    .then(|| self.condition(&right.columns(), 1));
                let right = Box::new(Query::Select(Box::new(right), exprs, condition));
                let number = self.number(&columns, 1);
                Query::In(input, number, right, self.dice.chance(50))
            }
            9 | 10 => {
                let keys = match self.dice.chance(85) {
                    true => self.numbers(&columns, 2, 1),
                    false => Vec::new(),
                };
                // A literal among the keys would be the number of a column.
                let mut seen = Vec::new();
                let mut kept = Vec::new();
                for (key, name) in keys {
                    let text = key.sql();
                    if matches!(key, Number::Literal(_)) || seen.contains(&text) {
                        continue;
                    }
                    seen.push(text);
                    kept.push((key, name));
                }
                let mut aggregates = Vec::new();
                for _ in 0..1 + self.dice.below(2) {
                    let of = self.number(&columns, 1);
                    let aggregate = match self.dice.below(5) {
                        0 | 1 => Aggregate::Sum(of),
                        2 => Aggregate::Min(of),
                        3 => Aggregate::Rows,
                        _ if self.dice.chance(50) => Aggregate::Count(of),
                        _ => Aggregate::SumWhere(of, self.condition(&columns, 1)),
                    };
                    aggregates.push((aggregate, self.name('x')));
                }
                Query::Group(input, kept, aggregates)
            }
            11 => {
                let other = self.query((depth - 1).min(1));
                let count = 1 + self.dice.below(2);
                let mut side = |query: Query| {
                    let columns = query.columns();
                    let exprs: Vec<(Number, String)> = (0..count)
                        .map(|_| (self.number(&columns, 1), self.name('x')))
                        .collect();
                    Box::new(Query::Select(Box::new(query), exprs, None))
                };
                let (left, right) = (side(*input), side(other));
                let names = (0..count).map(|_| self.name('x')).collect();
                Query::Union(left, right, self.dice.chance(50), names)
            }
            12 => {
                let mut windows = Vec::new();
                for _ in 0..1 + self.dice.below(2) {
                    let mut by = Vec::new();
                    for _ in 0..self.dice.below(3) {
                        by.push(self.number(&columns, 1));
                    }
                    let (of, order) = (self.number(&columns, 1), self.number(&columns, 1));
                    let windowed = match self.dice.below(4) {
                        0 => Windowed::Sum(of, by),
                        1 => Windowed::Count(by),
                        2 => Windowed::MinSoFar(of, by, order),
                        _ => Windowed::Rank(by, order),
                    };
                    windows.push((windowed, self.name('x')));
                }
                Query::Window(input, windows)
            }
            _ => {
                let mut order = self.number(&columns, 1);
                if matches!(order, Number::Literal(_)) {
                    order = Number::Column(columns[0].clone());
                }
                let (skip, fetch) = (self.dice.below(3), self.dice.below(4));
                Query::Limit(input, order, skip, fetch)
            }
        }
    }

    /// A scalar subquery, mostly of one row.
    fn one(&mut self) -> Number {
        let of = self.table();
        let columns = of.columns();
        let condition = self.dice.chance(50).then(|| self.condition(&columns, 1));
        let exprs = vec![(self.number(&columns, 1), self.name('x'))];
        let select = Query::Select(Box::new(of), exprs.clone(), condition);
        if self.dice.chance(30) {
            return Number::One(Box::new(select));
        }
        let aggregate = Aggregate::Min(Number::Column(exprs[0].1.clone()));
        let aggregates = vec![(aggregate, self.name('x'))];
        Number::One(Box::new(Query::Group(
            Box::new(select),
            Vec::new(),
            aggregates,
        )))
    }
}
