//! Paths.
//!
//! ```text
//! POST   /v1/frames                a frame: what it is                      200 {id, answer, ..}
//! GET    /v1/frames                the last few, the newest first           200 [..]
//! GET    /v1/frames/ID             one of them, as the network saw it       200 PNG
//! PUT    /v1/frames/ID/label       {"label": NAME}: an example              204
//! DELETE /v1/frames/ID/label       none any more                            204
//! POST   /v1/examples?label=NAME   a frame as an example, not answered      201 {id}
//! DELETE /v1/examples              all of them                              204
//! POST   /v1/learn                 {"task", "epochs", "keep": sound | ask}  202
//! POST   /v1/interrupt             the lesson that is going on              202
//! POST   /v1/commit, /v1/rollback  the task that is undecided               204
//! POST   /v1/forget                {"class": NAME} or {"task": NAME}        200 {classes, residues, ..}
//! GET    /v1/status, /v1/history   everything else                          200
//! GET    /metrics                  for Prometheus                           200
//! GET    /healthz                  whether it can still learn; no token     200 | 503
//! GET    /                         the live page; no token                  200
//! ```
//!
//! A frame is an encoded picture, or raw with `?format=nv12&width=1280&height=720`; see [`Asked`].

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;
use tower_http::timeout::TimeoutLayer;

use super::desk::Desk;
use super::guard::Token;
use super::history::Second;
use super::lesson::Keep;
use super::picture::Asked;
use super::recent::RecentFrame;
use super::reply::Refusal;
use super::status::Status;
use crate::error::Result;
use crate::learner::Forgotten;

/// Longest time of a request.
const LONGEST: Duration = Duration::from_secs(60);

/// Passes over the examples where a request does not say.
const EPOCHS: usize = 3;

/// What is taken of callers.
#[derive(Clone, Copy, Debug)]
pub struct Takes {
    /// Bytes of a body.
    pub body: usize,
    /// Requests a second, all callers together.
    pub rate: NonZeroU32,
    /// Requests that are worked on at the same time, likewise.
    pub busy: usize,
}

/// What every request has at hand, on whichever socket it came.
pub struct Door {
    desk: Arc<Desk>,
    takes: Takes,
    rate: DefaultDirectRateLimiter,
    busy: Semaphore,
}

impl Door {
    /// To `desk`, for as many callers as `takes` says.
    pub fn new(desk: Arc<Desk>, takes: Takes) -> Self {
        let rate = RateLimiter::direct(Quota::per_second(takes.rate));
        Self { desk, takes, rate, busy: Semaphore::new(takes.busy.max(1)) }
    }
}

type At = State<Arc<Door>>;
type Replied<T> = std::result::Result<T, Refusal>;
/// A part of a request, or why it could not be read.
type Given<T, E> = std::result::Result<T, E>;

/// All paths; those that need one are refused without `token`.
pub fn router(door: Arc<Door>, token: Option<Token>) -> Router {
    let guarded = Router::new()
        .route("/v1/frames", post(look).get(recent))
        .route("/v1/frames/{id}", get(picture))
        .route("/v1/frames/{id}/label", put(label).delete(unlabel))
        .route("/v1/examples", post(example).delete(clear))
        .route("/v1/learn", post(learn))
        .route("/v1/interrupt", post(interrupt))
        .route("/v1/commit", post(commit))
        .route("/v1/rollback", post(rollback))
        .route("/v1/forget", post(forget))
        .route("/v1/status", get(status))
        .route("/v1/history", get(history))
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(door.clone(), paced))
        .layer(middleware::from_fn_with_state(Arc::new(token), known));
    let open = Router::new()
        .route("/", get(async || page("text/html; charset=utf-8", include_str!("page/index.html"))))
        .route("/page.js", get(async || page("text/javascript; charset=utf-8", include_str!("page/page.js"))))
        .route("/page.css", get(async || page("text/css; charset=utf-8", include_str!("page/page.css"))))
        .route("/healthz", get(health));
    guarded
        .merge(open)
        .fallback(async || {
            Refusal::new(StatusCode::NOT_FOUND, "NotFound", "no such path; docs/SERVICE.md lists them")
        })
        .layer(DefaultBodyLimit::max(door.takes.body))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, LONGEST))
        .with_state(door)
}

/// Lets callers in that show the token.
async fn known(State(token): State<Arc<Option<Token>>>, request: Request, next: Next) -> Response {
    match token.as_ref() {
        Some(token) if !token.is_shown(request.headers()) => {
            let what = "show the token as `Authorization: Bearer TOKEN`, or open the page by the address that was printed";
            Refusal::new(StatusCode::UNAUTHORIZED, "Refused", what).into_response()
        }
        _ => next.run(request).await,
    }
}

/// Lets no more in than were promised.
async fn paced(State(door): At, request: Request, next: Next) -> Response {
    let refusal = if door.rate.check().is_err() {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "Refused", "too many requests; see --rate")
    } else {
        match door.busy.try_acquire() {
            Ok(_held) => return next.run(request).await,
            Err(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Refused", "busy; ask again"),
        }
    };
    door.desk.refused();
    ([("retry-after", "1")], refusal).into_response()
}

/// Does what takes time on a thread of its own.
async fn on_thread<T: Send + 'static>(
    door: Arc<Door>,
    work: impl FnOnce(&Desk) -> Result<T> + Send + 'static,
) -> Replied<T> {
    let done = tokio::task::spawn_blocking(move || work(&door.desk)).await;
    done.map_err(|e| crate::err!(Bug, "a request ended early: {e}"))?.map_err(Refusal::from)
}

async fn look(
    State(door): At,
    asked: Given<Query<Asked>, QueryRejection>,
    body: Given<Bytes, BytesRejection>,
) -> Replied<Json<RecentFrame>> {
    let (Query(asked), body) = (asked?, body?);
    on_thread(door, move |desk| desk.look(&asked, &body)).await.map(Json)
}

async fn recent(State(door): At) -> Json<Vec<RecentFrame>> {
    Json(door.desk.recent())
}

async fn picture(State(door): At, id: Given<Path<u64>, PathRejection>) -> Replied<Response> {
    let Path(id) = id?;
    let png = on_thread(door, move |desk| desk.picture(id)).await?;
    Ok(([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "private, no-store")], png).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Label {
    label: String,
}

async fn label(
    State(door): At,
    id: Given<Path<u64>, PathRejection>,
    body: Given<Json<Label>, JsonRejection>,
) -> Replied<StatusCode> {
    let (Path(id), Json(Label { label })) = (id?, body?);
    door.desk.label(id, &label)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unlabel(State(door): At, id: Given<Path<u64>, PathRejection>) -> Replied<StatusCode> {
    door.desk.unlabel(id?.0)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn example(
    State(door): At,
    asked: Given<Query<Asked>, QueryRejection>,
    body: Given<Bytes, BytesRejection>,
) -> Replied<Response> {
    let (Query(asked), body) = (asked?, body?);
    let id = on_thread(door, move |desk| desk.example(&asked, &body)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id }))).into_response())
}

async fn clear(State(door): At) -> Replied<StatusCode> {
    door.desk.clear()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Learn {
    task: String,
    #[serde(default = "epochs")]
    epochs: usize,
    #[serde(default)]
    keep: Keep,
}

fn epochs() -> usize {
    EPOCHS
}

async fn learn(State(door): At, body: Given<Json<Learn>, JsonRejection>) -> Replied<StatusCode> {
    let Json(Learn { task, epochs, keep }) = body?;
    door.desk.learn(&task, epochs, keep)?;
    Ok(StatusCode::ACCEPTED)
}

async fn interrupt(State(door): At) -> StatusCode {
    door.desk.interrupt();
    StatusCode::ACCEPTED
}

async fn commit(State(door): At) -> Replied<StatusCode> {
    on_thread(door, Desk::commit).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rollback(State(door): At) -> Replied<StatusCode> {
    on_thread(door, Desk::rollback).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Forget {
    Class(String),
    Task(String),
}

async fn forget(State(door): At, body: Given<Json<Forget>, JsonRejection>) -> Replied<Json<Forgotten>> {
    let (name, is_task) = match body?.0 {
        Forget::Class(name) => (name, false),
        Forget::Task(name) => (name, true),
    };
    on_thread(door, move |desk| desk.forget(&name, is_task)).await.map(Json)
}

async fn status(State(door): At) -> Json<Status> {
    Json(door.desk.status())
}

async fn history(State(door): At) -> Json<Vec<Second>> {
    Json(door.desk.history())
}

async fn metrics(State(door): At) -> Replied<Response> {
    let text = door.desk.metrics()?;
    Ok(([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response())
}

async fn health(State(door): At) -> StatusCode {
    match door.desk.is_alive() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A file of the page, which loads nothing from elsewhere and is shown in no other page.
fn page(kind: &'static str, text: &'static str) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; \
                          connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

macro_rules! refusals {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for Refusal {
            fn from(e: $rejection) -> Self {
                Self::new(e.status(), "InvalidArgument", &e.body_text())
            }
        })*
    };
}
refusals!(BytesRejection, JsonRejection, PathRejection, QueryRejection);
