//! Commerce Engine storefront: `POST /auth/logout`, published below `/api/v1/{store_id}/storefront`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{BodyRule, Contract, Failure, Success, commerce_engine};
use crate::http::Reply;
use crate::revocation::Scope;
use crate::token::AnonymousSession;

/// Commerce Engine's logout of a shopper, who goes on as an anonymous visitor.
#[derive(Debug)]
pub(super) struct Storefront;

#[derive(Serialize)]
struct Answer<'a> {
    message: &'static str,
    success: bool,
    content: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    access_token: &'a str,
    refresh_token: &'a str,
    user: Map<String, Value>,
}

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
    let content =
        Content { access_token: &session.access_token, refresh_token: &session.refresh_token, user: user(known) };
    Reply::json(200, &Answer { message: "Logged out successfully", success: true, content })
}

/// The published `User`, from what is known of the user whose session has ended.
fn user(known: &Map<String, Value>) -> Map<String, Value> {
    let value_of = |name: &str| known.get(name).cloned().unwrap_or(Value::Null);
    let mut user = Map::new();
    for name in [
        "id",
        "first_name",
        "last_name",
        "email",
        "phone",
        "country_code",
        "profile_image_url",
        "is_anonymous",
        "notification_preferences",
        "customer_id",
        "customer_group",
        "business",
    ] {
        user.insert(name.to_owned(), value_of(name));
    }
    for name in ["is_email_verified", "is_phone_verified"] {
        user.insert(name.to_owned(), json!(value_of(name).as_bool().unwrap_or(false)));
    }
    let methods = known.get("login_methods").filter(|methods| methods.is_array()).cloned();
    user.insert("login_methods".to_owned(), methods.unwrap_or_else(|| json!([])));
    user.insert("is_logged_in".to_owned(), json!(false));
    user
}
