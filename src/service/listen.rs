//! Sockets, their beginning and their end.

use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::desk::Desk;
use super::guard::Token;
use super::routes::{Door, Takes, router};
use crate::error::{Context, Result};

/// How long requests may go on after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Connections of one socket; more wait.
const CONNECTIONS: usize = 64;

/// How long a connection may take for the head of a request, or say nothing.
const SILENCE: Duration = Duration::from_secs(10);

/// Threads on which frames are looked at.
const THREADS: usize = 8;

/// Where to listen, and what is taken there.
#[derive(Clone)]
pub struct Listen {
    /// A Unix socket for the owner of the process; no token is asked for.
    pub socket: Option<PathBuf>,
    /// An address on loopback, and the token that is asked for.
    pub http: Option<(SocketAddr, Token)>,
    /// What is taken of callers.
    pub takes: Takes,
}

/// Serves until the process is told to end (SIGTERM, SIGINT). `ready` gets the address of HTTP once both listen. The lesson that is
/// going on then is taken back.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for nothing to listen on and for an address beyond loopback;
/// [`State`](crate::ErrorKind::State) where another service listens already; [`Io`](crate::ErrorKind::Io).
pub fn serve(desk: &Arc<Desk>, listen: &Listen, ready: impl FnOnce(Option<SocketAddr>)) -> Result<()> {
    if listen.socket.is_none() && listen.http.is_none() {
        crate::bail!(InvalidArgument, "nothing to listen on; give --socket or --http");
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(THREADS).build()?;
    runtime.block_on(run(desk, listen, ready))
}

async fn run(desk: &Arc<Desk>, listen: &Listen, ready: impl FnOnce(Option<SocketAddr>)) -> Result<()> {
    let (stop, stopped) = watch::channel(());
    let mut servers = JoinSet::new();
    let (door, mut address) = (Arc::new(Door::new(desk.clone(), listen.takes)), None);
    if let Some((http, token)) = &listen.http {
        let listener = loopback(*http).await?;
        address = Some(listener.local_addr()?);
        let app = router(door.clone(), Some(token.clone()));
        servers.spawn(answer(listener, app, stopped.clone()));
    }
    if let Some(path) = &listen.socket {
        let listener = bound(path).await.at(|| path.display().to_string())?;
        let app = router(door, None);
        servers.spawn(answer(listener, app, stopped));
    }
    ready(address);
    tell(&[NotifyState::Ready]);
    until_told(desk).await?;
    tell(&[NotifyState::Stopping]);
    drop(stop);
    // Pages keep their connections open; they are cut then.
    let _ = timeout(GRACE, async { while servers.join_next().await.is_some() {} }).await;
    if let Some(path) = &listen.socket {
        std::fs::remove_file(path).at(|| path.display().to_string())?;
    }
    Ok(())
}

/// Answers until `stopped`, and what was asked by then.
async fn answer(mut listener: impl Listener, app: Router, stopped: watch::Receiver<()>) {
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let end = ended(stopped);
    tokio::pin!(end);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place,
            () = &mut end => break,
        };
        let stream = tokio::select! {
            (stream, _) = listener.accept() => stream,
            () = &mut end => break,
        };
        let service = TowerToHyperService::new(app.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Peers may go as they like.
            let _ = connection.await;
            drop(place);
        });
    }
    graceful.shutdown().await;
}

/// Once nobody can send any more.
async fn ended(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Counts seconds, and tells the watchdog of them as long as the learner lives.
async fn until_told(desk: &Desk) -> Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = int.recv() => return Ok(()),
            _ = second.tick() => {
                desk.tick();
                if desk.is_alive() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
        }
    }
}

/// To systemd, where it listens.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::warn!("systemd was not told: {e}");
    }
}

async fn loopback(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        crate::bail!(
            InvalidArgument,
            "{address} can be reached from elsewhere, and nothing here is encrypted; listen on 127.0.0.1 behind a proxy that speaks TLS"
        );
    }
    TcpListener::bind(address).await.at(|| address.to_string())
}

/// A socket at `path` that only its owner can open. It takes the place of one that nobody listens on any more, and of nothing else.
async fn bound(path: &Path) -> Result<UnixListener> {
    if path.symlink_metadata().is_ok_and(|old| !old.file_type().is_socket()) {
        crate::bail!(
            InvalidArgument,
            "there is something else there, which is left alone; choose another path for the socket"
        );
    }
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        crate::bail!(State, "a service listens there already; end it, or choose another socket");
    }
    let name = path.file_name().ok_or_else(|| crate::err!(InvalidArgument, "no name of a socket"))?;
    // Nobody can open it before it has its permissions.
    let new = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let listener = UnixListener::bind(&new)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    std::fs::rename(&new, path)?;
    Ok(listener)
}
