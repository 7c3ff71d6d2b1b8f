//! Commerce Engine storefront: `POST /auth/logout`, published below `/api/v1/{store_id}/storefront`.

use serde_json::{Map, Value};

use super::{BodyRule, Contract, Failure, Success, commerce_engine};
use crate::http::Reply;
use crate::json::{self, Object};
use crate::revocation::Scope;
use crate::token::AnonymousSession;

/// Commerce Engine's storefront logout. The user continues with an anonymous session.
#[derive(Debug)]
pub(super) struct Storefront;

impl Contract for Storefront {
    fn name(&self) -> &'static str {
        "commerce-engine-storefront"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/auth/logout", "/api/v1/{store_id}/storefront/auth/logout"]
    }

    fn ends(&self) -> &'static [Scope] {
        &[Scope::Token, Scope::Session]
    }

    fn body(&self) -> BodyRule {
        BodyRule::JsonIfAnnounced
    }

    fn success(&self) -> Success {
        Success::WithSession(logged_out)
    }

    fn failure(&self, failure: &Failure) -> Reply {
        commerce_engine::failure(failure, 400)
    }

    fn operation(&self) -> &'static str {
        include_str!("openapi/commerce-engine-storefront.json")
    }
}

fn logged_out(session: &AnonymousSession, known: &Map<String, Value>) -> Reply {
    let content = Object::new()
        .text("access_token", &session.access_token)
        .text("refresh_token", &session.refresh_token)
        .raw("user", &user(known));
    let answer = Object::new().text("message", "Logged out successfully").flag("success", true);
    Reply::json_text(200, answer.raw("content", &content.finish()).finish())
}

/// The members of the published `User` with their defaults.
const USER: [(&str, &str); 16] = [
    ("business", "null"),
    ("country_code", "null"),
    ("customer_group", "null"),
    ("customer_id", "null"),
    ("email", "null"),
    ("first_name", "null"),
    ("id", "null"),
    ("is_anonymous", "null"),
    ("is_email_verified", "false"),
    ("is_logged_in", "false"),
    ("is_phone_verified", "false"),
    ("last_name", "null"),
    ("login_methods", "[]"),
    ("notification_preferences", "null"),
    ("phone", "null"),
    ("profile_image_url", "null"),
];

/// Creates the published `User` from the known profile.
fn user(known: &Map<String, Value>) -> String {
    let mut user = Object::new();
    for (name, unknown) in USER {
        let is_fitting = |value: &&Value| match unknown {
            "[]" => value.is_array(),
            "false" => value.is_boolean() && name != "is_logged_in",
            _ => true,
        };
        user = match known.get(name).filter(is_fitting) {
            Some(value) => user.raw(name, &json::text(value)),
            None => user.raw(name, unknown),
        };
    }
    user.finish()
}
