//! What is judged of a path is what is served.

use edge_logout::config::Config;
use edge_logout::tool::{Gap, gaps};
use serde_json::{Value, json};

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{add_guard, environment, refused, service_with, table};
use crate::support::tokens::TestToken;

fn worth() -> String {
    TestToken::of("worth").sign()
}

fn guarded(settings: &Value) -> Asking {
    let mut guard = json!({ "paths": ["/pre/*"], "upstream": { "url": "https://internal.example/v2" } });
    for (name, value) in settings.as_object().unwrap() {
        guard[name] = value.clone();
    }
    Asking::of(service_with(|table| add_guard(table, &guard)))
}

/// The URL that a request is passed on to, or why it is refused.
fn fetched(asking: &Asking, request: &TestRequest) -> Result<String, String> {
    let answer = asking.send(request);
    answer.forward.as_ref().map(|forward| forward.url.clone().unwrap()).ok_or_else(|| refusal(&answer).2)
}

fn preflight(path: &str) -> TestRequest {
    TestRequest::new("OPTIONS", path)
        .header("origin", "https://a.example")
        .header("access-control-request-method", "PUT")
}

#[test]
fn no_path_leaves_the_upstreams_base() {
    let lax = guarded(&json!({ "pass_preflights": true, "pass_ambiguous_paths": true }));
    let escapes = ["/pre/%2e%2e/%2e%2e/secret", "/pre/../../secret", "/pre/.%2E/x", "/pre/%2e/x", "/pre/a\\..\\..\\x"];
    for path in escapes {
        for request in [preflight(path), TestRequest::new("GET", path).bearer(&worth())] {
            assert_eq!(fetched(&lax, &request), Err("ambiguous_path".to_owned()), "{path}");
        }
    }
    for path in ["/pre//a", "/pre/a;b", "/pre/a%2fb", "/pre/%61"] {
        let url = format!("https://internal.example/v2{path}");
        for request in [preflight(path), TestRequest::new("GET", path).bearer(&worth())] {
            assert_eq!(fetched(&lax, &request), Ok(url.clone()), "{path}");
        }
    }
}

#[test]
fn a_preflights_path_is_judged_first() {
    let strict = guarded(&json!({ "pass_preflights": true }));
    for path in ["/pre//a", "/pre/a%2fb", "/pre/%2e%2e/x"] {
        assert_eq!(fetched(&strict, &preflight(path)), Err("ambiguous_path".to_owned()), "{path}");
    }
    assert_eq!(fetched(&strict, &preflight("/pre/a?b=/c")), Ok("https://internal.example/v2/pre/a?b=/c".to_owned()));
}

#[test]
fn a_url_that_can_be_read_otherwise_finds_no_route() {
    let asking = guarded(&json!({}));
    for url in ["https://edge.example/pre/a#/../b", "https://edge.example:443#/pre/a", "https://u@edge.example/pre/a"] {
        let answer = asking.send(&TestRequest::new("GET", url).bearer(&worth()));
        assert_eq!((answer.reply.status, answer.forward), (400, None), "{url}");
    }
}

/// Administration is for the tills, all else for customers.
fn admin(settings: &Value) -> Asking {
    let mut exact = json!({ "paths": ["/pub/admin"], "issuers": ["commerce-engine-pos"] });
    for (name, value) in settings.as_object().unwrap() {
        exact[name] = value.clone();
    }
    Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/pub/*"] }));
        add_guard(table, &exact);
    }))
}

const VARIANTS: [&str; 8] = [
    "/pub/admin/",
    "/pub/Admin",
    "/pub/admin.json",
    "/pub/ADMIN.xml/",
    "/PUB/admin",
    "/pub/admin/users",
    "/pub/Admin/x/y",
    "/pub/admin.",
];

#[test]
fn a_subtree_is_everything_that_a_server_could_take_for_the_path() {
    let check = |asking: &Asking, path: &str| asking.check(&format!("/check{path}"), &worth());
    let exact = admin(&json!({}));
    assert_eq!(check(&exact, "/pub/admin"), 401);
    assert_eq!(check(&exact, "/pub/Admin"), 200, "without `subtree` a variant falls to the laxer rule");
    let subtree = admin(&json!({ "subtree": true }));
    for path in VARIANTS.iter().chain(&["/pub/admin"]) {
        assert_eq!(check(&subtree, path), 401, "{path}");
    }
    for path in ["/pub/admins", "/pub/admi", "/pub/x/admin", "/pub/administration", "/pub/"] {
        assert_eq!(check(&subtree, path), 200, "{path}");
    }
}

#[test]
fn a_subtree_holds_whatever_goes_on_with_no_part_of_a_name() {
    let subtree = admin(&json!({ "subtree": true }));
    for path in ["/pub/admin%20", "/pub/admin%C3%A9", "/pub/admin::$DATA", "/pub/admin~", "/pub/admin,x", "/pub/admin!"]
    {
        assert_eq!(subtree.check(&format!("/check{path}"), &worth()), 401, "{path}");
    }
    for path in ["/pub/admin-help", "/pub/admin_help", "/pub/admin2"] {
        assert_eq!(subtree.check(&format!("/check{path}"), &worth()), 200, "{path}");
    }
    for path in ["/pub/admin%3Fx", "/pub/admin%3fx", "/pub/x%23/../admin", "/pub/%23"] {
        assert_eq!(subtree.check(&format!("/check{path}"), &worth()), 403, "{path}");
    }
}

#[test]
fn a_lax_rule_that_passes_ambiguous_paths_does_not_empty_a_subtree() {
    let upstream = json!({ "service": "ORDERS" });
    let asking = Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/amb/*"], "pass_ambiguous_paths": true, "upstream": upstream }));
        let strict = json!({ "paths": ["/amb/admin"], "issuers": ["marzipan"], "subtree": true, "upstream": upstream });
        add_guard(table, &strict);
    }));
    let status = |path: &str| {
        let answer = asking.send(&TestRequest::new("GET", path).bearer(&worth()));
        answer.forward.map_or(answer.reply.status, |_| 200)
    };
    for path in [
        "/amb/%61dmin",
        "/amb/%2561dmin",
        "/amb//admin",
        "/amb/admin;x",
        "/amb;y/admin",
        "/amb/x%2f..%2fadmin",
        "/%61mb/Admin/",
    ] {
        assert_eq!(status(path), 403, "{path}: an ambiguous path under the strict rule");
    }
    for path in ["/amb//other", "/amb/%61dministration", "/amb/x;admin"] {
        assert_eq!(status(path), 200, "{path}");
    }
}

#[test]
fn what_stands_below_a_subtree_by_its_own_name_goes_first() {
    let asking = Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/pub/*"] }));
        add_guard(table, &json!({ "paths": ["/pub/admin"], "issuers": ["commerce-engine-pos"], "subtree": true }));
        add_guard(table, &json!({ "paths": ["/pub/admin/help", "/pub/admin/help/*"] }));
    }));
    assert_eq!(asking.check("/check/pub/admin/help", &worth()), 200);
    assert_eq!(asking.check("/check/pub/admin/help/1", &worth()), 200);
    assert_eq!(asking.check("/check/pub/admin/Help", &worth()), 401, "as it is written, and not otherwise");
}

#[test]
fn a_wildcards_prefix_is_its_subtree() {
    let asking = Asking::of(service_with(|table| {
        add_guard(table, &json!({ "paths": ["/*"] }));
        add_guard(table, &json!({ "paths": ["/admin/*"], "issuers": ["commerce-engine-pos"], "subtree": true }));
    }));
    for path in ["/admin", "/admin/", "/Admin/x", "/admin.json", "/ADMIN"] {
        assert_eq!(asking.check(&format!("/check{path}"), &worth()), 401, "{path}");
    }
    assert_eq!(asking.check("/check/administration", &worth()), 200);
}

#[test]
fn two_guards_cannot_have_one_subtree() {
    let found = refused(|table| {
        add_guard(table, &json!({ "paths": ["/admin"], "subtree": true }));
        add_guard(table, &json!({ "paths": ["/Admin"], "subtree": true }));
    });
    assert!(found.len() == 1 && found[0].contains("subtree"), "{found:?}");
    assert!(refused(|table| add_guard(table, &json!({ "paths": ["/admin", "/admin/*"], "subtree": true }))).is_empty());
}

fn gaps_of(guards: &[Value]) -> Vec<Gap> {
    let mut table = table();
    for guard in guards {
        add_guard(&mut table, guard);
    }
    gaps(&Config::parse(&table.to_string(), &environment()).unwrap())
}

#[test]
fn an_exact_rule_beside_a_laxer_wildcard_is_told() {
    let lax = json!({ "paths": ["/pub/*"] });
    let exact = json!({ "paths": ["/pub/admin"], "issuers": ["commerce-engine-pos"] });
    let found = gaps_of(&[lax.clone(), exact.clone()]);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.as_str(), found[0].other_path.as_str()), ("/pub/admin", "/pub/*"));
    assert_eq!(found[0].example, "/pub/admin/");
    let closed = json!({ "paths": ["/pub/admin"], "issuers": ["commerce-engine-pos"], "subtree": true });
    assert!(gaps_of(&[lax.clone(), closed]).is_empty());
    assert!(gaps_of(std::slice::from_ref(&exact)).is_empty(), "a variant that has no rule is refused");
    assert!(gaps_of(&[lax.clone(), json!({ "paths": ["/pub/admin"] })]).is_empty(), "the same rule");
    let strong = json!({ "paths": ["/pub/{id}/pay"], "strong_for": ["POST"] });
    assert_eq!(gaps_of(&[lax, strong]).len(), 1, "a weaker promise is laxer, too");
    let of_freshness = |freshness| json!({ "paths": ["/pub/*"], "freshness": freshness });
    let exact = json!({ "paths": ["/pub/admin"], "freshness": "bounded" });
    assert!(gaps_of(&[of_freshness("strong"), exact.clone()]).is_empty(), "a stronger promise is no laxer rule");
    assert_eq!(gaps_of(&[of_freshness("eventual"), exact]).len(), 1);
    let of_host = json!({ "paths": ["/pub/*"], "host": "lax.example" });
    let everywhere = json!({ "paths": ["/pub/admin"], "issuers": ["commerce-engine-pos"], "subtree": true });
    assert_eq!(gaps_of(&[of_host, everywhere])[0].host.as_deref(), Some("lax.example"));
}
