//! `GET /openapi.json`: the endpoints as OpenAPI 3.1, from the same table that routes.

use serde_json::Value;

use super::health::VERSION;
use crate::config::{Config, Route};
use crate::json::{self, Array, Object};
use crate::routes::{BATCH_CHECK, CHECK, HEALTH, OPENAPI, READY};

/// The service's own paths, and what they answer.
const OWN: [(&str, &str); 5] = [
    (HEALTH, include_str!("openapi/healthz.json")),
    (READY, include_str!("openapi/readyz.json")),
    (OPENAPI, include_str!("openapi/openapi.json")),
    (CHECK, include_str!("openapi/check.json")),
    (BATCH_CHECK, include_str!("openapi/batch-check.json")),
];
/// How one proves to be somebody.
const SECURITY_SCHEMES: &str = concat!(
    r#"{"bearerAuth":{"type":"http","scheme":"bearer","bearerFormat":"JWT"},"#,
    r#""clientAuth":{"type":"http","scheme":"bearer"}}"#
);
/// What every contract answers to what its vendor's description does not mention.
const OTHER_RESPONSES: [(&str, &str); 2] = [
    ("405", r#"{"description":"Method not allowed"}"#),
    ("413", r#"{"description":"The body is larger than 16 KiB"}"#),
];

/// The OpenAPI document.
#[must_use]
pub fn document(config: &Config) -> String {
    let license = Object::new().text("name", "Apache-2.0 OR MIT").text("identifier", "Apache-2.0 OR MIT");
    let info = Object::new()
        .text("title", "Edge logout")
        .text("version", VERSION)
        .text("description", "Published logout endpoints, answered at the edge.")
        .raw("license", &license.finish());
    Object::new()
        .text("openapi", "3.1.0")
        .raw("info", &info.finish())
        .raw("servers", r#"[{"url":"/"}]"#)
        .raw("paths", &paths(config))
        .raw("components", &Object::new().raw("securitySchemes", SECURITY_SCHEMES).finish())
        .finish()
}

fn paths(config: &Config) -> String {
    let mut paths = Object::new();
    let mut described: Vec<&str> = Vec::new();
    for (path, operations) in OWN {
        paths = paths.raw(path, operations.trim_end());
        described.push(path);
    }
    for (index, route) in config.logouts().enumerate() {
        for (variant, path) in route.paths.iter().enumerate() {
            // Two hosts may share a path; the document has one operation for it.
            if described.contains(&path.as_str()) {
                continue;
            }
            if let Some(operation) = operation(route, index, variant, path) {
                paths = paths.raw(path, &Object::new().raw("post", &operation).finish());
                described.push(path);
            }
        }
    }
    paths.finish()
}

/// A contract's operation, made unique for this path and given the path's parameters.
fn operation(route: &Route, index: usize, variant: usize, path: &str) -> Option<String> {
    let published = json::read_object(route.contract.operation())?;
    let id = [route.contract.name(), "-", &index.to_string(), "-", &variant.to_string()].concat();
    let mut operation = Object::new().text("operationId", &id).raw("security", r#"[{"bearerAuth":[]}]"#);
    let mut parameters = Array::new();
    for (name, member) in &published {
        match (name.as_str(), member) {
            ("operationId" | "security", _) => {}
            ("parameters", Value::Array(published)) => {
                for parameter in published {
                    parameters.raw(&json::text(parameter));
                }
            }
            ("responses", Value::Object(responses)) => {
                let mut all = Object::new();
                for (status, response) in responses {
                    all = all.raw(status, &json::text(response));
                }
                for (status, response) in OTHER_RESPONSES {
                    if !responses.contains_key(status) {
                        all = all.raw(status, response);
                    }
                }
                operation = operation.raw(name, &all.finish());
            }
            _ => operation = operation.raw(name, &json::text(member)),
        }
    }
    for name in path_parameters(path) {
        let parameter = Object::new().text("name", name).text("in", "path").flag("required", true);
        parameters.raw(&parameter.raw("schema", r#"{"type":"string"}"#).finish());
    }
    Some(operation.raw("parameters", &parameters.finish()).finish())
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}
