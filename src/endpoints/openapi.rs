//! `GET /openapi.json`: the OpenAPI 3.1 document of all endpoints, from the route table.

use serde_json::{Map, Value};

use super::health::VERSION;
use crate::config::{Config, Route};
use crate::contracts;
use crate::json::{self, Array, Object};
use crate::route_table::{BATCH_CHECK, CHECK, HEALTH, OPENAPI, READY};

/// Path items of the service's own endpoints. Their `components` are merged into the document's.
const OWN: [(&str, &str); 5] = [
    (HEALTH, include_str!("openapi/healthz.json")),
    (READY, include_str!("openapi/readyz.json")),
    (OPENAPI, include_str!("openapi/openapi.json")),
    (CHECK, include_str!("openapi/check.json")),
    (BATCH_CHECK, include_str!("openapi/batch-check.json")),
];
/// Shared components.
const SHARED: &str = include_str!("openapi/components.json");
/// The security schemes.
const SECURITY_SCHEMES: &str = concat!(
    r#"{"bearerAuth":{"type":"http","scheme":"bearer","bearerFormat":"JWT"},"#,
    r#""clientAuth":{"type":"http","scheme":"bearer","description":"The Worker secret of a client"}}"#
);
/// Responses that every contract has in addition to the vendor's. They have the body of its 401.
const OTHER_RESPONSES: [(&str, &str); 2] = [("405", "Method not allowed"), ("413", "The body is larger than 16 KiB")];
/// Headers that the service adds to every contract's responses: status, header, component.
const HEADERS: [(&str, &str, &str); 4] = [
    ("200", "Revocation-Effective", "RevocationEffective"),
    ("401", "WWW-Authenticate", "WwwAuthenticate"),
    ("405", "Allow", "Allow"),
    ("503", "Retry-After", "RetryAfter"),
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
    let mut components = Components::new();
    let paths = paths(config, &mut components);
    Object::new()
        .text("openapi", "3.1.0")
        .raw("info", &info.finish())
        .raw("servers", r#"[{"url":"/"}]"#)
        .raw("components", &components.finish(&paths))
        .raw("paths", &paths)
        .finish()
}

fn paths(config: &Config, components: &mut Components) -> String {
    let mut paths = Object::new();
    let mut described: Vec<&str> = Vec::new();
    for (path, item) in OWN {
        if let Some(mut item) = json::read_object(item) {
            components.take(&mut item);
            paths = paths.raw(path, &json::text(&Value::Object(item)));
            described.push(path);
        }
    }
    for route in config.logouts() {
        for path in &route.paths {
            // Routes of two hosts may have the same path, for which the document has one operation.
            if described.contains(&path.as_str()) {
                continue;
            }
            if let Some(operation) = operation(route, path) {
                paths = paths.raw(path, &Object::new().raw("post", &operation).finish());
                described.push(path);
            }
        }
    }
    paths.finish()
}

/// A contract's operation, with `operationId` and path parameters added.
fn operation(route: &Route, path: &str) -> Option<String> {
    let published = json::read_object(route.contract.operation())?;
    let mut operation = Object::new()
        .text("operationId", &operation_id(route.contract.name(), path))
        .raw("security", r#"[{"bearerAuth":[]}]"#);
    let mut parameters = Array::new();
    for (name, member) in &published {
        match (name.as_str(), member) {
            ("operationId" | "security" | "components", _) => {}
            ("parameters", Value::Array(published)) => {
                for parameter in published {
                    parameters.raw(&json::text(parameter));
                }
            }
            ("responses", Value::Object(published)) => operation = operation.raw(name, &responses(published)),
            _ => operation = operation.raw(name, &json::text(member)),
        }
    }
    for name in path_parameters(path) {
        let parameter = Object::new().text("name", name).text("in", "path").flag("required", true);
        parameters.raw(&parameter.raw("schema", r#"{"type":"string"}"#).finish());
    }
    Some(operation.raw("parameters", &parameters.finish()).finish())
}

/// The vendor's published responses and the additional ones.
fn responses(published: &Map<String, Value>) -> String {
    let mut all = Object::new();
    for (status, response) in published {
        let Value::Object(members) = response else { continue };
        let mut written = Object::new();
        for (name, member) in members {
            written = written.raw(name, &json::text(member));
        }
        let written = if members.contains_key("headers") { written } else { with_header(written, status) };
        all = all.raw(status, &written.finish());
    }
    let schema =
        published.get("401").and_then(|response| response.get("content")?.get("application/json")?.get("schema"));
    let schema = Object::new().raw("schema", &schema.map_or_else(|| "{}".to_owned(), json::text)).finish();
    let content = Object::new().raw("application/json", &schema).finish();
    for (status, description) in OTHER_RESPONSES.into_iter().filter(|(status, _)| !published.contains_key(*status)) {
        let response = Object::new().text("description", description).raw("content", &content);
        all = all.raw(status, &with_header(response, status).finish());
    }
    all.finish()
}

fn with_header(response: Object, status: &str) -> Object {
    let Some((_, name, component)) = HEADERS.iter().find(|(own, ..)| *own == status) else { return response };
    let reference = Object::new().text("$ref", &["#/components/headers/", component].concat()).finish();
    response.raw("headers", &Object::new().raw(name, &reference).finish())
}

/// The `operationId`, unique and URL-safe: the contract and the path, such as `worth.customer.logout`. `{name}` becomes
/// `:name`. Characters other than letters, digits, `-` and `_` become their code point between `~`.
fn operation_id(contract: &str, path: &str) -> String {
    let mut id = contract.to_owned();
    for character in path.chars() {
        match character {
            '/' => id.push('.'),
            '{' => id.push(':'),
            '}' => {}
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => id.push(character),
            other => id.extend(["~", &u32::from(other).to_string(), "~"]),
        }
    }
    id
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// Referenceable components: kind, name and JSON text of each.
struct Components(Vec<(String, String, String)>);

impl Components {
    /// Collects the shared components and those of all contracts. The first with a name is used.
    fn new() -> Self {
        let mut components = Self(Vec::new());
        let operations = contracts::ALL.iter().map(|contract| contract.operation());
        for text in operations {
            components.take(&mut json::read_object(text).unwrap_or_default());
        }
        components.add(json::read(SHARED).unwrap_or_default());
        components
    }

    /// Moves the components out of a path item or operation.
    fn take(&mut self, item: &mut Map<String, Value>) {
        if let Some(components) = item.remove("components") {
            self.add(components);
        }
    }

    fn add(&mut self, components: Value) {
        let Value::Object(kinds) = components else { return };
        for (kind, components) in kinds {
            let Value::Object(components) = components else { continue };
            for (name, component) in components {
                if !self.0.iter().any(|(own, known, _)| *own == kind && *known == name) {
                    self.0.push((kind.clone(), name, json::text(&component)));
                }
            }
        }
    }

    /// The JSON of all components that are referenced, directly or through other components.
    fn finish(self, paths: &str) -> String {
        let mut used = vec![paths];
        let mut is_used = vec![false; self.0.len()];
        loop {
            let before = used.len();
            for ((kind, name, text), is_used) in self.0.iter().zip(&mut is_used) {
                let reference = ["\"#/components/", kind, "/", name, "\""].concat();
                if !*is_used && used.iter().any(|text| text.contains(&reference)) {
                    *is_used = true;
                    used.push(text);
                }
            }
            if used.len() == before {
                break;
            }
        }
        let mut written = Object::new();
        for kind in ["headers", "schemas"] {
            let of_kind = self.0.iter().zip(&is_used).filter(|((own, ..), is_used)| own == kind && **is_used);
            let all = of_kind.fold(Object::new(), |all, ((_, name, text), _)| all.raw(name, text));
            written = written.raw(kind, &all.finish());
        }
        written.raw("securitySchemes", SECURITY_SCHEMES).finish()
    }
}
