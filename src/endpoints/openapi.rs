//! `GET /openapi.json`: the endpoints as OpenAPI 3.1, from the same table that routes.

use serde_json::{Map, Value, json};

use super::health::VERSION;
use crate::config::{Config, Route};
use crate::routes::{BATCH_CHECK, CHECK, HEALTH, OPENAPI};

/// The service's own paths, and what they answer.
const OWN: [(&str, &str); 4] = [
    (HEALTH, include_str!("openapi/healthz.json")),
    (OPENAPI, include_str!("openapi/openapi.json")),
    (CHECK, include_str!("openapi/check.json")),
    (BATCH_CHECK, include_str!("openapi/batch-check.json")),
];

/// The OpenAPI document.
#[must_use]
pub fn document(config: &Config) -> Value {
    let mut paths = Map::new();
    for (index, route) in config.logouts().enumerate() {
        for (variant, path) in route.paths.iter().enumerate() {
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            if let (Value::Object(item), Some(operation)) = (item, operation(route, index, variant, path)) {
                // Two hosts may share a path; the document has one operation for it.
                item.entry("post").or_insert(operation);
            }
        }
    }
    for (path, text) in OWN {
        if let Ok(operations) = serde_json::from_str(text) {
            paths.insert(path.to_owned(), operations);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Edge logout",
            "version": VERSION,
            "description": "Published logout endpoints, answered at the edge.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": { "securitySchemes": {
            "bearerAuth": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            "clientAuth": { "type": "http", "scheme": "bearer" },
        } },
    })
}

/// A contract's operation, made unique for this path and given the path's parameters.
fn operation(route: &Route, index: usize, variant: usize, path: &str) -> Option<Value> {
    let mut operation: Map<String, Value> = serde_json::from_str(route.contract.operation()).ok()?;
    operation.insert("operationId".to_owned(), json!(format!("{}-{index}-{variant}", route.contract.name())));
    operation.insert("security".to_owned(), json!([{ "bearerAuth": [] }]));
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        for (status, description) in [("405", "Method not allowed"), ("413", "The body is larger than 16 KiB")] {
            responses.entry(status).or_insert_with(|| json!({ "description": description }));
        }
    }
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Value::Array(parameters) = parameters {
        parameters.extend(
            path_parameters(path)
                .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })),
        );
    }
    Some(Value::Object(operation))
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}
