//! Bundles between devices: what arrives is what was sent, what is withdrawn stays away, and what is hostile costs nothing but its own answers.
#![cfg(all(feature = "tract", feature = "fleet"))]

mod fixtures;
mod lessons;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use lessons::{learn, learn_and_commit};
use perennial::bundle::{self, Bundle, Content, Here, SecretKey, Trust};
use perennial::fleet::{
    Answer, CHUNK, Folder, Heard, Item, Limits, Network, Notice, Peer, Policy, Reach, Round, Shelf, Signed,
    Site, Transport, Want, Withdrawal, offer, round, take,
};
use perennial::learner::{Digest, Learner, Settings, State};
use perennial::{ErrorKind, Result};

const NOW: u64 = 1_800_000_000;
const PREPROCESSING: [u8; 32] = [7; 32];
/// Tests on twenty pictures of noise measure what arrives, not how well such a small model tells its classes apart.
const ANY: bundle::Limits = bundle::Limits { loss: 1.0, reach: 1e6, nearness: 0.0, untried: true };

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// Three makers, and a steward.
fn trust() -> Trust {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    let mut text: String = (1..4).map(|i| key(i).public().line(&format!("robot {i}")) + "\n").collect();
    text += &format!("perennial-steward-key {} the owner\n", key(9).public());
    fs::write(&path, text).unwrap();
    Trust::read(&path).unwrap()
}

fn backbone() -> [u8; 32] {
    fixtures::one("timm_legacy_op17_dynamic").backbone().sha256()
}

fn here() -> Here {
    Here { backbone: backbone(), preprocessing: PREPROCESSING, now: NOW, rename: None }
}

/// The common state, and what three devices learned on it: a bundle and the state after it.
struct World {
    base: State,
    taught: Vec<(Content, State)>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    // Enough random features for a bundle of several chunks.
    let settings = Settings { random_features: 400, ..lessons::settings() };
    let model = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let mut first = Learner::builder(model).strategy("perennial").settings(settings).build().unwrap();
    learn_and_commit(&mut first, 0);
    let base = first.state().clone();
    let taught = (1..4).map(|task| {
        let model = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let mut learner = Learner::builder(model).resume(base.clone()).sharing(true).build().unwrap();
        learn(&mut learner, task, 1);
        let content =
            Content::new(learner.lesson().unwrap(), learner.state(), backbone(), PREPROCESSING).unwrap();
        learner.commit().unwrap();
        (content, learner.state().clone())
    });
    World { taught: taught.collect(), base: base.clone() }
});

/// What device `device` (1 to 3) learned, as number `counter`.
fn made(device: u8, counter: u64) -> (Bundle, Signed<Notice>) {
    let mut content = WORLD.taught[usize::from(device) - 1].0.clone();
    content.counter = counter;
    let bundle = Bundle::sign(&content, &key(device)).unwrap();
    let notice = Notice::of(&bundle, &key(device)).unwrap();
    (bundle, notice)
}

fn shelf(folder: &Path) -> Shelf {
    Shelf::open(folder, Some(backbone()), trust(), Limits::default(), NOW).unwrap()
}

fn stick(folder: &Path, site: &str) -> Folder {
    Folder::open(folder, site.parse().unwrap(), Digest(backbone())).unwrap()
}

fn rounds(shelf: &mut Shelf, transport: &mut dyn Transport) -> Round {
    round(shelf, transport, NOW, true, usize::MAX, &mut |_| true).unwrap()
}

fn ids(shelf: &Shelf) -> Vec<Digest> {
    shelf.notices().map(|said| said.statement().bundle).collect()
}

#[test]
fn three_devices_and_a_stick_all_know_everything() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("stick");
    fs::create_dir(&root).unwrap();
    let mut devices: Vec<(Shelf, Folder)> = (1..4u8)
        .map(|device| {
            let mut own = shelf(&folder.path().join(format!("device {device}")));
            let (bundle, notice) = made(device, 1);
            own.publish(&bundle, notice, NOW).unwrap();
            let mut stick = stick(&root, &format!("site-{device}"));
            offer(&own, &mut stick, &Default::default()).unwrap();
            (own, stick)
        })
        .collect();
    for (held, stick) in &mut devices {
        let done = rounds(held, stick);
        assert_eq!((done.fetched.len(), done.refused, done.missing.len()), (2, 0, 0), "{done:?}");
        assert_eq!(rounds(held, stick).bytes, 0, "a second round fetches again");
    }
    let mut states = Vec::new();
    for (device, (held, _)) in devices.iter().enumerate() {
        let (state, done) = take(&WORLD.taught[device].1, held, &here(), &ANY).unwrap();
        assert_eq!((done.taken.len(), done.refused.len()), (2, 0), "{done:?}");
        let (again, nothing) = take(&state, held, &here(), &ANY).unwrap();
        assert!(!nothing.changed() && again == state, "taken over twice");
        states.push(state);
    }
    let (mut stranger, mut late) = (shelf(&folder.path().join("late")), stick(&root, "late"));
    let one = round(&mut stranger, &mut late, NOW, true, 1, &mut |_| true).unwrap();
    assert_eq!((one.fetched.len(), one.left), (1, 2));
    rounds(&mut stranger, &mut late);
    let (all, _) = take(&WORLD.base, &stranger, &here(), &ANY).unwrap();
    let classes =
        |state: &State| state.known().map(str::to_string).collect::<std::collections::BTreeSet<_>>();
    for state in &states {
        assert_eq!(classes(state), classes(&all));
    }
}

#[test]
fn what_is_withdrawn_is_forgotten_and_stays_away() {
    let folder = tempfile::tempdir().unwrap();
    let (root, mine) = (folder.path().join("stick"), folder.path().join("mine"));
    fs::create_dir(&root).unwrap();
    let mut maker = shelf(&folder.path().join("maker"));
    let mut theirs = stick(&root, "theirs");
    let (bundle, notice) = made(1, 5);
    maker.publish(&bundle, notice.clone(), NOW).unwrap();
    offer(&maker, &mut theirs, &Default::default()).unwrap();

    let (mut own, mut stick_here) = (shelf(&mine), stick(&root, "here"));
    rounds(&mut own, &mut stick_here);
    let (state, _) = take(&WORLD.base, &own, &here(), &ANY).unwrap();
    assert_ne!(state, WORLD.base);

    let said = |device: u8, counter| {
        let of = Withdrawal::of(Digest(backbone()), &key(1).public(), &bundle.content().task, counter);
        Signed::sign(of, &key(device)).unwrap()
    };
    // Another maker cannot take it back, nor can an older number.
    let forged = Signed::<Withdrawal>::from_bytes(said(2, 9).bytes().to_vec(), &trust()).unwrap_err();
    assert_eq!(forged.kind(), ErrorKind::Mismatch);
    own.withdraw(said(1, 4)).unwrap();
    assert_eq!(ids(&own).len(), 1);

    maker.withdraw(said(1, 5)).unwrap();
    rounds(&mut maker, &mut theirs);
    offer(&maker, &mut theirs, &Default::default()).unwrap();
    let done = rounds(&mut own, &mut stick_here);
    assert_eq!((done.withdrawals, done.removed.len()), (1, 1), "{done:?}");
    assert!(ids(&own).is_empty() && !own.file(bundle.id()).exists());
    let (state, done) = take(&state, &own, &here(), &ANY).unwrap();
    assert_eq!(done.forgotten.len(), 1);
    assert_eq!(state.known().collect::<Vec<_>>(), WORLD.base.known().collect::<Vec<_>>());

    // It is brought back by somebody who still has it, after a restart, and to a device that comes late.
    drop(own);
    theirs.offer(Item::Bundle(&notice, &write(folder.path(), &bundle))).unwrap();
    for name in ["mine", "late"] {
        let mut held = shelf(&folder.path().join(name));
        let done = rounds(&mut held, &mut stick_here);
        assert!(done.fetched.is_empty() && ids(&held).is_empty(), "{name}: {done:?}");
        let refused = held.publish(&bundle, notice.clone(), NOW).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Refused);
    }
    // A newer version is another matter, and a steward can take that back too.
    let (newer, notice) = made(1, 6);
    let mut late = shelf(&folder.path().join("late"));
    late.publish(&newer, notice, NOW).unwrap();
    late.withdraw(said(9, u64::MAX)).unwrap();
    assert!(ids(&late).is_empty());
}

fn write(folder: &Path, bundle: &Bundle) -> std::path::PathBuf {
    let path = folder.join(bundle.id().to_string());
    bundle.write(&path).unwrap();
    path
}

/// A transport that gives what it is told to give.
#[derive(Default)]
struct Hostile {
    notices: Vec<Answer>,
    chunks: BTreeMap<(Site, Digest), Vec<u8>>,
    asked: usize,
    /// Answers that are given before nothing comes any more.
    alive: usize,
}

fn site(name: &str) -> Site {
    name.parse().unwrap()
}

impl Hostile {
    fn tell(&mut self, from: &str, notice: &[u8], bundle: Digest, file: &[u8]) {
        self.notices.push(Answer { sites: [site(from)].into(), bytes: notice.to_vec() });
        self.chunks.insert((site(from), bundle), file.to_vec());
    }
}

impl Transport for Hostile {
    fn site(&self) -> &Site {
        static HERE: LazyLock<Site> = LazyLock::new(|| site("here"));
        &HERE
    }
    fn offer(&mut self, _: Item<'_>) -> Result<()> {
        Ok(())
    }
    fn retire(&mut self, _: Digest) -> Result<()> {
        Ok(())
    }
    fn hear(&mut self, _: bool, _: &Shelf) -> Result<Heard> {
        Ok(Heard { notices: self.notices.clone(), withdrawals: Vec::new() })
    }
    fn peers(&mut self) -> Result<Vec<Peer>> {
        Ok(Vec::new())
    }
    fn chunk(
        &mut self,
        site: &Site,
        bundle: Digest,
        index: u32,
        good: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.chunks.get(&(site.clone(), bundle)) else { return Ok(None) };
        self.asked += 1;
        if self.asked > self.alive {
            return Ok(None);
        }
        let chunk = file.chunks(CHUNK as usize).nth(index as usize).unwrap_or_default().to_vec();
        Ok(Some(chunk).filter(|chunk| good(chunk)))
    }
    fn wait(&mut self, _: Duration) -> Result<bool> {
        Ok(true)
    }
}

#[test]
fn a_fetch_that_was_cut_off_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, notice) = made(1, 1);
    let chunks = notice.statement().chunks.len();
    assert!(chunks > 2, "{chunks} chunks show nothing");
    let mut peer = Hostile { alive: chunks / 2, ..Hostile::default() };
    peer.tell("there", notice.bytes(), bundle.id(), bundle.bytes());
    let done = rounds(&mut shelf(folder.path()), &mut peer);
    assert_eq!((done.missing.len(), done.bytes), (1, (chunks / 2) as u64 * CHUNK));
    // A power cut in the middle of a chunk, and a flipped bit in the one before.
    let part = folder.path().join(format!("{}.part", bundle.id()));
    let mut bytes = fs::read(&part).unwrap();
    let flipped = bytes.len() - 5;
    bytes[flipped] ^= 1;
    bytes.extend([1; 1000]);
    fs::write(&part, bytes).unwrap();
    (peer.asked, peer.alive) = (0, usize::MAX);
    let mut again = shelf(folder.path());
    let done = rounds(&mut again, &mut peer);
    assert_eq!((done.fetched.len(), peer.asked), (1, chunks - (chunks / 2 - 1)), "{done:?}");
    assert_eq!(again.bundle(bundle.id()).unwrap(), bundle);
    assert!(!part.exists());
}

#[test]
fn nothing_hostile_lies_on_the_shelf() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, notice) = made(1, 3);
    let (good, id) = (notice.bytes().to_vec(), bundle.id());
    let mut peer = Hostile { alive: usize::MAX, ..Hostile::default() };
    // Garbage, a flood of it, strangers, changed notices, files that are not what was told.
    for length in [0, 1, 31, 95, 96, 97, 5000, Notice_MOST + 1] {
        peer.notices.push(Answer { sites: [site("a")].into(), bytes: vec![0xa5; length] });
    }
    let stranger = Notice::of(&Bundle::sign(bundle.content(), &key(66)).unwrap(), &key(66)).unwrap();
    peer.tell("a", stranger.bytes(), id, bundle.bytes());
    for at in (0..good.len()).step_by(7) {
        let mut changed = good.clone();
        changed[at] ^= 0x10;
        peer.notices.push(Answer { sites: [site("a")].into(), bytes: changed });
    }
    let mut own = shelf(folder.path());
    let done = rounds(&mut own, &mut peer);
    assert_eq!(done.refused, peer.notices.len(), "{:?}", done.complaints);
    assert!(ids(&own).is_empty() && done.bytes == 0 && done.complaints.len() <= 32);

    // The right notice, and wrong chunks from a nearer site: the honest one further away has it.
    let mut wrong = bundle.bytes().to_vec();
    for byte in wrong.iter_mut().step_by(1000) {
        *byte ^= 1;
    }
    peer.notices.clear();
    peer.tell("here", &good, id, &wrong);
    let done = rounds(&mut own, &mut peer);
    assert_eq!((done.missing, done.fetched.len(), done.bytes), (vec![id], 0, 0));
    peer.tell("there", &good, id, bundle.bytes());
    assert_eq!(rounds(&mut own, &mut peer).fetched, [id]);

    // An older number is a replay; another bundle of the same number is a maker who says two things.
    let (older, told) = made(1, 2);
    peer.tell("there", told.bytes(), older.id(), older.bytes());
    let mut content = bundle.content().clone();
    content.note = "other".into();
    let other = Bundle::sign(&content, &key(1)).unwrap();
    let told = Notice::of(&other, &key(1)).unwrap();
    peer.tell("there", told.bytes(), other.id(), other.bytes());
    let done = rounds(&mut own, &mut peer);
    assert_eq!((done.fetched.len(), done.refused), (0, 1), "{:?}", done.complaints);
    assert_eq!(ids(&own), [id]);
}

#[allow(non_upper_case_globals, reason = "reads as the constant of the trait that it is")]
const Notice_MOST: usize = <Notice as perennial::fleet::Statement>::MOST;

#[test]
fn a_revoked_key_is_believed_in_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, notice) = made(1, 1);
    shelf(folder.path()).publish(&bundle, notice.clone(), NOW).unwrap();
    let keys = folder.path().join("keys.txt");
    let public = key(1).public();
    fs::write(&keys, format!("{}\nperennial-revoked-key {public} stolen\n", public.line("robot 1"))).unwrap();
    let trust = Trust::read(&keys).unwrap();
    let why = trust.name(&public).unwrap_err().to_string();
    assert!(why.contains("stolen"), "{why}");
    // What it made before counts for nothing, and goes when the shelf is cleaned.
    let mut own = Shelf::open(folder.path(), Some(backbone()), trust, Limits::default(), NOW).unwrap();
    assert!(ids(&own).is_empty() && own.file(bundle.id()).exists());
    own.clean().unwrap();
    assert!(ids(&own).is_empty() && !own.file(bundle.id()).exists());
    let mut peer = Hostile { alive: usize::MAX, ..Hostile::default() };
    peer.tell("a", notice.bytes(), bundle.id(), bundle.bytes());
    assert_eq!((rounds(&mut own, &mut peer).refused, peer.asked), (1, 0));
}

#[test]
fn limits_hold_and_nothing_is_thrown_out() {
    let folder = tempfile::tempdir().unwrap();
    let size = made(1, 1).0.bytes().len() as u64;
    let open = |limits| Shelf::open(folder.path(), Some(backbone()), trust(), limits, NOW).unwrap();
    let mut own = open(Limits { bundles: 1, ..Limits::default() });
    let (bundle, notice) = made(1, 1);
    own.publish(&bundle, notice, NOW).unwrap();
    let (second, notice) = made(2, 1);
    assert_eq!(own.want(&notice, NOW).unwrap_err().kind(), ErrorKind::Budget);
    // A newer version of what is here takes its place.
    let (newer, told) = made(1, 2);
    own.publish(&newer, told, NOW).unwrap();
    assert_eq!(ids(&own), [newer.id()]);
    let mut own = open(Limits { bytes: size * 3 / 2, ..Limits::default() });
    assert_eq!(own.publish(&second, notice.clone(), NOW).unwrap_err().kind(), ErrorKind::Budget);
    assert_eq!(open(Limits::default()).want(&notice, NOW).unwrap(), Want::Fetch);
    // Withdrawals of one maker are an eighth of all.
    let mut own = open(Limits { withdrawals: 16, ..Limits::default() });
    for task in 0..3 {
        let of = Withdrawal::of(Digest(backbone()), &key(1).public(), &format!("task {task}"), 1);
        let done = own.withdraw(Signed::sign(of, &key(1)).unwrap());
        assert_eq!(done.is_ok(), task < 2);
    }
}

#[test]
fn people_and_single_images_stay_here() {
    let (bundle, _) = made(1, 1);
    Policy::default().allows(&bundle).unwrap();
    let named = |name: &str, uri: Option<&str>| {
        let mut content = bundle.content().clone();
        content.labels[0].uri = uri.map(str::to_string);
        content.note = name.into();
        Bundle::sign(&content, &key(1)).unwrap()
    };
    for uri in ["https://schema.org/Person", "http://www.wikidata.org/entity/Q5"] {
        assert_eq!(Policy::default().allows(&named("", Some(uri))).unwrap_err().kind(), ErrorKind::Refused);
    }
    Policy::default().allows(&named("", Some("https://www.wikidata.org/entity/Q81727"))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rules = |text: &str| {
        let path = folder.path().join("rules.json");
        fs::write(&path, text).unwrap();
        Policy::read(&path)
    };
    let first = &bundle.content().labels[0].name;
    let why = rules(&format!("{{\"never\": [\"{}*\"]}}", &first[..2])).unwrap().allows(&bundle).unwrap_err();
    assert!(why.kind() == ErrorKind::Refused && why.to_string().contains(first.as_str()), "{why}");
    let why = rules("{\"least\": 11}").unwrap().allows(&bundle).unwrap_err().to_string();
    assert!(why.contains("10 images"), "{why}");
    rules("{\"never\": [], \"least\": 1}")
        .unwrap()
        .allows(&named("", Some("https://schema.org/Person")))
        .unwrap();
    for wrong in ["", "[]", "{\"never\": [\"[\"]}", "{\"less\": 1}"] {
        assert_eq!(rules(wrong).unwrap_err().kind(), ErrorKind::Parse, "{wrong}");
    }
}

#[test]
fn what_expires_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut content = made(1, 1).0.content().clone();
    content.expires = Some(NOW + 10);
    let bundle = Bundle::sign(&content, &key(1)).unwrap();
    let notice = Notice::of(&bundle, &key(1)).unwrap();
    let mut own = shelf(folder.path());
    own.publish(&bundle, notice.clone(), NOW).unwrap();
    let mut peer = Hostile::default();
    let done = round(&mut own, &mut peer, NOW + 11, true, usize::MAX, &mut |_| true).unwrap();
    assert_eq!(done.removed, [bundle.id()]);
    assert_eq!(own.want(&notice, NOW + 11).unwrap(), Want::Expired);
}

#[test]
fn two_devices_find_each_other_over_zenoh() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = vec![format!("tcp/127.0.0.1:{port}")];
    let quiet = Reach { multicast: false, patience: Duration::from_secs(5), ..Reach::default() };
    let listens = Reach { listen: endpoint.clone(), ..quiet.clone() };
    let connects = Reach { connect: endpoint, listen: vec!["tcp/127.0.0.1:0".into()], ..quiet };
    let mut one = shelf(&folder.path().join("one"));
    let mut two = shelf(&folder.path().join("two"));
    let mut first = Network::open(&listens, site("east"), Digest(backbone())).unwrap();
    let (bundle, notice) = made(1, 1);
    one.publish(&bundle, notice, NOW).unwrap();
    offer(&one, &mut first, &Default::default()).unwrap();

    // Two comes late, and asks.
    let mut second = Network::open(&connects, site("west"), Digest(backbone())).unwrap();
    let mut done = Round::default();
    for _ in 0..20 {
        done = rounds(&mut two, &mut second);
        if !done.fetched.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!((done.fetched, done.bytes), (vec![bundle.id()], bundle.bytes().len() as u64));

    // What two makes is told to one, who waits for news.
    while first.wait(Duration::from_millis(100)).unwrap() {}
    let (answer, notice) = made(2, 1);
    two.publish(&answer, notice, NOW).unwrap();
    offer(&two, &mut second, &Default::default()).unwrap();
    assert!(first.wait(Duration::from_secs(10)).unwrap(), "nobody told");
    assert_eq!(rounds(&mut one, &mut first).fetched, [answer.id()]);

    // What is taken back is gone on both sides.
    let of = Withdrawal::of(Digest(backbone()), &key(1).public(), &bundle.content().task, 1);
    one.withdraw(Signed::sign(of, &key(1)).unwrap()).unwrap();
    first.retire(bundle.id()).unwrap();
    offer(&one, &mut first, &Default::default()).unwrap();
    assert_eq!(rounds(&mut two, &mut second).removed, [bundle.id()]);
    assert_eq!(ids(&two), [answer.id()]);
}
