//! One way: crates import only what lies below them in the house, and modules only what is
//! declared below them in their crate. Changing the table needs a decision in `docs/adr/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which crates of the house a crate may import. The binary may import any.
const TABLE: [(&str, &[&str]); 18] = [
    ("model", &[]),
    ("io", &[]),
    ("record", &["model"]),
    ("broker", &["model"]),
    ("log", &["model", "io"]),
    ("admin-api", &["model"]),
    ("webhook", &[]),
    ("peers", &["model"]),
    ("replication", &["model", "io", "log"]),
    ("raft", &["model", "io", "log", "replication"]),
    ("engine", &["model", "io", "record", "broker", "log", "replication"]),
    ("cluster", &["model", "io", "raft", "peers", "replication", "engine"]),
    ("kafka", &["model", "record", "engine"]),
    ("amqp", &["model", "record", "engine"]),
    ("amqp-management", &["model", "engine", "amqp"]),
    ("sqs", &["model", "record", "engine", "webhook"]),
    ("redis", &["model", "engine"]),
    ("admin", &["model", "record", "engine", "cluster", "admin-api"]),
];

/// Crates beside the house: they may import any, and only tests may import them.
const BESIDE: [&str; 4] = ["omnibus-testkit", "omnibus-sim", "omnibus-bench", "xtask"];
const BINARY: &str = "omnibus";

#[test]
fn crates_import_only_what_lies_below() {
    let mut complaints = Vec::new();
    for package in workspace() {
        let name = package.name.as_str();
        let allowed = TABLE.iter().find(|(short, _)| name == format!("omnibus-{short}"));
        let is_free = name == BINARY || BESIDE.contains(&name);
        if allowed.is_none() && !is_free {
            complaints.push(format!("{name} has no floor in the table"));
        }
        for import in &package.imports {
            let in_table =
                allowed.is_some_and(|(_, below)| below.iter().any(|short| *import == format!("omnibus-{short}")));
            let may = is_free || in_table;
            if !may || BESIDE.contains(&import.as_str()) && !BESIDE.contains(&name) {
                complaints.push(format!("{name} must not import {import}"));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn modules_import_only_what_is_declared_below() {
    let mut complaints = Vec::new();
    for package in workspace() {
        for main in ["lib.rs", "main.rs"].map(|file| package.folder.join("src").join(file)) {
            if let Ok(text) = fs::read_to_string(&main) {
                complaints.extend(upward_imports(&main, &text));
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn an_upward_import_is_found_in_every_spelling() {
    let exported = exports("pub use low::{Low, Other as Renamed};\npub use high::High;");
    for (text, expected) in [
        ("use crate::low::Low;", vec!["low"]),
        ("use crate::{\n    Low,\n    high::{self, x::y},\n};", vec!["low", "high"]),
        ("fn f() -> crate::Renamed { crate::high::g() }", vec!["low", "high"]),
        ("// crate::high\nuse $crate::high;", vec![]),
        ("use crate::low::x;\n#[cfg(test)]\nmod tests { use crate::high::x; }", vec!["low"]),
    ] {
        let found: Vec<String> =
            imports(text).into_iter().map(|name| exported.get(&name).cloned().unwrap_or(name)).collect();
        assert_eq!(found, expected, "{text}");
    }
}

/// One crate of the workspace.
struct Package {
    name: String,
    folder: PathBuf,
    /// The workspace's crates that it imports other than for its tests.
    imports: BTreeSet<String>,
}

fn workspace() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("packages").iter().map(package).collect()
}

fn package(package: &serde_json::Value) -> Package {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
    // Crates of the workspace come from a path; the kind of a normal dependency is null.
    let ours = dependencies.filter(|dependency| dependency["path"].is_string() && dependency["kind"] != "dev");
    let folder = PathBuf::from(text(&package["manifest_path"])).parent().expect("a folder").to_path_buf();
    Package {
        name: text(&package["name"]),
        folder,
        imports: ours.map(|dependency| text(&dependency["name"])).collect(),
    }
}

/// Imports in a crate's modules that do not go down the list of modules in its main file.
fn upward_imports(main: &Path, text: &str) -> Vec<String> {
    let modules = declared(text);
    let exported = exports(text);
    let mut complaints = Vec::new();
    for (floor, module) in modules.iter().enumerate() {
        for file in files(main.parent().expect("src"), module) {
            let text = fs::read_to_string(&file).expect("a source file");
            for name in imports(&text) {
                let target = exported.get(&name).unwrap_or(&name);
                if modules.iter().position(|other| other == target).is_some_and(|other| other < floor) {
                    complaints
                        .push(format!("{}: {module} imports {target}, which is declared above it", file.display()));
                }
            }
        }
    }
    complaints
}

/// The modules that a main file declares, in order.
fn declared(text: &str) -> Vec<String> {
    let declaration = |line: &str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    without_tests(text).lines().filter_map(declaration).collect()
}

/// Which module each name comes from that the main file exports again.
fn exports(text: &str) -> BTreeMap<String, String> {
    let mut exports = BTreeMap::new();
    for statement in text.split(';') {
        let Some((_, path)) = statement.split_once("use ") else {
            continue;
        };
        let path = path.trim().trim_start_matches("crate::").trim_start_matches("self::");
        let Some((module, names)) = path.split_once("::") else {
            continue;
        };
        for name in names.split(['{', '}', ',']).map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.rsplit([' ', ':']).next().unwrap_or(name);
            exports.insert(name.to_owned(), module.trim().to_owned());
        }
    }
    exports
}

/// The files of a module and of the modules inside it.
fn files(src: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![src.join(module).with_extension("rs")];
    let mut folders = vec![src.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let is_source = |path: &PathBuf| {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        is_rust && path.is_file() && !path.ends_with("tests.rs") && !path.iter().any(|part| part == "tests")
    };
    files.into_iter().filter(is_source).collect()
}

/// The first names after every `crate::` outside comments and tests.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        without_tests(text).lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, prefix) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|before| before == '$' || before == '_' || before.is_alphanumeric()) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(listed(list)),
            None => names.extend(first_name(rest)),
        }
    }
    names
}

/// The first names of a list in braces, nested lists left out.
fn listed(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut depth, mut item_at) = (0, 0);
    for (at, character) in list.char_indices() {
        let ends_item = depth == 0 && matches!(character, ',' | '}');
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ => {}
        }
        if ends_item {
            names.extend(first_name(&list[item_at..at]));
            item_at = at + 1;
            if character == '}' {
                break;
            }
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// A file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}
