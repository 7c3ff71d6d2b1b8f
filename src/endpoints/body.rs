//! Reading the body of a logout as its contract says.

use serde_json::Value;

use crate::contracts::{BodyRule, Demand, Failure};
use crate::http::{BodyError, MAX_BODY_BYTES, Request, is_json};

/// Reads what the contract wants of the body.
///
/// # Errors
/// The failure of a body that cannot be read at all; that is told before the credential is looked at.
pub(super) async fn read_body<R: Request>(rule: BodyRule, request: &R) -> Result<Demand, Failure> {
    let content_type = request.header("content-type");
    let announced_json = content_type.as_deref().is_some_and(is_json);
    if matches!(rule, BodyRule::JsonIfAnnounced) && !announced_json {
        return Ok(Demand::Own);
    }
    let body = request.body(MAX_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge => Failure::TooLarge,
        BodyError::Interrupted => Failure::Body("The body could not be read"),
    })?;
    if let BodyRule::Session(read) = rule {
        return read(&body, content_type.as_deref());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Demand::Own);
    }
    if !announced_json {
        return Err(Failure::UnsupportedMediaType);
    }
    match (rule, serde_json::from_slice::<Value>(&body)) {
        (_, Err(_)) => Err(Failure::Body("The body is no JSON")),
        (BodyRule::OptionalObject, Ok(value)) if !value.is_object() => {
            Ok(Demand::Wrong(Failure::Body("The body must be a JSON object")))
        }
        _ => Ok(Demand::Own),
    }
}
