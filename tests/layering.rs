//! The house keeps its rooms apart: only `src/edge` names the platform.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

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

#[test]
fn only_the_edge_names_the_platform() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let platform = ["worker::", "wasm_bindgen", "js_sys", "web_sys"];
    let mut read = 0;
    for source in sources(&root).into_iter().filter(|source| !source.starts_with(root.join("edge"))) {
        let text = fs::read_to_string(&source).unwrap();
        for name in platform {
            assert!(!text.contains(name), "{} names {name}", source.display());
        }
        read += 1;
    }
    assert!(read > 30, "only {read} files were read");
}
