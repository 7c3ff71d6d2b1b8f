//! The house keeps its rooms apart: only `src/edge` names the platform, no file imports from a floor above its own, and
//! no two files import each other, by whatever way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What may import what, from the ground up: a module imports from its own floor and from those before.
const FLOORS: [&[&str]; 13] = [
    &["time", "json", "http"],
    &["token", "log"],
    &["ports"],
    &["wait"],
    &["revocation", "keys"],
    &["contracts"],
    &["route_table"],
    &["config"],
    &["cors"],
    &["endpoints"],
    &["service"],
    &["tool"],
    &["edge"],
];

/// Modules of lower floors that take types from above, and why.
const EXCEPTIONS: [(&str, &str); 2] = [
    // Signatures are a port, whose keys are tokens' keys.
    ("token", "ports"),
    // A token is verified with its issuer's keys, which are read as tokens' keys are.
    ("token", "keys"),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn only_the_edge_names_the_platform() {
    let platform = ["worker::", "wasm_bindgen", "js_sys", "web_sys"];
    let mut read = 0;
    for source in sources(&root()).into_iter().filter(|source| !source.starts_with(root().join("edge"))) {
        let text = fs::read_to_string(&source).unwrap();
        for name in platform {
            assert!(!text.contains(name), "{} names {name}", source.display());
        }
        read += 1;
    }
    assert!(read > 30, "only {read} files were read");
}

/// The first segment of a file's module, such as `revocation` of `src/revocation/ledger/mod.rs`.
fn module_of(source: &Path) -> String {
    let inside = source.strip_prefix(root()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names after `crate::`, tests apart.
fn imports(source: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(source).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let named = |line: &str| -> Vec<String> {
        let segment = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        line.split("crate::").skip(1).map(segment).collect()
    };
    lines.flat_map(named).collect()
}

#[test]
fn every_file_stands_on_a_floor_and_imports_from_none_above() {
    let floors: BTreeMap<&str, usize> =
        (0..).zip(FLOORS).flat_map(|(floor, modules)| modules.iter().map(move |module| (*module, floor))).collect();
    let floor = |module: &str| *floors.get(module).unwrap_or_else(|| panic!("`{module}` stands on no floor"));
    for source in sources(&root()).into_iter().filter(|source| !source.ends_with("src/lib.rs")) {
        let module = module_of(&source);
        for other in imports(&source).into_iter().filter(|other| *other != module) {
            let is_excepted = EXCEPTIONS.contains(&(module.as_str(), other.as_str()));
            assert!(
                is_excepted || floor(&other) < floor(&module) || FLOORS[floor(&module)].contains(&other.as_str()),
                "{} is on floor {}, and imports from `{other}` on floor {}",
                source.display(),
                floor(&module),
                floor(&other)
            );
        }
    }
}
