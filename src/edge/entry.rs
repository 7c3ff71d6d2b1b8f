//! The Worker's entry: a request in, a response out, one log line.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::Context;

use super::environment::parse;
use super::forward::forward;
use super::glue;
use super::platform::EdgePlatform;
use super::request::EdgeRequest;
use super::response::to_response;
use super::{poll_once, promise};
use crate::json::Object;
use crate::service::{Answer, Service, answer_misconfigured};

thread_local! {
    /// The service of this isolate, once a request has come; nothing in it when the configuration was refused.
    static SERVICE: OnceCell<Option<Rc<Service>>> = const { OnceCell::new() };
}

/// Answers a request, at once where memory suffices, so that no promise has to be made and waited for; otherwise with
/// the promise of an answer. `is_internal`: it came by the entrypoint `Internal`.
///
/// # Errors
/// The runtime's, for what no reply can be made of.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, context: &Context, is_internal: bool) -> Result<JsValue, JsValue> {
    let request = EdgeRequest::new(request, is_internal);
    let Some(service) = service(&env) else {
        let answer = answer_misconfigured(&request);
        glue::log(&answer.log.text());
        return to_response(&answer.reply);
    };
    let deciding: Deciding = Box::pin(decide(service, request, EdgePlatform { env }));
    match poll_once(deciding) {
        Ok(decided) => reply(decided, context),
        Err(deciding) => finish(deciding, context).map(JsValue::from),
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

/// The response to what memory has decided. The ledger's feed is polled behind it, so that no check has to wait for that.
fn reply(decided: Decided, context: &Context) -> Result<JsValue, JsValue> {
    let Decided { answer, service, request, platform } = decided;
    let response = match &answer.forward {
        None => to_response(&answer.reply)?,
        Some(_) => {
            let env = platform.env.clone();
            promise(async move { respond(&request, &answer, &env).await }).into()
        }
    };
    if service.wants_refresh(&platform) {
        context.wait_until(&promise(async move {
            service.refresh(&platform).await;
            Ok(JsValue::UNDEFINED)
        }))?;
    }
    Ok(response)
}

/// Decides to the end, also when the client goes away: the runtime would drop the request in the middle of a write, or
/// of a call of the ledger that others of the isolate wait for. Only the upstream of a guard may be left alone.
fn finish(deciding: Deciding, context: &Context) -> Result<Promise, JsValue> {
    let (sender, decided) = oneshot::channel();
    context.wait_until(&promise(async move {
        let Decided { answer, service, request, platform } = deciding.await;
        // The receiver is gone when the client is: nobody is left to be answered.
        let _ = sender.send((answer, request, platform.env.clone()));
        if service.wants_refresh(&platform) {
            service.refresh(&platform).await;
        }
        Ok(JsValue::UNDEFINED)
    }))?;
    Ok(promise(async move {
        let decided = decided.await;
        let (answer, request, env) = decided.map_err(|oneshot::Canceled| JsValue::from("the request was dropped"))?;
        respond(&request, &answer, &env).await
    }))
}

fn log(answer: &Answer) {
    if answer.is_worth_logging() {
        glue::log(&answer.log.text());
    }
}

/// The response of the service or, where the request is passed on, of the upstream.
async fn respond(request: &EdgeRequest, answer: &Answer, env: &Env) -> Result<JsValue, JsValue> {
    if let Some(forwarded) = &answer.forward {
        match forward(request.raw(), forwarded, env).await {
            Ok(response) => return Ok(response),
            // Nothing of the error: it may hold whatever the upstream was asked.
            Err(_) => glue::log(&answer.log.clone().upstream_failed(answer.reply.status).text()),
        }
    }
    to_response(&answer.reply)
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
