//! `karat init`: a small project that runs as it stands.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::Failure;
use crate::output::{Voice, in_shell};

/// Files of the new project.
const FILES: [(&str, &str); 7] = [
    (".gitignore", include_str!("../starter/gitignore")),
    (
        "domains/shop/domain.yaml",
        include_str!("../starter/domain.yaml"),
    ),
    (
        "domains/shop/silver/orders.yaml",
        include_str!("../starter/orders.yaml"),
    ),
    (
        "domains/shop/gold/revenue.sql",
        include_str!("../starter/revenue.sql"),
    ),
    (
        "domains/shop/gold/revenue.yaml",
        include_str!("../starter/revenue.yaml"),
    ),
    (
        "domains/shop/tests/revenue.yaml",
        include_str!("../starter/revenue_tests.yaml"),
    ),
    (
        "landing/orders/orders_20260105.csv",
        include_str!("../starter/orders_20260105.csv"),
    ),
];
const PROJECT: &str = include_str!("../starter/karat.yaml");

/// Writes the project; a folder that holds one already is refused, and no file is overwritten.
pub(crate) fn run(voice: Voice, dir: &Path) -> Result<u8, Failure> {
    if dir.join("karat.yaml").exists() {
        return Err(Failure::usage(
            format!("there is a project in `{}` already", dir.display()),
            "name another folder",
        ));
    }
    let taken: Vec<PathBuf> = FILES
        .iter()
        .map(|(name, _)| dir.join(name))
        .filter(|path| path.exists() && !path.ends_with(".gitignore"))
        .collect();
    if let Some(path) = taken.first() {
        return Err(Failure::usage(
            format!("`{}` exists: it is not overwritten", path.display()),
            "name another folder",
        ));
    }
    let name = project_name(dir);
    let mut written = Vec::new();
    for (file, text) in FILES {
        if !dir.join(file).exists() {
            write(&dir.join(file), text)?;
            written.push(file);
        }
    }
    // The last file: with it the folder is a project.
    write(&dir.join("karat.yaml"), &PROJECT.replace("PROJECT", &name))?;
    written.push("karat.yaml");
    voice.answer(
        || json!({ "project": name, "dir": dir, "files": written }),
        || {
            let there = if dir == Path::new(".") { String::new() } else { format!("  cd {}\n", in_shell(&dir.display().to_string())) };
            let files: String = written.iter().map(|file| format!("  {file}\n")).collect();
            format!("project `{name}`:\n{files}next:\n{there}  karat run\n  karat query \"select * from shop_gold.revenue\"\n")
        },
    )?;
    Ok(0)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Failure::io("make the folder", folder))?;
    }
    std::fs::write(path, text).map_err(Failure::io("write", path))
}

/// The folder's name as a project's name.
fn project_name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    let folder = absolute
        .components()
        .next_back()
        .map(|part| part.as_os_str().to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let name: String = folder
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '_'
            }
        })
        .collect();
    let name = name.trim_matches('_');
    match name.chars().next() {
        Some(first) if first.is_ascii_lowercase() => name.to_owned(),
        Some(_) => format!("project_{name}"),
        None => "project".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(in_shell("a/Über"), "a/Über");
        assert_eq!(in_shell("Üb er"), "'Üb er'");
        assert_eq!(in_shell("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_folder_gives_the_project_a_name_that_is_one() {
        assert_eq!(project_name(Path::new("/data/Contoso Ltd")), "contoso_ltd");
        assert_eq!(project_name(Path::new("/data/2026")), "project_2026");
        assert_eq!(project_name(Path::new("/")), "project");
    }
}
