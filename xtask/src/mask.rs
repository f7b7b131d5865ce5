//! Rust source with comments and the contents of literals blanked out, so that a rule about code sees code only.
//! Lines and columns stay where they are.

/// The source with everything blanked that is no code.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut masked = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' | b'b' | b'c' if !follows_word(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            b'\'' => match char_end(source, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut masked[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end;
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// The masked source without what stands under `#[cfg(test)]`. Ends of such modules are found by counting braces.
pub(crate) fn without_tests(masked: &str) -> String {
    let mut text = masked.to_owned();
    while let Some(start) = text.find("#[cfg(test)]") {
        let rest = &text[start..];
        let mut depth = 0_i32;
        let mut end = rest.len();
        for (offset, letter) in rest.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            let is_end = matches!(letter, '}' | ';') && depth == 0;
            if is_end {
                end = offset + 1;
                break;
            }
        }
        let blank: String = rest[..end]
            .chars()
            .map(|letter| if letter == '\n' { '\n' } else { ' ' })
            .collect();
        text.replace_range(start..start + end, &blank);
    }
    text
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |offset| from + offset)
}

fn comment_end(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if bytes[at..].starts_with(b"*/") {
            (at, depth) = (at + 2, depth - 1);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The end of a literal with a prefix: r"", r#""#, b"", br"", c"", b'x'.
fn raw_string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let prefix = bytes[from..]
        .iter()
        .take_while(|byte| matches!(byte, b'r' | b'b' | b'c'))
        .count();
    if prefix > 2 {
        return None;
    }
    let is_raw = bytes[from..from + prefix].contains(&b'r');
    let hashes = bytes[from + prefix..]
        .iter()
        .take_while(|&&byte| byte == b'#')
        .count();
    let quote = from + prefix + hashes;
    if bytes.get(quote) == Some(&b'\'') && hashes == 0 && &bytes[from..quote] == b"b" {
        let escaped = usize::from(bytes.get(quote + 1) == Some(&b'\\'));
        let close = bytes[(quote + 2 + escaped).min(bytes.len())..]
            .iter()
            .position(|&byte| byte == b'\'')?;
        return Some(quote + 3 + escaped + close);
    }
    if bytes.get(quote) != Some(&b'"') || (hashes > 0 && !is_raw) {
        return None;
    }
    if !is_raw {
        return Some(string_end(bytes, quote + 1));
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let offset = bytes[quote + 1..]
        .windows(close.len())
        .position(|window| window == close);
    Some(offset.map_or(bytes.len(), |offset| quote + 1 + offset + close.len()))
}

/// The end of a character literal; none if the quote begins a lifetime.
fn char_end(source: &str, from: usize) -> Option<usize> {
    let rest = source.get(from + 1..)?;
    let mut letters = rest.char_indices();
    let (_, first) = letters.next()?;
    if first == '\\' {
        letters.next();
        return letters
            .find(|(_, letter)| *letter == '\'')
            .map(|(offset, _)| from + offset + 2);
    }
    match letters.next() {
        Some((offset, '\'')) => Some(from + offset + 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{code_only, without_tests};

    #[test]
    fn comments_and_literals_are_blank() {
        let source = "a(\"x\\\"y\"); // b\nlet c = r#\"d\"e\"#; /* f /* g */ h */ i('j', b'k', '\\'', b\"l\");";
        let masked = code_only(source);
        assert_eq!(masked.len(), source.len());
        let words: Vec<_> = masked
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .collect();
        assert_eq!(words, ["a", "let", "c", "i"]);
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(
            code_only("fn f<'a>(x: &'a str) -> Bar {}"),
            "fn f<'a>(x: &'a str) -> Bar {}"
        );
    }

    #[test]
    fn test_modules_are_left_out() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c() } }\nfn d() {}";
        let rest = without_tests(source);
        assert!(rest.contains("fn a()") && rest.contains("fn d()") && !rest.contains("fn b()"));
        assert!(!without_tests("#[cfg(test)]\nmod tests;\nfn e() {}").contains("mod tests"));
    }
}
