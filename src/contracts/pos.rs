//! Commerce Engine POS: `POST /pos/auth/logout`, published below `/api/v1/{store_id}/storefront`.

use super::{BodyRule, Contract, Failure, Success, commerce_engine};
use crate::http::Reply;
use crate::revocation::Scope;

/// Commerce Engine's point-of-sale logout.
#[derive(Debug)]
pub(super) struct Pos;

impl Contract for Pos {
    fn name(&self) -> &'static str {
        "commerce-engine-pos"
    }

    fn paths(&self) -> &'static [&'static str] {
        &["/pos/auth/logout", "/api/v1/{store_id}/storefront/pos/auth/logout"]
    }

    /// "Immediately invalidates the previously issued access token(s)": revokes the session.
    fn ends(&self) -> &'static [Scope] {
        &[Scope::Session]
    }

    fn body(&self) -> BodyRule {
        BodyRule::JsonIfAnnounced
    }

    fn success(&self) -> Success {
        Success::Plain(Reply::json_text(200, r#"{"message":"Logged out successfully","success":true}"#))
    }

    fn failure(&self, failure: &Failure) -> Reply {
        commerce_engine::failure(failure, 401)
    }

    fn operation(&self) -> &'static str {
        include_str!("openapi/commerce-engine-pos.json")
    }
}
