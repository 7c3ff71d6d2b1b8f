//! Reads the body of a logout according to its contract.

use serde::de::IgnoredAny;

use crate::contracts::{BodyRule, Demand, Failure};
use crate::http::{BodyError, MAX_BODY_BYTES, Request, is_json};

/// Reads and validates the body.
///
/// # Errors
/// The failure for an unreadable body. It takes precedence over problems with the credential.
pub(super) async fn read_body<R: Request>(rule: BodyRule, request: &R) -> Result<Demand, Failure> {
    let announced = request.header("content-length").and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(Failure::TooLarge);
    }
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
    if serde_json::from_slice::<IgnoredAny>(&body).is_err() {
        return Err(Failure::Body("The body is no JSON"));
    }
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if matches!(rule, BodyRule::OptionalObject) && !is_object {
        return Ok(Demand::Wrong(Failure::Body("The body must be a JSON object")));
    }
    Ok(Demand::Own)
}
