//! The Worker's entry: a request in, a response out, one log line.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::Context;

use super::environment::parse;
use super::forward::forward;
use super::pause::{Paused, Polled, Settled, poll};
use super::platform::EdgePlatform;
use super::request::EdgeRequest;
use super::response::to_response;
use super::{glue, promise};
use crate::json::Object;
use crate::service::{Answer, Service, answer_misconfigured};

thread_local! {
    /// The service of this isolate, once a request has come; nothing in it when the configuration was refused.
    static SERVICE: OnceCell<Option<Rc<Service>>> = const { OnceCell::new() };
    /// Requests that wait for one promise alone.
    static PAUSED: Paused<Going> = const { Paused::new() };
}

/// Answers a request, at once where memory suffices, so that no promise has to be made and waited for; otherwise with
/// the promise of an answer, with a promise and the ticket for [`resume`], or with a function that asks the upstream.
/// `is_internal`: it came by the entrypoint `Internal`.
///
/// # Errors
/// The runtime's, for what no reply can be made of.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, context: Context, is_internal: bool) -> Result<JsValue, JsValue> {
    let request = EdgeRequest::new(request, is_internal);
    let Some(service) = service(&env) else {
        let answer = answer_misconfigured(&request);
        glue::log(&answer.log.text());
        return to_response(&answer.reply);
    };
    let context = Rc::new(context);
    let must_finish = service.must_finish(&request);
    let deciding: Deciding = Box::pin(decide(service, request, EdgePlatform { env }));
    go_on(Going { deciding, context, must_finish }, None)
}

/// Goes on with a paused request, whose promise was fulfilled or rejected with a value.
///
/// # Errors
/// Those of [`fetch`].
#[wasm_bindgen]
pub fn resume(ticket: u32, value: JsValue, is_fulfilled: bool) -> Result<JsValue, JsValue> {
    let going = PAUSED.with(|paused| paused.take(ticket)).ok_or("the request was given up")?;
    go_on(going, Some(if is_fulfilled { Ok(value) } else { Err(value) }))
}

/// A request that is not decided yet.
struct Going {
    deciding: Deciding,
    context: Rc<Context>,
    /// Whether it is worked off also when its client goes away: the runtime would drop it in the middle of a write.
    must_finish: bool,
}

fn go_on(going: Going, settled: Option<Settled>) -> Result<JsValue, JsValue> {
    let Going { deciding, context, must_finish } = going;
    match poll(deciding, settled) {
        Polled::Ready(decided) => reply(decided, &context),
        Polled::Paused { future: deciding, promise, is_kept } => {
            if must_finish || is_kept {
                glue::keep(&context, &promise);
            }
            let going = Going { deciding, context, must_finish };
            Ok(glue::pause(&promise, PAUSED.with(|paused| paused.keep(going))))
        }
        Polled::Pending(deciding) => finish(deciding, context),
    }
}

/// What is answered, and what it takes to answer it.
struct Decided {
    answer: Answer,
    service: Rc<Service>,
    request: EdgeRequest,
    platform: EdgePlatform,
}

type Deciding = Pin<Box<dyn Future<Output = Decided>>>;

async fn decide(service: Rc<Service>, request: EdgeRequest, platform: EdgePlatform) -> Decided {
    let answer = service.answer(&request, &platform).await;
    log(&answer);
    Decided { answer, service, request, platform }
}

/// The response to what was decided, or the function that asks the upstream for one. The ledger's feed is polled behind it, so that no
/// check has to wait for that.
fn reply(decided: Decided, context: &Context) -> Result<JsValue, JsValue> {
    let Decided { answer, service, request, platform } = decided;
    let response = match &answer.forward {
        None => to_response(&answer.reply)?,
        Some(forwarded) => forward(&request, forwarded, &answer, &platform.env),
    };
    if service.wants_refresh(&platform) {
        context.wait_until(&promise(async move {
            service.refresh(&platform).await;
            Ok(JsValue::UNDEFINED)
        }))?;
    }
    Ok(response)
}

/// Decides to the end, also when the client goes away: others of the isolate may count on what it waits for. Only the
/// upstream of a guard may be left alone.
fn finish(deciding: Deciding, context: Rc<Context>) -> Result<JsValue, JsValue> {
    let own = Rc::clone(&context);
    let decided = promise(async move { reply(deciding.await, &context) });
    own.wait_until(&decided)?;
    Ok(glue::and_upstream(&decided).into())
}

fn log(answer: &Answer) {
    if answer.is_worth_logging() {
        glue::log(&answer.log.text());
    }
}

/// The isolate's service; parsed at the first request, and all or nothing.
fn service(env: &Env) -> Option<Rc<Service>> {
    SERVICE.with(|service| service.get_or_init(|| load(env)).clone())
}

fn load(env: &Env) -> Option<Rc<Service>> {
    match parse(env) {
        Ok(config) => {
            if config.storage.ledger.is_none() {
                let reason = "nothing is bound as LEDGER: revocations are kept in Workers KV alone";
                glue::warn(&Object::new().text("event", "ledger_absent").text("reason", reason).finish());
            }
            Some(Rc::new(Service::new(config)))
        }
        Err(refusals) => {
            for refusal in refusals.0 {
                let line = Object::new().text("event", "misconfigured").text("setting", &refusal.to_string());
                glue::error(&line.finish());
            }
            None
        }
    }
}
