//! Zenoh as transport: without a router on a LAN, through routers beyond.
//!
//! What is new is published once. Who comes late, or was away, asks every device for its index, ids and nothing else, and then for the notices that it
//! lacks. A device answers for every bundle that it has with a *complete* queryable, so that a question about it goes to the nearest device that has it and
//! to no other; where that one gives nothing good, all that have it are asked.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use zenoh::Wait;
use zenoh::pubsub::Subscriber;
use zenoh::query::{ConsolidationMode, Query, QueryTarget, Queryable, Reply};
use zenoh::sample::Sample;
use zenoh::{Config, Session};

use super::folder::chunk_of;
use super::notice::Notice;
use super::shelf::Shelf;
use super::signed::{Signed, Statement};
use super::topic::{self, INDEXES, NOTICES, Site, Topic, WITHDRAWALS, What};
use super::transport::{Answer, Heard, Item, MAX_ANSWERS, Peer, Transport};
use super::withdrawal::Withdrawal;
use crate::error::{Error, Result};
use crate::learner::Digest;

/// Most chunks and notices that a device sends in a second: 8 MB.
const SENT_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(127);
/// Most indexes and withdrawals.
const LISTED_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);
/// Most bytes of an index: what a full shelf has, and more.
const MAX_INDEX: usize = 256 << 10;
/// Most statements that were told and not yet listened to; what is told beyond is found in the next listing.
const UNHEARD: usize = 256;
/// Most bytes of any message: a chunk, a notice or an index, and what Zenoh adds.
const MAX_MESSAGE: usize = 512 << 10;

/// How the others are reached.
#[derive(Clone, Debug)]
pub struct Reach {
    /// A file of Zenoh's configuration: certificates, access rules, routers.
    pub config: Option<PathBuf>,
    /// Endpoints to connect to, such as `tcp/192.168.1.7:7447` or `tls/router.example:7447`.
    pub connect: Vec<String>,
    /// Endpoints to listen at.
    pub listen: Vec<String>,
    /// Whether devices on the LAN find each other by multicast.
    pub multicast: bool,
    /// How long one answer may take.
    pub patience: Duration,
}

impl Default for Reach {
    fn default() -> Self {
        let patience = Duration::from_secs(10);
        Self { config: None, connect: Vec::new(), listen: Vec::new(), multicast: true, patience }
    }
}

/// A session with the others.
pub struct Network {
    session: Session,
    site: Site,
    backbone: Digest,
    patience: Duration,
    /// Sites where the nearest device gave nothing good and another one did: all are asked there. At most as many as sites that a notice came from.
    doubted: BTreeSet<Site>,
    held: Held,
    limiter: Arc<DefaultDirectRateLimiter>,
    bundles: BTreeMap<Digest, Queryable<()>>,
    told: Receiver<(Topic, Vec<u8>)>,
    /// What was told while somebody waited.
    first: Option<(Topic, Vec<u8>)>,
    _listings: [Queryable<()>; 2],
    _subscribers: [Subscriber<()>; 2],
}

/// What this device has.
type Held = Arc<Mutex<Index>>;

#[derive(Default)]
struct Index {
    bundles: BTreeSet<Digest>,
    withdrawals: BTreeMap<Digest, Vec<u8>>,
}

/// An index as it is sent: ids of bundles, ids of withdrawals.
type Ids = (Vec<Digest>, Vec<Digest>);

impl Network {
    /// Opens a session.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a configuration that Zenoh does not take, [`Io`](crate::ErrorKind::Io) where no session
    /// can be opened.
    pub fn open(reach: &Reach, site: Site, backbone: Digest) -> Result<Self> {
        let session = zenoh::open(configuration(reach)?).wait().map_err(|e| {
            crate::err!(Io, "no session; check the endpoints, certificates and what listens there")
                .caused_by(e)
        })?;
        let held = Held::default();
        let limiter = Arc::new(RateLimiter::direct(Quota::per_second(LISTED_A_SECOND)));
        let answering = |kind: &str, answer: fn(&Held, &Query, &str)| {
            let (held, limiter, key) = (held.clone(), limiter.clone(), topic::at(&site, backbone, kind));
            let own = key.clone();
            let answer = move |query| {
                if limiter.check().is_ok() {
                    answer(&held, &query, &own);
                }
            };
            session.declare_queryable(key).callback(answer).wait().map_err(unreachable)
        };
        let index = INDEXES.replace('*', &session.zid().to_string());
        let listings = [answering(&index, send_index)?, answering(WITHDRAWALS, send_withdrawals)?];
        let (tell, told) = sync_channel(UNHEARD);
        let listening = |kind: &str, most: usize, tell: SyncSender<(Topic, Vec<u8>)>| {
            let heard = move |sample: Sample| {
                let topic = sample.key_expr().as_str().parse();
                if let (Ok(topic), true) = (topic, sample.payload().len() <= most) {
                    // Full: the next listing finds it.
                    let _ = tell.try_send((topic, sample.payload().to_bytes().into_owned()));
                }
            };
            let key = topic::everywhere(backbone, kind);
            session.declare_subscriber(key).callback(heard).wait().map_err(unreachable)
        };
        let subscribers = [
            listening(NOTICES, Notice::MOST, tell.clone())?,
            listening(WITHDRAWALS, Withdrawal::MOST, tell)?,
        ];
        Ok(Self {
            site,
            backbone,
            patience: reach.patience,
            doubted: BTreeSet::new(),
            held,
            limiter: Arc::new(RateLimiter::direct(Quota::per_second(SENT_A_SECOND))),
            bundles: BTreeMap::new(),
            told,
            first: None,
            _listings: listings,
            _subscribers: subscribers,
            session,
        })
    }

    fn topic(&self, site: &Site, what: What) -> String {
        Topic { site: site.clone(), backbone: self.backbone, what }.to_string()
    }

    fn publish(&self, what: What, bytes: &[u8]) -> Result<()> {
        self.session.put(self.topic(&self.site, what), bytes).wait().map_err(unreachable)
    }

    /// Gives the answers to a query one by one, until `enough` says so.
    fn ask(&self, key: &str, target: QueryTarget, mut enough: impl FnMut(&Reply) -> bool) -> Result<()> {
        let replies = self
            .session
            .get(key)
            .target(target)
            .consolidation(ConsolidationMode::None)
            .timeout(self.patience)
            .wait()
            .map_err(unreachable)?;
        while let Ok(reply) = replies.recv() {
            if enough(&reply) {
                break;
            }
        }
        Ok(())
    }

    /// The first answer about `what` at `site` that is `good`: the nearest device's, or else anybody's.
    fn get(
        &mut self,
        site: &Site,
        what: What,
        good: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let key = self.topic(site, what);
        let nearest = (!self.doubted.contains(site)).then_some(QueryTarget::BestMatching);
        for target in nearest.into_iter().chain([QueryTarget::All]) {
            let mut found = None;
            self.ask(&key, target, |reply| {
                let bytes = reply.result().ok().map(|sample| sample.payload().to_bytes());
                found = bytes.filter(|bytes| good(bytes)).map(|bytes| bytes.into_owned());
                found.is_some()
            })?;
            if found.is_some() {
                if nearest.is_some() && target == QueryTarget::All {
                    self.doubted.insert(site.clone());
                }
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Gives every device's index, with its site and what it is called, until `enough` says so.
    fn indexes(&self, mut enough: impl FnMut(Site, &str, Ids) -> bool) -> Result<()> {
        self.ask(&topic::everywhere(self.backbone, INDEXES), QueryTarget::All, |reply| {
            let Some(sample) = reply.result().ok().filter(|sample| sample.payload().len() <= MAX_INDEX)
            else {
                return false;
            };
            let Some((site, device)) = topic::of_index(sample.key_expr().as_str()) else { return false };
            match postcard::from_bytes::<Ids>(&sample.payload().to_bytes()) {
                Ok(ids) => enough(site, device, ids),
                Err(_) => false,
            }
        })
    }

    /// Which sites have what `shelf` lacks: by id, first of bundles, then of withdrawals.
    fn missing(&self, shelf: &Shelf) -> Result<[BTreeMap<Digest, BTreeSet<Site>>; 2]> {
        let mut missing = [BTreeMap::new(), BTreeMap::new()];
        self.indexes(|site, _, (bundles, gone)| {
            for (ids, missing) in [bundles, gone].into_iter().zip(&mut missing) {
                for id in ids.into_iter().filter(|id| !shelf.has(*id)) {
                    missing.entry(id).or_insert_with(BTreeSet::new).insert(site.clone());
                }
            }
            missing.iter().map(BTreeMap::len).sum::<usize>() >= MAX_ANSWERS
        })?;
        Ok(missing)
    }

    /// One statement that this device lacks, from the first of `sites` whose answer `shelf` believes; or else what was answered instead.
    fn statement<S: Statement>(
        &mut self,
        sites: BTreeSet<Site>,
        what: What,
        shelf: &Shelf,
    ) -> Result<Option<Answer>> {
        let mut answer = None;
        for site in &sites {
            let mut other = None;
            let believed = self.get(site, what, &mut |bytes| {
                let good =
                    bytes.len() <= S::MOST && Signed::<S>::from_bytes(bytes.to_vec(), shelf.trust()).is_ok();
                if !good && bytes.len() <= S::MOST {
                    other = Some(bytes.to_vec());
                }
                good
            })?;
            if believed.is_some() {
                return Ok(believed.map(|bytes| Answer { sites, bytes }));
            }
            answer = answer.or(other);
        }
        Ok(answer.map(|bytes| Answer { sites, bytes }))
    }
}

impl Transport for Network {
    fn site(&self) -> &Site {
        &self.site
    }

    fn offer(&mut self, item: Item<'_>) -> Result<()> {
        match item {
            Item::Withdrawal(said) => {
                lock(&self.held).withdrawals.insert(said.id(), said.bytes().to_vec());
                self.publish(What::Withdrawal(said.id()), said.bytes())
            }
            Item::Bundle(said, file) => {
                let bundle = said.statement().bundle;
                let queryable = self.answer_for(bundle, said.bytes().to_vec(), file.to_path_buf())?;
                self.bundles.insert(bundle, queryable);
                lock(&self.held).bundles.insert(bundle);
                self.publish(What::Notice(bundle), said.bytes())
            }
        }
    }

    fn retire(&mut self, bundle: Digest) -> Result<()> {
        lock(&self.held).bundles.remove(&bundle);
        match self.bundles.remove(&bundle) {
            Some(queryable) => queryable.undeclare().wait().map_err(unreachable),
            None => Ok(()),
        }
    }

    fn hear(&mut self, all: bool, shelf: &Shelf) -> Result<Heard> {
        let mut heard = Heard::default();
        for (topic, bytes) in self.first.take().into_iter().chain(self.told.try_iter()) {
            let answers = match topic.what {
                What::Notice(id) if !shelf.has(id) => &mut heard.notices,
                What::Withdrawal(id) if !shelf.has(id) => &mut heard.withdrawals,
                _ => continue,
            };
            answers.push(Answer { sites: BTreeSet::from([topic.site]), bytes });
        }
        if all {
            let [bundles, withdrawals] = self.missing(shelf)?;
            for (id, sites) in withdrawals {
                if heard.has_room(Withdrawal::MOST) {
                    let answer = self.statement::<Withdrawal>(sites, What::Withdrawal(id), shelf)?;
                    heard.withdrawals.extend(answer);
                }
            }
            for (id, sites) in bundles {
                if heard.has_room(Notice::MOST) {
                    heard.notices.extend(self.statement::<Notice>(sites, What::Notice(id), shelf)?);
                }
            }
        }
        Ok(heard)
    }

    fn peers(&mut self) -> Result<Vec<Peer>> {
        let mut peers = Vec::new();
        self.indexes(|site, device, (bundles, gone)| {
            let device = Some(device.to_string());
            peers.push(Peer { site, device, bundles: bundles.len(), withdrawals: gone.len() });
            peers.len() >= MAX_ANSWERS
        })?;
        Ok(peers)
    }

    fn chunk(
        &mut self,
        site: &Site,
        bundle: Digest,
        index: u32,
        good: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        self.get(site, What::Chunk(bundle, index), &mut |bytes| good(bytes))
    }

    fn wait(&mut self, most: Duration) -> Result<bool> {
        match self.told.recv_timeout(most) {
            Ok(told) => {
                self.first = Some(told);
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(crate::err!(Io, "the session has ended; join again")),
        }
    }
}

impl Network {
    /// Answers questions about `bundle`: for its notice and for its chunks.
    fn answer_for(&self, bundle: Digest, notice: Vec<u8>, file: PathBuf) -> Result<Queryable<()>> {
        let limiter = self.limiter.clone();
        let answer = move |query: Query| {
            if limiter.check().is_ok() {
                send(&notice, &file, &query);
            }
        };
        let key = format!("{}/**", self.topic(&self.site, What::Notice(bundle)));
        self.session.declare_queryable(key).complete(true).callback(answer).wait().map_err(unreachable)
    }
}

/// Under this device's own key: the question has a `*` there.
fn send_index(held: &Held, query: &Query, own: &str) {
    let ids: Ids = {
        let held = lock(held);
        (held.bundles.iter().copied().collect(), held.withdrawals.keys().copied().collect())
    };
    match postcard::to_allocvec(&ids) {
        Ok(bytes) => reply(query, own, bytes),
        Err(e) => tracing::warn!("no index: {e}"),
    }
}

fn send_withdrawals(held: &Held, query: &Query, _: &str) {
    let id = match query.key_expr().as_str().parse() {
        Ok(Topic { what: What::Withdrawal(id), .. }) => id,
        _ => return,
    };
    let bytes = lock(held).withdrawals.get(&id).cloned();
    if let Some(bytes) = bytes {
        reply(query, query.key_expr().as_str(), bytes);
    }
}

fn reply(query: &Query, key: &str, bytes: Vec<u8>) {
    if let Err(e) = query.reply(key, bytes).wait() {
        tracing::debug!("an answer that nobody took: {e}");
    }
}

/// The notice or the chunk that is asked for; nothing, where there is none.
fn send(notice: &[u8], file: &Path, query: &Query) {
    let bytes = match query.key_expr().as_str().parse() {
        Ok(Topic { what: What::Notice(_), .. }) => Ok(notice.to_vec()),
        Ok(Topic { what: What::Chunk(_, index), .. }) => chunk_of(file, index),
        _ => return,
    };
    match bytes {
        Ok(bytes) if !bytes.is_empty() => reply(query, query.key_expr().as_str(), bytes),
        Ok(_) => {}
        Err(e) => tracing::warn!("not sent: {e}"),
    }
}

fn configuration(reach: &Reach) -> Result<Config> {
    let mut config = match &reach.config {
        Some(path) => Config::from_file(path).map_err(|e| {
            crate::err!(InvalidArgument, "no configuration of Zenoh; it is JSON5")
                .caused_by(e)
                .at(path.display().to_string())
        })?,
        None => Config::default(),
    };
    let mut set = |key: &str, value: String| {
        config
            .insert_json5(key, &value)
            .map_err(|e| crate::err!(InvalidArgument, "Zenoh does not take {value} for {key}").caused_by(e))
    };
    for (key, endpoints) in [("connect/endpoints", &reach.connect), ("listen/endpoints", &reach.listen)] {
        if !endpoints.is_empty() {
            let quoted: Vec<String> = endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
            set(key, format!("[{}]", quoted.join(",")))?;
        }
    }
    if !reach.multicast {
        set("scouting/multicast/enabled", "false".into())?;
    }
    set("transport/link/rx/max_message_size", MAX_MESSAGE.to_string())?;
    Ok(config)
}

fn unreachable(e: zenoh::Error) -> Error {
    crate::err!(Io, "the others cannot be reached; join again").caused_by(e)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
