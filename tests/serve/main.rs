//! `perennial serve` as other processes see it: the real program, real sockets.
#![cfg(all(feature = "serve", unix))]

mod client;

use std::io::Write;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use client::{Reply, Service};
use perennial::data::draw::Family;
use serde_json::{Value, json};

const SIDE: usize = 96;

fn tools() -> Family {
    let [_, tools, ..] = Family::themes();
    tools
}

/// Picture `i` of a class, as the body of a raw frame and its query.
fn frame(class: usize, i: u64) -> (String, Vec<u8>) {
    (format!("?format=rgb&width={SIDE}&height={SIDE}"), tools().draw(class, 0, i, SIDE))
}

fn look(service: &Service, class: usize, i: u64) -> Value {
    let (query, body) = frame(class, i);
    service.post(&format!("/v1/frames{query}"), &body).ok(200)
}

/// Examples of two classes, and the name of the task.
fn show(service: &Service, count: u64) {
    for i in 0..count {
        for class in 0..2 {
            let (query, body) = frame(class, i);
            let label = tools().name(class).replace(' ', "%20");
            service.post(&format!("/v1/examples{query}&label={label}"), &body).ok(201);
        }
    }
}

fn learn(service: &Service, task: &str, keep: &str) {
    service.json("POST", "/v1/learn", &json!({ "task": task, "epochs": 2, "keep": keep })).none(202);
}

/// The status once the learner is at `stage`.
fn until(service: &Service, stage: &str) -> Value {
    let start = Instant::now();
    loop {
        let status = service.get("/v1/status").ok(200);
        if status["stage"]["name"] == stage {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "not {stage}: {status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn named(service: &Service, from: u64, count: u64) -> usize {
    let right = |class: usize, i: u64| look(service, class, i)["answer"]["name"] == tools().name(class);
    (from..from + count).flat_map(|i| [(0, i), (1, i)]).filter(|&(class, i)| right(class, i)).count()
}

#[test]
fn frames_become_examples_examples_a_task_and_the_task_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let first = look(&service, 0, 0);
    assert_eq!(first["answer"], Value::Null, "nothing is known yet: {first}");
    let id = first["id"].as_u64().unwrap();
    service.json("PUT", &format!("/v1/frames/{id}/label"), &json!({ "label": tools().name(0) })).none(204);
    assert_eq!(service.get("/v1/frames").ok(200)[0]["label"], tools().name(0));
    show(&service, 12);
    let waiting = &service.get("/v1/status").ok(200)["waiting"];
    assert_eq!(waiting["labels"][tools().name(0)], 13);
    assert_eq!(waiting["labels"][tools().name(1)], 12);

    learn(&service, "tools", "sound");
    // A camera is answered meanwhile.
    while service.get("/v1/status").ok(200)["stage"]["name"] == "learning" {
        look(&service, 1, 900);
    }
    let status = until(&service, "ready");
    assert_eq!(status["tasks"][0]["name"], "tools");
    assert_eq!(status["tasks"][0]["pictures"], 25);
    assert_eq!(status["waiting"]["frames"], json!([]), "pictures of what was kept are gone");
    assert_eq!(status["unsaved"], Value::Null);
    assert_eq!(status["events"][0]["kind"], "learned");
    let right = named(&service, 100, 10);
    assert!(right >= 18, "{right} of 20");
    let answer = &look(&service, 0, 500)["answer"];
    let shares: Vec<f64> =
        answer["best"].as_array().unwrap().iter().map(|r| r["confidence"].as_f64().unwrap()).collect();
    assert!(shares.len() == 2 && shares[0] >= shares[1] && (shares[0] + shares[1] - 1.0).abs() < 1e-4);

    let answered = look(&service, 1, 501)["answer"].clone();
    assert!(service.end().success());
    assert!(!folder.path().join("socket").exists());
    let service = Service::start(folder.path(), &[]);
    let mut again = look(&service, 1, 501)["answer"].clone();
    again["milliseconds"] = answered["milliseconds"].clone();
    assert_eq!(again, answered, "a restart changes answers");
}

#[test]
fn a_task_that_is_undecided_is_kept_or_taken_back_by_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    show(&service, 6);
    service.post("/v1/commit", b"").error(409, "nothing to decide");
    learn(&service, "tools", "ask");
    let status = until(&service, "undecided");
    assert_eq!(status["stage"]["task"], "tools");
    assert!(status["stage"]["verdict"]["held_out"].as_u64().is_some(), "{status}");
    assert_eq!(status["tasks"], json!([]), "nothing is known before it is kept");
    service.json("POST", "/v1/learn", &json!({ "task": "more" })).error(409, "not decided");
    service.json("POST", "/v1/forget", &json!({ "class": "x" })).error(409, "not decided");
    service.post("/v1/rollback", b"").none(204);
    let status = until(&service, "ready");
    assert_eq!(status["waiting"]["frames"].as_array().unwrap().len(), 12, "examples wait again");
    assert_eq!(status["events"][0]["kind"], "taken_back");
    assert!(!folder.path().join("state").exists());

    learn(&service, "tools", "ask");
    until(&service, "undecided");
    service.post("/v1/commit", b"").none(204);
    let status = service.get("/v1/status").ok(200);
    assert_eq!((&status["stage"]["name"], &status["commits"]), (&json!("ready"), &json!(1)));
    assert!(folder.path().join("state").exists());
    service.json("POST", "/v1/learn", &json!({ "task": "tools" })).error(400, "already");

    // A lesson that is interrupted leaves everything as it was.
    show(&service, 6);
    service.json("POST", "/v1/learn", &json!({ "task": "long", "epochs": 1000 })).none(202);
    service.post("/v1/interrupt", b"").none(202);
    let status = until(&service, "ready");
    assert_eq!(status["commits"], 1);
    assert_eq!(status["waiting"]["frames"].as_array().unwrap().len(), 12);
    service.json("DELETE", "/v1/examples", &Value::Null).none(204);
    assert_eq!(service.get("/v1/status").ok(200)["waiting"]["frames"], json!([]));
    service.counts(&["events_total{kind=\"learned\"} 1", "events_total{kind=\"taken_back\"} 2"]);
}

#[test]
fn what_is_forgotten_is_gone_from_the_state_the_frames_and_the_examples() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    show(&service, 6);
    learn(&service, "tools", "sound");
    until(&service, "ready");
    show(&service, 1);
    (0..3).for_each(|i| drop(look(&service, 0, 300 + i)));
    let other = look(&service, 1, 300);
    assert!(other["answer"]["best"].to_string().contains(&tools().name(0)), "one of two was ranked: {other}");
    service.json("POST", "/v1/forget", &json!({ "class": "nobody" })).error(404, "known are");
    let gone = tools().name(0);
    let forgotten = service.json("POST", "/v1/forget", &json!({ "class": gone })).ok(200);
    assert_eq!(forgotten["classes"], json!([gone]));
    for path in ["/v1/status", "/v1/frames", "/v1/history"] {
        let text = service.get(path).ok(200).to_string();
        assert!(!text.contains(&gone), "{path} names it: {text}");
    }
    assert_eq!(service.get("/v1/status").ok(200)["events"][0]["kind"], "forgotten");
    let held = service.get("/v1/frames").ok(200);
    assert!(held.as_array().unwrap().iter().any(|frame| frame["id"] == other["id"]), "others stay: {held}");
    service.end();
    let bytes = std::fs::read(folder.path().join("state")).unwrap();
    assert!(!bytes.windows(gone.len()).any(|part| part == gone.as_bytes()));
}

#[test]
fn on_http_a_token_is_asked_for_and_the_page_comes_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let service =
        Service::start(folder.path(), &["--http", "127.0.0.1:0", "--token-file", token.to_str().unwrap()]);
    let (http, page) = (service.http.clone().unwrap(), service.page.clone().unwrap());
    let text = std::fs::read_to_string(&token).unwrap().trim().to_string();
    assert_eq!(page, format!("http://{http}/#{text}"));
    for (path, kind) in [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")] {
        let reply = http.ask("GET", path, &[], b"");
        assert_eq!(reply.status, 200);
        assert!(reply.header("content-type").starts_with(kind));
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
        assert!(!String::from_utf8(reply.body).unwrap().contains(&text));
    }
    assert_eq!(http.ask("GET", "/healthz", &[], b"").status, 200);
    let wrong = format!("Bearer {}x", &text[1..]);
    for path in ["/v1/status", "/v1/frames", "/metrics"] {
        http.ask("GET", path, &[], b"").error(401, "Bearer");
        http.ask("GET", path, &[("authorization", &wrong)], b"").error(401, "Bearer");
        let shown = format!("Bearer {text}");
        assert_eq!(http.ask("GET", path, &[("authorization", &shown)], b"").status, 200);
    }
    // The socket asks for none.
    service.get("/v1/status").ok(200);
}

#[test]
fn what_is_malformed_too_large_too_much_or_too_fast_is_refused_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(
        folder.path(),
        &["--max-body", "64KiB", "--examples", "3", "--recent", "2", "--rate", "50"],
    );
    let (query, body) = frame(0, 0);
    let post = |path: &str, body: &[u8]| service.post(path, body);
    post("/v1/frames", b"no picture").error(400, "picture");
    post(&format!("/v1/frames{query}"), &body[1..]).error(400, "bytes");
    post("/v1/frames?format=rgb", &body).error(400, "width and height");
    post("/v1/frames?format=h264&width=96&height=96", &body).error(400, "one of RGB");
    post("/v1/frames?format=rgb&width=4294967295&height=4294967295", &body).error(400, "16384");
    post(&format!("/v1/frames{query}&region=90,90,20,20"), &body).error(400, "region");
    post(&format!("/v1/frames{query}&colour=red"), &body).error(400, "colour");
    post(&format!("/v1/frames{query}"), &vec![0; 65 << 10]).error(413, "");
    post(&format!("/v1/frames{query}&label=cup"), &body).error(400, "/v1/examples");
    post(&format!("/v1/examples{query}"), &body).error(400, "no name");
    post(&format!("/v1/examples{query}&label=%0a%07"), &body).error(400, "no name");
    post("/v1/learn", b"{}").error(415, "");
    service.json("POST", "/v1/learn", &json!({})).error(422, "task");
    service.json("POST", "/v1/learn", &json!({ "task": "x" })).error(400, "nothing to learn");
    service.json("PUT", "/v1/frames/77/label", &json!({ "label": "x" })).error(404, "no longer held");
    service.json("DELETE", "/v1/frames/77/label", &Value::Null).error(404, "no label");
    service.get("/v1/nothing").error(404, "no such path");
    service.get("/v1/frames/77").error(404, "no longer held");

    for i in 0..3 {
        post(&format!("/v1/examples{query}&label=cup"), &frame(0, i).1).ok(201);
    }
    post(&format!("/v1/examples{query}&label=cup"), &body).error(507, "--examples");
    let ids: Vec<u64> = (0..4).map(|i| look(&service, 0, i)["id"].as_u64().unwrap()).collect();
    let held: Vec<u64> = service
        .get("/v1/frames")
        .ok(200)
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["id"].as_u64().unwrap())
        .collect();
    assert_eq!(held, [ids[3], ids[2]]);

    let replies: Vec<Reply> = (0..400).map(|_| service.get("/v1/history")).collect();
    let refused = replies.iter().filter(|reply| reply.status == 429).count();
    assert!(refused > 0, "400 requests at once, 50 a second");
    let retry = replies.iter().find(|reply| reply.status == 429).unwrap();
    assert_eq!(retry.header("retry-after"), "1");
    std::thread::sleep(Duration::from_millis(1500));
    service.counts(&[&format!("refused_total {refused}"), "waiting 3", "resident_bytes "]);
    assert_eq!(service.get("/v1/status").ok(200)["waiting"]["labels"]["cup"], 3);
}

#[test]
fn peers_that_say_nothing_or_go_early_keep_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &["--rate", "100000"]);
    for i in 0..300 {
        let mut stream = UnixStream::connect(&service.socket).unwrap();
        let bytes = b"GET /page.js HTTP/1.1\r\nhost: x\r\n\r\nGET /page.js HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(&bytes[..bytes.len() - i % 3]).unwrap();
        stream.shutdown(std::net::Shutdown::Read).unwrap();
    }
    service.get("/v1/status").ok(200);
    // More than are let in; the ones that are say nothing.
    let silent: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(&service.socket).unwrap()).collect();
    let start = Instant::now();
    service.get("/v1/status").ok(200);
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    drop(silent);
    assert!(service.end().success());
}

#[test]
fn what_cannot_be_saved_is_said_and_saved_with_the_next_change() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("medium");
    std::fs::create_dir(&kept).unwrap();
    let state = kept.join("state");
    let service = Service::at(folder.path(), &state, &[]);
    show(&service, 4);
    learn(&service, "tools", "ask");
    until(&service, "undecided");
    std::fs::remove_dir_all(&kept).unwrap();
    service.post("/v1/commit", b"").error(500, "kept, but not saved");
    let status = service.get("/v1/status").ok(200);
    assert_eq!((&status["stage"]["name"], &status["commits"]), (&json!("ready"), &json!(1)));
    assert!(status["unsaved"].as_str().unwrap().contains("not saved"), "{status}");
    std::fs::create_dir(&kept).unwrap();
    let class = tools().name(1);
    service.json("POST", "/v1/forget", &json!({ "class": class })).ok(200);
    assert_eq!(service.get("/v1/status").ok(200)["unsaved"], Value::Null);
    assert!(state.exists());
}

#[test]
fn systemd_is_told_of_the_beginning_of_every_second_and_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let systemd = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    systemd.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let told = || {
        let mut bytes = [0; 64];
        let length = systemd.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim().to_string()
    };
    let service = Service::start(folder.path(), &[]);
    assert_eq!([told(), told(), told()], ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
    assert!(service.end().success());
    let last = std::iter::repeat_with(told).find(|said| said != "WATCHDOG=1").unwrap();
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn it_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], part: &str| {
        let said = Service::refused(folder.path(), args);
        assert!(said.contains(part), "{args:?}: {said}");
    };
    refused(&[], "--socket or --http");
    refused(&["--http", "0.0.0.0:0"], "TLS");
    refused(&["--socket", "s", "--token-file", "t"], "--http");
    std::fs::write(folder.path().join("t"), "short").unwrap();
    refused(&["--http", "127.0.0.1:0", "--token-file", "t"], "no token");
    let service = Service::start(folder.path(), &[]);
    refused(&["--socket", service.socket.to_str().unwrap()], "listens there already");
    // A file that is no socket is somebody's.
    let file = folder.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    refused(&["--socket", file.to_str().unwrap()], "left alone");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    // One that was killed leaves its socket, which is no obstacle.
    service.kill();
    assert!(folder.path().join("socket").exists());
    let again = Service::start(folder.path(), &[]);
    again.get("/v1/status").ok(200);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&Path::new(&again.socket).metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
