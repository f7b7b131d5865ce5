//! Texts as YAML has them.

/// A scalar that reads back as this text.
pub(crate) fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || "_() ,./<>=+*|".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_meant_otherwise = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = begins
        && text.chars().all(is_word)
        && !text.ends_with(' ')
        && !is_meant_otherwise.contains(&text.to_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let is_special = |c: char| {
        c.is_control() || c == '\u{feff}' || c == '\u{2028}' || c == '\u{2029}' || c == '\u{85}'
    };
    if text.contains('"') && !text.contains('\\') && !text.chars().any(is_special) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            letter if is_special(letter) => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(letter)))
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A scalar within `[ ]` or `{ }`.
pub(crate) fn item(text: &str) -> String {
    let scalar = scalar(text);
    match scalar.contains(',') && !scalar.starts_with(['"', '\'']) {
        true => format!("\"{scalar}\""),
        false => scalar,
    }
}

/// `[a, b]`.
pub(crate) fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|text| item(text)).collect();
    format!("[{}]", items.join(", "))
}

/// SQL or prose under a key: on its line, or as a block below it.
pub(crate) fn block(text: &str, indent: usize) -> String {
    let trimmed = text.trim_end();
    let fits = !trimmed.contains('\n');
    let has_odd =
        trimmed.chars().any(|c| c.is_control() && c != '\n') || trimmed.starts_with([' ', '\n']);
    if fits || has_odd {
        return scalar(trimmed);
    }
    let margin = " ".repeat(indent);
    let lines = trimmed.split('\n').map(|line| match line.trim_end() {
        "" => String::new(),
        line => format!("{margin}{line}"),
    });
    format!("|-\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// Lines of a comment.
pub(crate) fn comment(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let lines = text.lines().map(|line| {
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        format!("{margin}# {}\n", line.trim_end()).replace("# \n", "#\n")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use saphyr::{LoadableYamlNode, Yaml};

    #[test]
    fn a_scalar_reads_back_as_it_was() {
        for text in [
            "a",
            "true",
            "12",
            "a: b",
            "# a",
            "it's",
            "\"q\"",
            "a\\b",
            "a\nb",
            " a",
            "a ",
            "-",
            "é",
            "cast(x as bigint)",
            "status in ('a', 'b')",
            "a # b",
            "",
            "~",
            "\"a\\",
            "{a}",
            "*",
            "&a",
            "a, b",
            "x <> 'a\"b'",
            "\u{7}",
            "null",
            "1e3",
            "2024-01-01",
            "|",
            "> a",
            "a:b",
            "\u{feff}x",
        ] {
            for written in [super::scalar(text), super::item(text)] {
                let read = Yaml::load_from_str(&format!("[{}]", written)).expect("a list");
                let found = read[0]
                    .as_vec()
                    .and_then(|items| items.first())
                    .and_then(|it| it.as_str());
                if written == super::item(text) {
                    assert_eq!(found, Some(text), "{written}");
                }
                let read = Yaml::load_from_str(&format!("k: {written}\n")).expect("a map");
                assert_eq!(read[0]["k"].as_str(), Some(text), "{written}");
            }
        }
    }
}
