//! The catalog from a parameter: `IDENTIFIER(:catalog || '.db.t')` in SQL, an interpolated text in Python and Scala, `paste0` in R, and the
//! declaration of the widget and its variable.
//!
//! It starts from edits that write a catalog out, when all of an asset was understood, and writes the parameter where the catalog would
//! stand. Where that is not safe, the catalog stays written out, and a finding says why.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::Language;
use super::values::{Literal, LiteralId, State};
use crate::edit::{Edit, Insertion, applied};
use crate::format::Format;
use crate::fragment::Fragment;
use crate::occurrence::{Doubt, Occurrence, Severity, Subject, Verdict};
use crate::reader::{Reader, Spot, name_parts};
use crate::session::Namespace;
use crate::style::{Parameter, Style};

/// A catalog that stays written out.
pub(crate) const STAYS: &str = "style/parameter";

/// How a name gets its parameter.
struct Plan {
    parameter: Parameter,
    edits: Vec<Edit>,
    /// What makes the text around it take a parameter.
    frame: Vec<Edit>,
    /// The language whose variable it needs; none in SQL.
    variable: Option<Namespace>,
}

/// Writes parameters where the style of the asset asks for them.
pub(super) fn apply(reader: &mut Reader<'_>, state: &State) {
    if reader.options.styles.of(reader.asset) != Style::Parameter || reader.cells.is_empty() {
        return;
    }
    let Some(format) = reader.format else { return };
    let root = root_of(&reader.cells[0].0);
    let literals = literals_of(reader, state);
    let no_widgets = no_widgets(format, root.text());
    let mut plans: BTreeMap<usize, Plan> = BTreeMap::new();
    let mut stay: Vec<(usize, String)> = Vec::new();
    for index in 0..reader.occurrences() {
        let Some(occurrence) = reader.occurrence_at(index) else {
            continue;
        };
        let Some(parameter) = catalog_of(occurrence) else {
            continue;
        };
        let parameter = reader
            .options
            .styles
            .parameter(reader.asset, &parameter, reader.mapping);
        let spot = reader.spot_of(index);
        let found = match (parameter, literals.get(&index)) {
            (None, _) => Err("no parameter stands for this catalog alone".to_owned()),
            (Some(parameter), Some(literal)) => match no_widgets {
                Some(why) => Err(why.to_owned()),
                None => in_literal(occurrence, &state.literals, *literal, format, parameter),
            },
            (Some(parameter), None) if format == Format::Json => {
                in_pipeline(occurrence, root.text(), reader, parameter)
            }
            (Some(parameter), None) => {
                match no_widgets.filter(|_| format != Format::Code(Language::Sql)) {
                    Some(why) => Err(why.to_owned()),
                    None => in_sql(occurrence, root.text(), spot, parameter),
                }
            }
        };
        match found {
            Ok(plan) => {
                plans.insert(index, plan);
            }
            Err(why) => stay.push((index, why)),
        }
    }
    let declared = declarations(reader, format, &root, &mut plans, &mut stay);
    for (index, why) in stay {
        let Some(occurrence) = reader.occurrence_at(index) else {
            continue;
        };
        let message = format!("the catalog stays written out: {why}");
        let range = occurrence.range.clone();
        reader.finding_at(range, Severity::Warning, Doubt::new(STAYS, message));
    }
    let mut insertions: BTreeMap<(usize, String), Vec<Range<usize>>> = BTreeMap::new();
    for (index, plan) in plans {
        let Some(range) = reader
            .occurrence_at(index)
            .map(|occurrence| occurrence.range.clone())
        else {
            continue;
        };
        let declared = declared
            .iter()
            .filter(|declared| declared.serves(&plan))
            .map(|declared| &declared.edit);
        if !plan.edits.is_empty() {
            for edit in plan.frame.iter().chain(declared) {
                let names = insertions
                    .entry((edit.range.start, edit.new.clone()))
                    .or_default();
                if !names.contains(&range) {
                    names.push(range.clone());
                }
            }
        }
        reader.write_anew(index, plan.edits);
    }
    for ((at, new), for_names) in insertions {
        let old = String::new();
        let edit = Edit {
            range: at..at,
            old,
            new,
        };
        reader.put_in(Insertion { edit, for_names });
    }
}

fn root_of(fragment: &Arc<Fragment>) -> Arc<Fragment> {
    let mut root = Arc::clone(fragment);
    while let Some(outer) = root.outer() {
        root = Arc::clone(outer);
    }
    root
}

/// Why a file as a whole has no widgets.
fn no_widgets(format: Format, text: &str) -> Option<&'static str> {
    match format {
        Format::SourceNotebook(_) | Format::Jupyter | Format::Archived => {
            let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
            if has(&[
                "import dlt",
                "from dlt",
                "import pipelines",
                "pyspark.pipelines",
            ]) {
                return Some(
                    "a declarative pipeline has no widgets; its catalog is a setting of the pipeline",
                );
            }
            has(&["widgets.removeAll"]).then_some("the notebook removes its widgets")
        }
        Format::Code(_) => Some("a plain file has no widgets"),
        _ => Some("only notebooks, SQL files and pipelines take a parameter"),
    }
}

/// The literal that the edits of an occurrence lie in.
fn literals_of(reader: &Reader<'_>, state: &State) -> BTreeMap<usize, LiteralId> {
    let mut found = BTreeMap::new();
    for used in &state.uses {
        for index in used.occurrences.clone() {
            let Some(occurrence) = reader.occurrence_at(index) else {
                continue;
            };
            let Verdict::Rewritten { edits, .. } = &occurrence.verdict else {
                continue;
            };
            let holds = |id: &&LiteralId| {
                let literal = &state.literals[**id];
                let place = literal.home.locate(&literal.span);
                edits
                    .iter()
                    .all(|edit| edit.range.start >= place.start && edit.range.end <= place.end)
            };
            if let Some(id) = used.sources.iter().find(holds) {
                found.insert(index, *id);
            }
        }
    }
    found
}

/// The catalog that the edits of a name write out.
fn catalog_of(occurrence: &Occurrence) -> Option<String> {
    let Verdict::Rewritten { new, edits } = &occurrence.verdict else {
        return None;
    };
    if edits.is_empty() || occurrence.subject == Subject::Path {
        return None;
    }
    let new = new.trim_end_matches(".*");
    name_parts(new, 0..new.len())?
        .into_iter()
        .next()
        .map(|part| part.text)
}

/// What the text of an edit begins with if it writes the catalog out: in backticks or not.
fn written_catalog(edit: &Edit, catalog: &str) -> Option<&'static str> {
    let quoted = format!("`{catalog}`");
    if edit.new.starts_with(&quoted) {
        return Some("`");
    }
    let rest = edit.new.strip_prefix(catalog)?;
    (rest.is_empty() || rest.starts_with('.')).then_some("")
}

fn in_literal(
    occurrence: &Occurrence,
    literals: &[Literal],
    id: LiteralId,
    format: Format,
    parameter: Parameter,
) -> Result<Plan, String> {
    let literal = &literals[id];
    let Verdict::Rewritten { edits, .. } = &occurrence.verdict else {
        return Err("it is not rewritten".to_owned());
    };
    let namespace = match occurrence
        .layers
        .iter()
        .rev()
        .find_map(|layer| match layer.as_str() {
            "Python text" => Some(Namespace::Python),
            "Scala text" => Some(Namespace::Scala),
            "R text" => Some(Namespace::R),
            _ => None,
        }) {
        Some(namespace) => namespace,
        None => return Err("the text is of no language with variables".to_owned()),
    };
    let nested = literals.iter().any(|other| {
        Arc::ptr_eq(&other.home, &literal.home)
            && other.span.start < literal.span.start
            && other.span.end > literal.span.end
    });
    if nested {
        return Err("the text stands within another text".to_owned());
    }
    let raw = literal
        .home
        .text()
        .get(literal.span.clone())
        .unwrap_or_default();
    // The interpolator of Scala is a word in front of the text.
    let before = &literal.home.text()[..literal.span.start];
    let word = before
        .trim_end_matches(|letter: char| letter.is_alphanumeric())
        .len();
    let interpolator = match namespace {
        Namespace::Scala => &before[word..],
        _ => "",
    };
    let frame = Frame::of(namespace, interpolator, raw, &parameter.name, format)?;
    let anew = with_marker(edits, &parameter.catalog, &frame.marker)?;
    let span = &literal.span;
    let mut around = Vec::new();
    for (at, text) in [(span.start, frame.before), (span.end, frame.behind)] {
        if !text.is_empty() {
            let edit = literal.home.edit(at..at, &text);
            around.push(edit.map_err(|refusal| refusal.0)?);
        }
    }
    Ok(Plan {
        parameter,
        edits: anew,
        frame: around,
        variable: Some(namespace),
    })
}

/// What makes a literal take the value of a variable.
struct Frame {
    before: String,
    behind: String,
    marker: String,
}

impl Frame {
    fn of(
        namespace: Namespace,
        interpolator: &str,
        raw: &str,
        variable: &str,
        format: Format,
    ) -> Result<Self, String> {
        let quote = raw.find(['"', '\'']).unwrap_or(raw.len());
        let prefix = format!("{interpolator}{}", raw[..quote].to_ascii_lowercase());
        let within = &raw[quote..];
        let frame = |before: &str, marker: String| {
            Ok(Self {
                before: before.to_owned(),
                behind: String::new(),
                marker,
            })
        };
        match namespace {
            Namespace::Python => {
                let marker = format!("{{{variable}}}");
                match prefix.as_str() {
                    "f" | "fr" | "rf" => frame("", marker),
                    "" | "r" if within.contains(['{', '}']) => {
                        Err("braces of the text would be read by an f-string".to_owned())
                    }
                    "" | "r" => frame("f", marker),
                    _ => Err(format!(
                        "a text that begins with `{prefix}` cannot be an f-string"
                    )),
                }
            }
            Namespace::Scala => {
                let marker = format!("${{{variable}}}");
                match prefix.as_str() {
                    "s" | "f" | "raw" => frame("", marker),
                    "" if within.contains('$') => {
                        Err("dollars of the text would be read by an interpolator".to_owned())
                    }
                    "" if within.contains('\\') => {
                        Err("backslashes of the text would be read by an interpolator".to_owned())
                    }
                    "" => frame("s", marker),
                    _ => Err(format!("the interpolator `{prefix}` is not known")),
                }
            }
            Namespace::R => {
                if !prefix.is_empty() {
                    return Err("the text is a raw one".to_owned());
                }
                let quote = &within[..within.len().min(1)];
                if !matches!(format, Format::SourceNotebook(_)) {
                    return Err("R in a file of JSON is not taken apart".to_owned());
                }
                Ok(Self {
                    before: "paste0(".to_owned(),
                    behind: ")".to_owned(),
                    marker: format!("{quote}, {variable}, {quote}"),
                })
            }
            Namespace::Conf | Namespace::Sql => Err("it is no text of a program".to_owned()),
        }
    }
}

/// In a query of a pipeline: `@{pipeline().globalParameters.catalog}`, if the factory has that parameter.
fn in_pipeline(
    occurrence: &Occurrence,
    text: &str,
    reader: &Reader<'_>,
    parameter: Parameter,
) -> Result<Plan, String> {
    let Verdict::Rewritten { edits, .. } = &occurrence.verdict else {
        return Err("it is not rewritten".to_owned());
    };
    let plain = occurrence.layers.iter().all(|layer| {
        matches!(
            layer.as_str(),
            "JSON" | "JSON string" | "pipeline expression"
        )
    });
    if !plain || !text.contains("\"activities\"") {
        return Err("only queries of pipelines take a parameter here".to_owned());
    }
    if !reader.facts.factory.has_global(&parameter.name) {
        return Err(format!(
            "the factory has no global parameter `{}`",
            parameter.name
        ));
    }
    // The JSON string that the name stands in, and its key.
    let before = &text[..occurrence.range.start];
    let (outside, string) = before
        .match_indices('"')
        .rev()
        .find(|(at, _)| {
            let slashes = before[..*at]
                .bytes()
                .rev()
                .take_while(|byte| *byte == b'\\');
            slashes.count() % 2 == 0
        })
        .map(|(at, _)| (&before[..at], &before[at + 1..]))
        .ok_or_else(|| "the name is in no text".to_owned())?;
    let key = outside.trim_end().trim_end_matches(':').trim_end();
    if key.ends_with("\"defaultValue\"") {
        return Err("a default value is no expression".to_owned());
    }
    let expression = string.starts_with('@') && !string.starts_with("@{");
    let inside = string
        .rfind("@{")
        .is_some_and(|at| !string[at..].contains('}'));
    if expression || inside {
        return Err("the text is an argument in an expression".to_owned());
    }
    let marker = format!("@{{pipeline().globalParameters.{}}}", parameter.name);
    Ok(Plan {
        edits: with_marker(edits, &parameter.catalog, &marker)?,
        parameter,
        frame: Vec::new(),
        variable: None,
    })
}

/// The edits with a marker where they write the catalog out.
fn with_marker(edits: &[Edit], catalog: &str, marker: &str) -> Result<Vec<Edit>, String> {
    let mut anew = Vec::new();
    let mut found = false;
    for edit in edits {
        match written_catalog(edit, catalog).filter(|_| !found) {
            Some(tick) => {
                found = true;
                let rest = &edit.new[tick.len() * 2 + catalog.len()..];
                anew.push(Edit {
                    new: format!("{tick}{marker}{tick}{rest}"),
                    ..edit.clone()
                });
            }
            None => anew.push(edit.clone()),
        }
    }
    if found {
        Ok(anew)
    } else {
        Err("the catalog is not written in one piece".to_owned())
    }
}

/// Layers through which a SQL statement is one of a notebook or file.
const SQL_LAYERS: &[&str] = &[
    "source notebook",
    "code",
    "Jupyter notebook",
    "notebook of an archive",
    "cell",
    "MAGIC cell",
    "magic cell",
    "JSON string",
    "JSON lines",
    "SQL with substitutions",
];

fn in_sql(
    occurrence: &Occurrence,
    text: &str,
    spot: Spot,
    parameter: Parameter,
) -> Result<Plan, String> {
    let Verdict::Rewritten { edits, .. } = &occurrence.verdict else {
        return Err("it is not rewritten".to_owned());
    };
    let foreign = occurrence
        .layers
        .iter()
        .find(|layer| !SQL_LAYERS.contains(&layer.as_str()));
    if let Some(layer) = foreign {
        return Err(format!("a {layer} takes no parameter"));
    }
    let scattered = || "the name is not written in one piece".to_owned();
    let range = occurrence.range.clone();
    let form = applied(text, &range, edits).ok_or_else(scattered)?;
    let parts = name_parts(&form, 0..form.len()).ok_or_else(scattered)?;
    let first = parts.first().ok_or_else(scattered)?;
    let tick = if first.quoted { "`" } else { "" };
    if first.text != parameter.catalog || parts.len() < 2 {
        return Err(scattered());
    }
    let rest = &form[first.range.end..];
    let old = text.get(range.clone()).ok_or_else(scattered)?.to_owned();
    let new = if occurrence.subject == Subject::Qualifier {
        // A column finds its table by schema and table alone.
        rest.trim_start_matches('.').to_owned()
    } else {
        match spot {
            Spot::Identifier => {}
            Spot::Literal(why) => return Err(why.to_owned()),
            Spot::None => return Err("the name is not one of a statement".to_owned()),
        }
        if rest.contains(['\'', '\\', '"', ':', '$', '{']) {
            return Err("the name holds a sign that would end a text".to_owned());
        }
        let marker = match tick {
            "" => format!(":{}", parameter.name),
            _ => format!("'`' || :{} || '`", parameter.name),
        };
        match tick {
            "" => format!("IDENTIFIER({marker} || '{rest}')"),
            _ => format!("IDENTIFIER({marker}{rest}')"),
        }
    };
    let edits = if new == old {
        Vec::new()
    } else {
        vec![Edit { range, old, new }]
    };
    Ok(Plan {
        parameter,
        edits,
        frame: Vec::new(),
        variable: None,
    })
}

/// A statement that makes a widget, a variable, or both.
struct Declared {
    edit: Edit,
    /// The parameters that it declares.
    parameters: BTreeSet<Parameter>,
    /// Whether it makes the widget.
    widget: bool,
    /// The language whose variable it makes.
    variable: Option<Namespace>,
}

impl Declared {
    /// Whether a name needs this statement.
    fn serves(&self, plan: &Plan) -> bool {
        self.parameters.contains(&plan.parameter)
            && (self.widget || self.variable.is_some() && self.variable == plan.variable)
    }
}

/// The statements that have to be put in. Plans that cannot have theirs become names that stay as they are.
fn declarations(
    reader: &Reader<'_>,
    format: Format,
    root: &Arc<Fragment>,
    plans: &mut BTreeMap<usize, Plan>,
    stay: &mut Vec<(usize, String)>,
) -> Vec<Declared> {
    if matches!(format, Format::Code(_) | Format::Json) || plans.is_empty() {
        // Whoever runs a SQL file gives it the parameters; the factory has its own.
        return Vec::new();
    }
    let main = main_language(reader, format);
    let mut statements = Vec::new();
    let mut give_up =
        |plans: &mut BTreeMap<usize, Plan>, why: &str, which: &dyn Fn(&Plan) -> bool| {
            let lost: Vec<usize> = plans
                .iter()
                .filter(|(_, plan)| which(plan))
                .map(|(index, _)| *index)
                .collect();
            for index in lost {
                plans.remove(&index);
                stay.push((index, why.to_owned()));
            }
        };
    let all: BTreeSet<Parameter> = plans.values().map(|plan| plan.parameter.clone()).collect();
    for parameter in &all {
        if let Some(why) = taken(reader, root.text(), main, parameter) {
            give_up(plans, &why, &|plan| plan.parameter == *parameter);
        }
    }
    let needed: BTreeSet<Parameter> = plans
        .values()
        .filter(|plan| !plan.edits.is_empty() && !is_declared(root.text(), main, &plan.parameter))
        .map(|plan| plan.parameter.clone())
        .collect();
    if !needed.is_empty() {
        match at_top(reader, format, root, main, &needed) {
            Ok(edit) => statements.push(Declared {
                edit,
                parameters: needed,
                widget: true,
                variable: main.and_then(namespace_of),
            }),
            Err(why) => {
                give_up(plans, &why, &|plan| needed.contains(&plan.parameter));
                return Vec::new();
            }
        }
    }
    for namespace in [Namespace::Python, Namespace::Scala, Namespace::R] {
        if main.and_then(namespace_of) == Some(namespace) {
            continue;
        }
        let Some(cell) = reader
            .cells
            .iter()
            .find(|(_, language)| namespace_of(*language) == Some(namespace))
        else {
            continue;
        };
        let needed: BTreeSet<Parameter> = plans
            .values()
            .filter(|plan| plan.variable == Some(namespace))
            .map(|plan| plan.parameter.clone())
            .filter(|parameter| !cell.0.text().contains(&variable(cell.1, parameter)))
            .collect();
        if needed.is_empty() {
            continue;
        }
        let lines = needed.iter().map(|parameter| variable(cell.1, parameter));
        match in_front(&cell.0, cell.1, &lines.collect::<Vec<_>>()) {
            Ok(edit) => statements.push(Declared {
                edit,
                parameters: needed,
                widget: false,
                variable: Some(namespace),
            }),
            Err(why) => give_up(plans, &why, &|plan| plan.variable == Some(namespace)),
        }
    }
    statements
}

fn namespace_of(language: Language) -> Option<Namespace> {
    match language {
        Language::Python => Some(Namespace::Python),
        Language::Scala => Some(Namespace::Scala),
        Language::R => Some(Namespace::R),
        _ => None,
    }
}

/// The language in which the widget is made.
fn main_language(reader: &Reader<'_>, format: Format) -> Option<Language> {
    match format {
        Format::SourceNotebook(language) => Some(language),
        _ => reader
            .cells
            .iter()
            .map(|(_, language)| *language)
            .find(|language| *language == Language::Sql || namespace_of(*language).is_some()),
    }
}

fn widget(language: Language, parameter: &Parameter) -> String {
    let Parameter { name, default, .. } = parameter;
    match language {
        Language::Sql => format!("CREATE WIDGET TEXT {name} DEFAULT '{default}';"),
        _ => format!("dbutils.widgets.text(\"{name}\", \"{default}\")"),
    }
}

fn variable(language: Language, parameter: &Parameter) -> String {
    let name = &parameter.name;
    let get = format!("dbutils.widgets.get(\"{name}\")");
    match language {
        Language::Scala => format!("val {name} = {get}"),
        Language::R => format!("{name} <- {get}"),
        _ => format!("{name} = {get}"),
    }
}

/// Whether the asset makes this widget already, in these words.
fn is_declared(text: &str, main: Option<Language>, parameter: &Parameter) -> bool {
    main.is_some_and(|main| {
        let text = text.replace("\\\"", "\"");
        text.contains(&widget(main, parameter))
            && (main == Language::Sql || text.contains(&variable(main, parameter)))
    })
}

/// Whether the name of a parameter means something else in the asset.
fn taken(
    reader: &Reader<'_>,
    text: &str,
    main: Option<Language>,
    parameter: &Parameter,
) -> Option<String> {
    let name = parameter.name.as_str();
    if is_declared(text, main, parameter) {
        return None;
    }
    if reader.has_not_parsed() {
        return Some(format!("`{name}` may be used in code that was not read"));
    }
    let other = |value: &crate::session::Value| value.only() != Some(parameter.default.as_str());
    if reader.session.widgets.get(name).is_some_and(other) {
        return Some(format!(
            "there is another widget `{name}`; give the parameter another name"
        ));
    }
    let brought = [Namespace::Python, Namespace::Scala, Namespace::R]
        .iter()
        .any(|namespace| {
            let key = (*namespace, name.to_owned());
            reader.session.variables.get(&key).is_some_and(other)
        });
    let used = reader
        .code()
        .any(|code| text.get(code).is_some_and(|code| has_word(code, name)));
    (brought || used).then(|| {
        format!("`{name}` is used for something else here; give the parameter another name")
    })
}

/// Whether code uses a name, other than as a member of something.
fn has_word(code: &str, name: &str) -> bool {
    let is_letter = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end_matches(' ').chars().next_back();
        let touches = code[..at].ends_with(is_letter);
        let behind = code[at + name.len()..].starts_with(is_letter);
        !touches && !behind && before != Some('.')
    })
}

/// The declaration at the top of a notebook: a cell of its own in source notebooks, else in front of the first cell.
fn at_top(
    reader: &Reader<'_>,
    format: Format,
    root: &Arc<Fragment>,
    main: Option<Language>,
    parameters: &BTreeSet<Parameter>,
) -> Result<Edit, String> {
    let main = main.ok_or_else(|| "the notebook has no cell for a widget".to_owned())?;
    let mut lines: Vec<String> = Vec::new();
    for parameter in parameters {
        lines.push(widget(main, parameter));
        if main != Language::Sql {
            lines.push(variable(main, parameter));
        }
    }
    if let Format::SourceNotebook(_) = format {
        let text = root.text();
        let mark = match main {
            Language::Sql => "--",
            Language::Scala => "//",
            Language::Python | Language::R => "#",
            _ => return Err("the notebook has no cell for a widget".to_owned()),
        };
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let at = text
            .find('\n')
            .ok_or_else(|| "the notebook has one line only".to_owned())?
            + 1;
        let new = format!(
            "{}{newline}{newline}{mark} COMMAND ----------{newline}",
            lines.join(newline)
        );
        return Ok(Edit {
            range: at..at,
            old: String::new(),
            new,
        });
    }
    let first = reader
        .cells
        .iter()
        .find(|(_, language)| *language == Language::Sql || namespace_of(*language).is_some());
    match first {
        Some((cell, language)) => in_front(cell, *language, &lines),
        None => Err("the notebook has no cell for a widget".to_owned()),
    }
}

/// Words that must begin a line in Python.
const COMPOUND: &[&str] = &[
    "if", "for", "while", "with", "try", "def", "class", "async", "match", "@", "%", "!",
];

/// Statements in front of the first line of a cell, on that line.
fn in_front(
    cell: &Arc<Fragment>,
    language: Language,
    statements: &[String],
) -> Result<Edit, String> {
    let text = cell.text();
    let lead = text.len() - text.trim_start_matches([' ', '\t', '\r', '\n']).len();
    let start = text[..lead].rfind('\n').map_or(lead, |newline| newline + 1);
    let line = &text[lead..];
    if language == Language::Python {
        let compound = COMPOUND.iter().any(|word| {
            line.strip_prefix(word).is_some_and(|rest| {
                !word.ends_with(char::is_alphabetic)
                    || !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
            })
        });
        let indented = start < lead && text[..lead].contains('\n');
        let docstring = line.starts_with("from __future__");
        if compound || indented || docstring {
            return Err("the first line of the cell takes no statement in front of it".to_owned());
        }
    }
    let mut new = String::new();
    for statement in statements {
        new.push_str(statement);
        new.push_str(if statement.ends_with(';') { " " } else { "; " });
    }
    cell.edit(lead..lead, &new).map_err(|refusal| refusal.0)
}
