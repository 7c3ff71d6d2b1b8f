use super::*;

#[test]
fn patterns_stand_for_paths() {
    for (pattern, path) in [
        ("/check", "/check"),
        ("/", "/"),
        ("/*", "/a"),
        ("/*", "/a/b/"),
        ("/a/*", "/a//"),
        ("/a/*", "/a/*"),
        ("/{a}", "/x"),
        ("/{a}/b", "/%20/b"),
        ("/a/{b}/", "/a/x/"),
        ("/a/{b}/*", "/a/x/y/z"),
    ] {
        assert!(Entry::new(None, pattern.to_owned(), Endpoint::Check).is_for("", path, None), "{pattern} {path}");
    }
    for (pattern, path) in [
        ("/check", "/check/"),
        ("/check", "/Check"),
        ("/check", "/chec"),
        ("/*", "/"),
        ("/a/*", "/a/"),
        ("/a/*", "/a"),
        ("/a/*", "/ab/c"),
        ("/{a}", "/"),
        ("/{a}", "/x/"),
        ("/{a}", "/x/y"),
        ("/{a}/b", "//b"),
        ("/{a}/b", "/b"),
        ("/a/{b}/", "/a/x"),
        ("/a/{b}/*", "/a//y"),
        ("/a/{b}/*", "/a/x/"),
    ] {
        assert!(!Entry::new(None, pattern.to_owned(), Endpoint::Check).is_for("", path, None), "{pattern} {path}");
    }
}

#[test]
fn the_more_specific_pattern_goes_first() {
    let paths = ["/*", "/a/*", "/{x}/b", "/{x}/{y}", "/a/{y}", "/a/b", "/{x}/*", "/a/{y}/*", "/a/b/*"];
    let mut table = RouteTable { entries: Vec::new(), has_subtrees: false };
    for path in paths {
        table.insert(Entry::new(None, path.to_owned(), Endpoint::Check));
    }
    table.insert(Entry::new(Some("a.example".to_owned()), "/a/*".to_owned(), Endpoint::Check));
    let found = |host: &str, path: &str| {
        let entry = table.entries.iter().find(|entry| entry.is_for(host, path, None))?;
        Some(entry.pattern.as_str()).filter(|_| entry.host.is_none())
    };
    for (path, pattern) in [
        ("/a/b", "/a/b"),
        ("/a/c", "/a/{y}"),
        ("/c/b", "/{x}/b"),
        ("/c/d", "/{x}/{y}"),
        ("/a/b/c", "/a/b/*"),
        ("/a/c/d", "/a/{y}/*"),
        ("/c/d/e", "/{x}/*"),
        ("/c", "/*"),
        ("/c/", "/*"),
    ] {
        assert_eq!(found("b.example", path), Some(pattern), "{path}");
    }
    assert_eq!(found("A.example.", "/a/b"), None, "a host's own goes before all others");
}

#[test]
fn alike_is_what_no_request_tells_apart() {
    assert!(stand_for_the_same("/a/{b}/*", "/a/{c}/*"));
    for (one, other) in [("/a/{b}", "/a/b"), ("/a/{b}", "/b/{b}"), ("/a/{b}", "/a/*"), ("/a", "/a/")] {
        assert!(!stand_for_the_same(one, other), "{one} {other}");
    }
    for bad in ["/{}", "/{a", "/a}", "/{a}{b}", "/x{a}", "/{a}.json", "/{{a}}"] {
        assert!(!is_well_formed(bad), "{bad}");
    }
}
