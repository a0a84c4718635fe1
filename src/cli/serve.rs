//! `perennial serve`: a learner as a service of its own.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use bytesize::ByteSize;
use serde_json::json;

use super::options::{Adapt, Learned, Pixels, Train};
use super::{Global, options};
use crate::background::Options;
use crate::data::Dataset;
use crate::engine;
use crate::error::Result;
use crate::learner::Learner;
use crate::service::{Desk, Limits, Listen, Takes, Token, serve};

/// Options of `serve`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    learned: Learned,
    /// Listen on a Unix socket that only this user can open
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Listen for HTTP on a port of loopback, with a token; the live page is there
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// File of the token; it is made where there is none [default: a new token at every start]
    #[arg(long, value_name = "FILE", requires = "http")]
    token_file: Option<PathBuf>,
    /// Frames that are held to be looked at and labelled
    #[arg(long, default_value_t = 32, value_name = "N")]
    recent: usize,
    /// Labelled frames that may wait to be learned
    #[arg(long, default_value_t = 512, value_name = "N")]
    examples: usize,
    /// Largest body of a request
    #[arg(long, default_value = "8MiB", value_name = "SIZE")]
    max_body: ByteSize,
    /// Most requests a second, of all callers together
    #[arg(long, default_value = "200", value_name = "N")]
    rate: NonZeroU32,
    /// Most requests at the same time
    #[arg(long, default_value_t = 8, value_name = "N")]
    max_busy: usize,
    /// Niceness of the threads that learn, -20 to 19
    #[arg(long)]
    nice: Option<i32>,
    /// Strategy of a new state; an existing one goes on as it was
    #[arg(long, default_value = "perennial")]
    strategy: String,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    #[command(flatten)]
    pixels: Pixels,
}

const EXAMPLES: &str = "\
Ends on SIGTERM and SIGINT; a lesson that is going on is taken back. targets/systemd has a unit.

Examples:
  perennial serve --backbone default --state cell.state --http 127.0.0.1:7878
  perennial serve --backbone vit_tiny.onnx --state cell.state --socket /run/perennial.sock --budget 300MB --nice 10
  curl --unix-socket /run/perennial.sock --data-binary @cup.jpg http://localhost/v1/frames
  curl --unix-socket /run/perennial.sock --data-binary @frame.raw 'http://localhost/v1/frames?format=nv12&width=1280&height=720'
  curl --unix-socket /run/perennial.sock -X PUT -H 'Content-Type: application/json' -d '{\"label\": \"cup\"}' http://localhost/v1/frames/1/label
  curl --unix-socket /run/perennial.sock -H 'Content-Type: application/json' -d '{\"task\": \"kitchen\"}' http://localhost/v1/learn";

impl Args {
    /// Whether RAM was promised.
    pub fn is_promised(&self) -> bool {
        self.train.budget.is_some()
    }
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let token = match &args.token_file {
        Some(path) => Token::open(path)?,
        None => Token::random()?,
    };
    let listen = Listen {
        socket: args.socket.clone(),
        http: args.http.map(|address| (address, token.clone())),
        takes: Takes { body: args.max_body.as_u64() as usize, rate: args.rate, busy: args.max_busy },
    };
    let desk = Arc::new(desk(global, args)?);
    serve(&desk, &listen, |address| {
        let page = address.map(|address| format!("http://{address}/#{}", token.text()));
        match global.json {
            true => println!("{}", json!({ "http": address, "page": page, "socket": args.socket })),
            false => {
                page.iter().for_each(|page| println!("page: {page}"));
                args.socket.iter().for_each(|path| println!("socket: {}", path.display()));
            }
        }
    })
}

/// The learner of `--state`, or a new one, in the background.
fn desk(global: &Global, args: &Args) -> Result<Desk> {
    let backbone = options::backbone(global, &args.learned.backbone)?;
    let preprocess = args.pixels.resolve(global, &backbone, &args.learned.backbone, &Dataset::default())?;
    let place = args.learned.kept.open()?;
    let threads = global.threads.unwrap_or(1).max(1);
    let builder = Learner::builder(backbone.clone())
        .engine(engine::by_name(&global.engine, 1)?)
        .strategy(&args.strategy)
        .settings(args.train.settings(&args.adapt, &backbone, global.seed)?);
    let learner = args.train.learner(global, builder, &place, backbone.sha256())?;
    let options = Options { threads, nice: args.nice, ..Options::default() };
    let limits = Limits { recent: args.recent, examples: args.examples };
    let engine = [Some(global.engine.clone()), engine::version(&global.engine)];
    let engine = engine.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Desk::new(learner, options, &engine, preprocess, place, limits)
}
