//! The profile of the user who logs out, for Commerce Engine's response.

use serde_json::{Map, Value};

use crate::json;
use crate::token::VerifiedToken;

/// The claims that are copied to Commerce Engine's `User` object. Other claims are not disclosed.
const USER_CLAIMS: [&str; 14] = [
    "first_name",
    "last_name",
    "email",
    "is_email_verified",
    "phone",
    "country_code",
    "is_phone_verified",
    "profile_image_url",
    "is_anonymous",
    "login_methods",
    "notification_preferences",
    "customer_id",
    "customer_group",
    "business",
];

/// Creates the user from the token's claims.
pub(super) fn from_claims(token: &VerifiedToken) -> Map<String, Value> {
    let mut user = Map::new();
    for name in USER_CLAIMS {
        if let Some(value) = token.claims().get(name) {
            user.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(subject) = token.subject() {
        user.insert("id".to_owned(), Value::String(subject.to_owned()));
    }
    user
}

/// Creates the user from the directory's entry; `None` if that is not a JSON object.
pub(super) fn from_directory(text: &str, subject: &str) -> Option<Map<String, Value>> {
    let mut user = json::read_object(text)?;
    if !user.contains_key("id") {
        user.insert("id".to_owned(), Value::String(subject.to_owned()));
    }
    Some(user)
}
