//! What needs more than one file: do the tables exist, may they be read, do they have the columns, is there a cycle.

use std::collections::{BTreeMap, BTreeSet};

use crate::checks::{Check, CheckKind, Drafted, THIS};
use crate::decode::{PROVENANCE, bronze_name, fold_name, printable};
use crate::diagnostic::{Place, Reporter};
use crate::graph::{self, Edges};
use crate::model::{Access, Domain, Feed, Mode, ModelKind};
use crate::model_file::{Draft, place_in, place_of};
use crate::nearest::{did_you_mean, nearest};
use crate::table_name::{Layer, TableName};
use crate::yaml::Node;
use karat_sql::{Query, Span};

/// Bronze's own columns that a silver expression may read (B2).
const BRONZE_COLUMNS: [&str; 6] = ["_seq", "_op", "_object", "_row", "_rescued", "_fixes"];
/// Suggestions are searched among all tables; a project that is wrong everywhere needs no more than this many.
const SUGGESTIONS_MAX: usize = 50;

/// Everything declared, to look things up in.
struct Tables<'a> {
    feeds: BTreeMap<&'a TableName, &'a Feed>,
    models: BTreeMap<&'a TableName, (Access, Option<BTreeSet<String>>)>,
    /// Tables whose own file could not be read: who reads them is not to blame.
    broken: &'a BTreeSet<TableName>,
    catalogs: Vec<&'a str>,
    suggestions_left: usize,
    /// The models' names as text, made when the first suggestion is searched.
    names: Vec<String>,
}

/// Checks all links, and fills in what models read. Gives the tables that two feeds make: nobody knows which columns they have.
pub(crate) fn check(
    domains: &[Domain],
    drafts: &mut [Draft],
    broken: &BTreeSet<TableName>,
    catalogs: Vec<&str>,
    report: &mut Reporter,
) -> BTreeSet<TableName> {
    let twins = check_feeds(domains, report);
    let mut found: Vec<(Option<TableName>, Vec<TableName>, bool)> =
        Vec::with_capacity(drafts.len());
    let mut checked: Vec<Vec<Vec<(TableName, Place)>>> = Vec::with_capacity(drafts.len());
    let mut edges: Vec<(TableName, Vec<Edge>)> = Vec::with_capacity(drafts.len());
    {
        let mut tables = Tables {
            feeds: domains
                .iter()
                .flat_map(|domain| &domain.feeds)
                .map(|feed| (&feed.bronze, feed))
                .collect(),
            models: drafts
                .iter()
                .map(|draft| {
                    let columns = draft.columns_known.then(|| draft_columns(draft));
                    let access = if draft.access_known {
                        draft.model.access
                    } else {
                        Access::Public
                    };
                    (&draft.model.name, (access, columns))
                })
                .collect(),
            broken,
            catalogs,
            suggestions_left: SUGGESTIONS_MAX,
            names: Vec::new(),
        };
        for draft in drafts.iter() {
            let reads = match draft.model.kind {
                ModelKind::Silver(_) => tables.check_silver(draft, report),
                ModelKind::Gold(_) => tables.check_gold(draft, report),
            };
            let wanted = match (&draft.model.kind, &draft.query) {
                (ModelKind::Silver(_), _) => 1,
                (ModelKind::Gold(_), Some((_, query))) => query.tables.len(),
                (ModelKind::Gold(_), None) => usize::MAX,
            };
            let all_known = reads.len() == wanted;
            let from = matches!(draft.model.kind, ModelKind::Silver(_))
                .then(|| reads.first().map(|(name, _)| name.clone()))
                .flatten();
            let mut inputs: Vec<TableName> = reads.iter().map(|(name, _)| name.clone()).collect();
            inputs.sort();
            inputs.dedup();
            let mut own: Vec<Edge> = Vec::new();
            own.extend(reads.into_iter().map(|(to, at)| Edge {
                to,
                at,
                check: None,
            }));
            let mut of_checks = Vec::new();
            for drafted in &draft.checks {
                let reads = tables.check_check(&draft.model.name, drafted, report);
                // Of its own table a check sees the version that is about to be made.
                let others = reads.iter().filter(|(to, _)| *to != draft.model.name);
                own.extend(others.map(|(to, at)| Edge {
                    to: to.clone(),
                    at: *at,
                    check: Some(drafted.check.name.clone()),
                }));
                of_checks.push(reads);
            }
            checked.push(of_checks);
            edges.push((draft.model.name.clone(), own));
            found.push((from, inputs, all_known));
        }
    }
    check_cycles(&edges, report);
    for (draft, of_checks) in drafts.iter_mut().zip(checked) {
        let name = draft.model.name.clone();
        draft.model.checks = std::mem::take(&mut draft.checks)
            .into_iter()
            .zip(of_checks)
            .map(|(drafted, reads)| linked(&name, drafted, reads))
            .collect();
    }
    for (draft, (from, inputs, all_known)) in drafts.iter_mut().zip(found) {
        draft.model.inputs = inputs;
        draft.reads_known = all_known;
        if let (ModelKind::Silver(silver), Some(from)) = (&mut draft.model.kind, from) {
            silver.from = from;
        }
    }
    twins
}

/// What a model reads, where it says so, and which of its checks does; none: its rows come from there.
struct Edge {
    to: TableName,
    at: Place,
    check: Option<String>,
}

/// A check with the tables that were found for it.
fn linked(model: &TableName, drafted: Drafted, reads: Vec<(TableName, Place)>) -> Check {
    let mut check = drafted.check;
    if let (CheckKind::ForeignKey { references, .. }, Some((found, _))) =
        (&mut check.kind, reads.first())
    {
        *references = found.clone();
    }
    let others = reads.into_iter().map(|(name, _)| name);
    check.reads = others.filter(|name| name != model).collect();
    check.reads.sort();
    check.reads.dedup();
    check
}

/// Names are compared in lower case (F3).
fn draft_columns(draft: &Draft) -> BTreeSet<String> {
    match &draft.model.kind {
        ModelKind::Gold(gold) => gold
            .columns
            .iter()
            .map(|column| column.to_lowercase())
            .collect(),
        // Those whose expression is wrong are columns nonetheless.
        ModelKind::Silver(_) => draft.silver_outputs.iter().cloned().collect(),
    }
}

/// B7: what a window brings again with other content is one more row of bronze, and only `auto_cdc` knows that it is the same row.
fn warn_of_rows_read_again(feed: &Feed, draft: &Draft, at: Place, report: &mut Reporter) {
    let ModelKind::Silver(silver) = &draft.model.kind else {
        return;
    };
    let has_window = feed
        .cursor
        .as_ref()
        .is_some_and(|cursor| cursor.lag.is_some());
    // An `auto_cdc` that cannot be read is a mistake, and told as one.
    if !has_window || silver.auto_cdc.is_some() || report.files_with_errors().contains(&at.file) {
        return;
    }
    report.warning(
        at,
        format!(
            "`{}` may hold a row of `{}` twice: its cursor's `lag` reads rows again, and one that changed meanwhile, or has a new column, is one row more",
            draft.model.name,
            feed.short_name()
        ),
        "say what names a row: with a primary key at the source, or `key` in the feed from its first load on, and `auto_cdc: { keys: [COLUMN] }` in the model the newest reading counts",
    );
}

/// C5: snapshots are full loads; a delete of a keyed one has only the key of the feed to say whose it is.
fn check_snapshots(feed: &Feed, draft: &Draft, report: &mut Reporter) {
    let ModelKind::Silver(silver) = &draft.model.kind else {
        return;
    };
    let Some((cdc, snapshots)) = silver
        .auto_cdc
        .as_ref()
        .and_then(|cdc| Some((cdc, cdc.snapshots.as_ref()?)))
    else {
        return;
    };
    let name = feed.short_name();
    if feed.mode != Mode::Full {
        report.error(
            snapshots.at,
            format!("`from: snapshots` reads full loads, and `{name}` is `mode: {}`", feed.mode.as_str()),
            "where each file or reading is the whole table, use `mode: full` in a feed of another `name`; else leave `from` out",
        );
        return;
    }
    if feed.path.is_none() && snapshots.version.is_some() {
        report.error(
            snapshots.at,
            format!(
                "the snapshots of `{name}` have no order mark to read a version from: it is a table"
            ),
            "leave `snapshot_version` out: they are dated by the logical time of their load",
        );
    }
    if feed.path.is_some() && snapshots.version.is_none() && cdc.scd_type == 2 {
        report.warning(
            snapshots.at,
            format!("the ranges of `{}` begin when karat loads a snapshot: of several that one run loads, only the last holds", draft.model.name),
            "say how the date is written that `file_order` captures: `snapshot_version: \"%Y%m%d\"`",
        );
    }
    if feed.key.is_empty() {
        return;
    }
    let of_keys = silver.select.iter();
    let of_keys = of_keys.filter(|column| cdc.keys.contains(&column.name));
    for column in of_keys.filter(|column| column.reads.iter().any(|read| !feed.key.contains(read)))
    {
        report.error(
            column.at,
            format!(
                "`{}` of `auto_cdc.keys` is not known where a snapshot no longer has a row: of that row bronze keeps the feed's `key`, {}",
                column.name,
                feed.key.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            ),
            "name columns in `keys` that are made of the feed's `key` alone",
        );
    }
    let is_read = |key: &&String| {
        let mut of_keys = silver.select.iter();
        of_keys.any(|column| cdc.keys.contains(&column.name) && column.reads.contains(*key))
    };
    if let Some(unread) = feed.key.iter().find(|key| !is_read(key)) {
        report.error(
            cdc.keys_at,
            format!("rows of one snapshot may be of one key: `auto_cdc.keys` is made without `{unread}` of the feed's `key`"),
            "name a column in `keys` that is made of it",
        );
    }
}

/// B10: two feeds that make one table; gives these tables.
fn check_feeds(domains: &[Domain], report: &mut Reporter) -> BTreeSet<TableName> {
    let mut twins = BTreeSet::new();
    let mut first: BTreeMap<&TableName, &Feed> = BTreeMap::new();
    for feed in domains.iter().flat_map(|domain| &domain.feeds) {
        if let Some(other) = first.get(&feed.bronze) {
            let file = report.path(other.at.file).display().to_string();
            let message = format!(
                "two feeds make the table `{}` (B10); the first is `{}` in {file}:{}",
                feed.bronze,
                other.short_name(),
                other.at.line
            );
            report.error(feed.at, message, "give one of them another `name`");
            twins.insert(feed.bronze.clone());
        } else {
            first.insert(&feed.bronze, feed);
        }
    }
    twins
}

impl Tables<'_> {
    fn check_silver(&mut self, draft: &Draft, report: &mut Reporter) -> Vec<(TableName, Place)> {
        for column in draft
            .bronze_columns
            .iter()
            .filter(|column| PROVENANCE.contains(&column.value.as_str()))
        {
            refuse_provenance(&column.value, column.at, report);
        }
        let Some(from) = &draft.from else {
            return Vec::new();
        };
        let domain = &draft.model.name.domain;
        let Some(bronze) = self.find_feed(domain, &from.value, from.at, report) else {
            return Vec::new();
        };
        if let Some(feed) = self.feeds.get(&bronze)
            && let Some(known) = known_bronze_columns(feed)
        {
            for column in &draft.bronze_columns {
                let name = column.value.as_str();
                if !known.contains(name)
                    && !BRONZE_COLUMNS.contains(&name)
                    && !PROVENANCE.contains(&name)
                {
                    let hint = did_you_mean(name, known.iter().map(String::as_str));
                    let hint = name_with_blanks(feed, name).or(hint);
                    let message = format!(
                        "unknown column `{}`: the feed `{}` declares its `columns`",
                        printable(name),
                        feed.short_name()
                    );
                    let hint = hint.unwrap_or_else(|| {
                        let names: Vec<&str> = known.iter().map(String::as_str).collect();
                        format!("it declares: {}", printable(&names.join(", ")))
                    });
                    report.error(column.at, message, hint);
                }
            }
        }
        if let Some(feed) = self.feeds.get(&bronze) {
            warn_of_rows_read_again(feed, draft, from.at, report);
            check_snapshots(feed, draft, report);
        }
        vec![(bronze, from.at)]
    }

    /// `source.feed` of the own domain, or a bronze table's name.
    fn find_feed(
        &mut self,
        domain: &str,
        from: &str,
        at: Place,
        report: &mut Reporter,
    ) -> Option<TableName> {
        // Names have no case (F3): a feed of the table `Invoice` is called `invoice`.
        let folded = from.to_lowercase();
        let from = folded.as_str();
        let Some((first, second)) = from.split_once('.') else {
            report.error(
                at,
                "`from` must be `source.feed`",
                self.suggest_feed(domain, from),
            );
            return None;
        };
        let named = TableName::from_parts(first, second);
        let wanted = match &named {
            Some(name) if name.layer == Layer::Bronze => name.clone(),
            Some(name) if self.models.contains_key(name) || self.broken.contains(name) => {
                report.error(
                    at,
                    format!(
                        "`from` names the {} table `{name}`; a silver model reads a feed",
                        name.layer
                    ),
                    "read silver tables in a gold model",
                );
                return None;
            }
            _ => TableName::new(domain, Layer::Bronze, format!("{first}__{second}")),
        };
        if wanted.domain != domain && self.feeds.contains_key(&wanted) {
            let message = format!(
                "the feed `{from}` belongs to domain `{}`; other domains read only its public tables (D1)",
                wanted.domain
            );
            report.error(
                at,
                message,
                "read one of its silver or gold tables marked `access: public`, in a gold model",
            );
            return None;
        }
        if self.feeds.contains_key(&wanted) {
            return Some(wanted);
        }
        if self.broken.contains(&wanted) || self.broken.contains(&domain_marker(&wanted.domain)) {
            return None;
        }
        let searched = self.suggestions_left > 0;
        let elsewhere = self
            .feeds
            .values()
            .find(|feed| searched && feed.short_name() == from);
        let hint = match elsewhere {
            Some(feed) => format!("a feed of this name belongs to domain `{}`", feed.domain),
            None => self.suggest_feed(domain, from),
        };
        report.error(
            at,
            format!(
                "there is no feed `{}` in domain `{domain}`",
                printable(from)
            ),
            hint,
        );
        None
    }

    fn suggest_feed(&mut self, domain: &str, from: &str) -> String {
        let Some(left) = self.suggestions_left.checked_sub(1) else {
            return String::new();
        };
        self.suggestions_left = left;
        let own: Vec<String> = self
            .feeds
            .values()
            .filter(|feed| feed.domain == domain)
            .map(|feed| feed.short_name())
            .collect();
        if let Some(hint) = did_you_mean(from, own.iter().map(String::as_str)) {
            return hint;
        }
        match own.as_slice() {
            [] => format!("declare it under `feeds` in domains/{domain}/domain.yaml"),
            names if names.len() <= 8 => format!("domain `{domain}` has: {}", names.join(", ")),
            names => format!(
                "domain `{domain}` has {} feeds; see domains/{domain}/domain.yaml",
                names.len()
            ),
        }
    }

    fn check_gold(&mut self, draft: &Draft, report: &mut Reporter) -> Vec<(TableName, Place)> {
        let Some((file, query)) = &draft.query else {
            return Vec::new();
        };
        self.check_query(&draft.model.name, query, &At::File(*file), report)
    }

    /// The tables of a check that were found, with their places; of a foreign key its one.
    fn check_check(
        &mut self,
        model: &TableName,
        drafted: &Drafted,
        report: &mut Reporter,
    ) -> Vec<(TableName, Place)> {
        if let Some((references, keys)) = &drafted.references {
            let folded = references.value.to_lowercase();
            let parts: Vec<String> = folded.split('.').map(str::to_owned).collect();
            let table = match parts.as_slice() {
                [this] if this == THIS => Some(model.clone()),
                _ => self.find_table(&model.domain, &parts, references.at, report),
            };
            let Some(table) = table else {
                return Vec::new();
            };
            if let Some((_, Some(columns))) = self.models.get(&table) {
                let unknown = keys.iter().filter(|key| !columns.contains(&key.value));
                for key in unknown {
                    let hint = did_you_mean(&key.value, columns.iter().map(String::as_str))
                        .unwrap_or_else(|| "name its columns in `keys`".to_owned());
                    report.error(
                        key.at,
                        format!("`{table}` has no column `{}`", printable(&key.value)),
                        hint,
                    );
                }
            }
            return vec![(table, references.at)];
        }
        let mut reads = Vec::new();
        for (query, node) in &drafted.queries {
            reads.extend(self.check_query(model, query, &At::Scalar(node), report));
        }
        reads
    }

    /// The tables of a query that were found, with their places; what it names and nobody has is told. A check calls the table of its
    /// model `this`.
    fn check_query(
        &mut self,
        model: &TableName,
        query: &Query,
        stands: &At<'_>,
        report: &mut Reporter,
    ) -> Vec<(TableName, Place)> {
        let mut reads = Vec::new();
        let mut resolved: Vec<Option<TableName>> = Vec::with_capacity(query.tables.len());
        for table in &query.tables {
            let at = stands.place(table.span, report);
            let name = match (table.parts.as_slice(), stands) {
                ([this], At::Scalar(_)) if this == THIS => Some(model.clone()),
                _ => self.find_table(&model.domain, &table.parts, at, report),
            };
            reads.extend(name.clone().map(|name| (name, at)));
            resolved.push(name);
        }
        for column in &query.columns {
            let at = stands.place(column.span, report);
            if PROVENANCE.contains(&column.name.as_str()) {
                refuse_provenance(&column.name, at, report);
                continue;
            }
            let Some(candidates) = &column.tables else {
                continue;
            };
            let mut known: Vec<(String, &BTreeSet<String>)> = Vec::new();
            for candidate in candidates {
                match resolved[*candidate]
                    .as_ref()
                    .and_then(|name| Some((name.to_string(), self.models.get(name)?.1.as_ref()?)))
                {
                    Some(found) => known.push(found),
                    None => break,
                }
            }
            // One table whose columns are not known is enough to be silent.
            if known.len() < candidates.len() {
                continue;
            }
            known.extend(column.derived.iter().map(|at| {
                let derived = &query.derived[*at];
                (printable(&derived.name), &derived.columns)
            }));
            if known.is_empty()
                || known
                    .iter()
                    .any(|(_, columns)| columns.contains(&column.name))
            {
                continue;
            }
            let hint = nearest(
                &column.name,
                known
                    .iter()
                    .flat_map(|(_, columns)| columns.iter().map(String::as_str)),
            );
            let hint = hint
                .map(|name| format!("did you mean `{name}`?"))
                .unwrap_or_else(|| match known.as_slice() {
                    [(_, columns)] if columns.len() <= 12 => format!(
                        "it has: {}",
                        columns.iter().cloned().collect::<Vec<_>>().join(", ")
                    ),
                    _ => String::new(),
                });
            let hint = match &column.quoted {
                Some(text) => {
                    let text = text.replace('\'', "''");
                    let more = if hint.is_empty() { "" } else { "; " };
                    format!("text stands in single quotes: '{text}'{more}{hint}")
                }
                None => hint,
            };
            let of = match known.as_slice() {
                [(name, _)] => format!("`{name}` has no column `{}`", printable(&column.name)),
                _ => format!("no table here has a column `{}`", printable(&column.name)),
            };
            report.error(at, of, hint);
        }
        reads
    }

    fn find_table(
        &mut self,
        domain: &str,
        parts: &[String],
        at: Place,
        report: &mut Reporter,
    ) -> Option<TableName> {
        let (schema, table) = match parts {
            [schema, table] => (schema, table),
            [single] => {
                let searched = self.suggestions_left > 0;
                let same: Vec<String> = self
                    .models
                    .keys()
                    .filter(|name| searched && name.table == *single)
                    .map(|name| name.to_string())
                    .collect();
                let hint = match same.as_slice() {
                    [] => self.suggest_table(single).unwrap_or_else(|| {
                        "a name has two parts, like `sales_silver.orders`".to_string()
                    }),
                    names if names.len() <= 3 => format!("write `{}`", names.join("` or `")),
                    _ => "a name has two parts, like `sales_silver.orders`".to_string(),
                };
                report.error(
                    at,
                    format!(
                        "`{}` needs two parts: `domain_layer.table` (D1)",
                        printable(single)
                    ),
                    hint,
                );
                return None;
            }
            [catalog, rest @ ..] => {
                let rest = rest.join(".");
                if self
                    .catalogs
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(catalog))
                {
                    report.error(
                        at,
                        format!(
                            "`{}` is this project's own catalog: each target has its own (D1)",
                            printable(catalog)
                        ),
                        format!("write `{}`", printable(&rest)),
                    );
                } else {
                    report.error(
                        at,
                        format!(
                            "tables of another catalog are not available in this version: `{}`",
                            printable(&parts.join("."))
                        ),
                        format!(
                            "if it is a table of this project, write `{}`",
                            printable(&rest)
                        ),
                    );
                }
                return None;
            }
            [] => return None,
        };
        let written = format!("{schema}.{table}");
        let name = TableName::from_parts(schema, table);
        if let Some(name) = &name {
            if matches!(name.layer, Layer::Bronze | Layer::Quarantine) {
                let hint = "read it through a silver model";
                report.error(
                    at,
                    format!(
                        "reading {} tables in gold is not available in this version: `{name}`",
                        name.layer
                    ),
                    hint,
                );
                return None;
            }
            if let Some((access, _)) = self.models.get(name) {
                if name.domain != domain && *access != Access::Public {
                    let message = format!(
                        "`{name}` belongs to domain `{}` and is not public (D1)",
                        name.domain
                    );
                    report.error(
                        at,
                        message,
                        format!(
                            "its owner can mark it `access: public` in domains/{}.yaml",
                            name.folder()
                        ),
                    );
                    return None;
                }
                return Some(name.clone());
            }
            if self.broken.contains(name) {
                return None;
            }
        }
        let hint = self.suggest_table(&written).unwrap_or_else(|| match name {
            Some(_) => "each table of the project is a file in `silver/` or `gold/`".to_string(),
            None => {
                "a table's name is `domain_layer.table`, like `sales_silver.orders`".to_string()
            }
        });
        report.error(
            at,
            format!("there is no table `{}`", printable(&written)),
            hint,
        );
        None
    }

    fn suggest_table(&mut self, written: &str) -> Option<String> {
        self.suggestions_left = self.suggestions_left.checked_sub(1)?;
        if self.names.is_empty() {
            self.names = self.models.keys().map(|name| name.to_string()).collect();
        }
        let names = || self.names.iter().map(String::as_str);
        // One half right is what people mostly have, and is quicker to search.
        let (schema, table) = written.split_once('.').unwrap_or(("", written));
        did_you_mean(
            written,
            names().filter(|name| name.split_once('.').is_some_and(|(own, _)| own == schema)),
        )
        .or_else(|| {
            let same = |name: &&str| name.split_once('.').is_some_and(|(_, own)| own == table);
            did_you_mean(written, names().filter(same))
        })
        .or_else(|| did_you_mean(written, names()))
    }
}

/// Where a query stands.
enum At<'q> {
    /// In a file of its own.
    File(u32),
    /// In a scalar of a YAML file.
    Scalar(&'q Node),
}

impl At<'_> {
    fn place(&self, span: Span, report: &Reporter) -> Place {
        match self {
            At::File(file) => place_of(*file, span),
            At::Scalar(node) => place_in(node, span, report),
        }
    }
}

/// Stands in the set of broken tables for all feeds of a domain whose `domain.yaml` could not be read.
pub(crate) fn domain_marker(domain: &str) -> TableName {
    TableName::new(domain, Layer::Bronze, "")
}

fn refuse_provenance(name: &str, at: Place, report: &mut Reporter) {
    report.error(
        at,
        format!(
            "`{name}` says how a row came here, not what it is: refused in silver and gold (B2)"
        ),
        "query it in bronze with `karat query`",
    );
}

/// The bronze columns of a feed that declares them; `None` if only the data tells.
fn known_bronze_columns(feed: &Feed) -> Option<BTreeSet<String>> {
    let declared = feed.columns.as_ref()?;
    Some(
        declared
            .iter()
            .map(|name| bronze_name(name))
            .chain(feed.rename.keys().cloned())
            .collect(),
    )
}

/// What to write for a column that the feed declares with blanks around its name: they are part of it (F1).
fn name_with_blanks(feed: &Feed, wanted: &str) -> Option<String> {
    let mut declared = feed.columns.as_ref()?.iter();
    let spelled = declared.find(|name| {
        let bare = name.trim();
        bare != name.as_str() && fold_name(bare) == wanted
    })?;
    Some(format!(
        "`columns` has it as `{}`, with blanks around it: write `{}`",
        printable(spelled),
        bronze_name(spelled)
    ))
}

/// Names each cycle once, at the reference that closes it.
fn check_cycles(edges: &[(TableName, Vec<Edge>)], report: &mut Reporter) {
    let index: BTreeMap<&TableName, usize> = edges
        .iter()
        .enumerate()
        .map(|(at, (name, _))| (name, at))
        .collect();
    let inputs: Edges = edges
        .iter()
        .map(|(_, reads)| {
            reads
                .iter()
                .filter_map(|edge| index.get(&edge.to).copied())
                .collect()
        })
        .collect();
    for cycle in graph::cycles(&inputs) {
        // From each table to the one it reads; begins at the smallest name, so that the message does not depend on the search.
        let mut names: Vec<&TableName> = cycle.iter().map(|at| &edges[*at].0).collect();
        let smallest = (0..names.len()).min_by_key(|at| names[*at]).unwrap_or(0);
        names.rotate_left(smallest);
        let first = names[0];
        let next = |at: usize| names[(at + 1) % names.len()];
        // Where its rows come from, else what a check of it reads.
        let edge = |at: usize| {
            let mut to_next: Vec<&Edge> = edges[index[names[at]]]
                .1
                .iter()
                .filter(|edge| edge.to == *next(at))
                .collect();
            to_next.sort_by_key(|edge| edge.check.is_some());
            to_next.first().copied()
        };
        let path: Vec<String> = (0..names.len())
            .map(|at| match edge(at).and_then(|edge| edge.check.as_ref()) {
                Some(check) => format!("`{}` (in its check `{check}`)", names[at]),
                None => format!("`{}`", names[at]),
            })
            .chain([format!("`{first}`")])
            .collect();
        let by_check = (0..names.len())
            .filter_map(edge)
            .find(|edge| edge.check.is_some());
        // A check can be taken out of the way.
        let told = by_check.or_else(|| edge(0));
        if let Some(edge) = told {
            let message = match names.len() {
                1 => format!("`{first}` reads itself"),
                _ => format!("cycle: {}", path.join(" reads ")),
            };
            let hint = match by_check {
                Some(_) => {
                    "what a check reads is made before it: move the check to the table that is made last, which can read both"
                }
                None => "a table cannot depend on itself; break the cycle with a table of its own",
            };
            report.error(edge.at, message, hint);
        }
    }
}
