//! The page of results: complete, self-contained, safe against any text, and never half written.
//!
//! `sample_pages_are_written` leaves pages to look at in cargo's folder for test files (`target/tmp`).
#![cfg(feature = "eval")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use perennial::data::Picture;
use perennial::eval::{EvalResult, Evaluation, Outcome, ScenarioKind, TaskInfo, Unknown};
use perennial::report::{
    Comparison, GalleryRow, Limits, LossCurve, Report, Thumbnail, comparison_html, html, markdown, write,
    write_comparison,
};

/// A small deterministic noise in [0, 1).
fn noise(n: usize) -> f64 {
    let mut x = n as u64 ^ 0x9e37_79b9_7f4a_7c15;
    for _ in 0..3 {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

const ROOMS: [&str; 10] = [
    "kitchen",
    "garden",
    "workshop",
    "office",
    "garage",
    "living room",
    "attic & cellar",
    "hall",
    "balcony",
    "pool",
];

/// A run of ten tasks of ten classes whose tasks fade by `fade` points a task.
fn run(strategy: &str, tasks: usize, start: f64, fade: f64) -> EvalResult {
    let classes: Vec<Vec<usize>> = (0..tasks).map(|t| (10 * t..10 * t + 10).collect()).collect();
    let mut evaluation = Evaluation::new(classes.iter().map(Vec::as_slice));
    for after in 0..tasks {
        for task in 0..=after {
            let rate =
                (start - fade * (after - task) as f64 - 8.0 * noise(31 * task + strategy.len())) / 100.0;
            let outcome = |at: usize| {
                let class = 10 * task + at % 10;
                let right = noise(at + 1000 * task + 77 * after) < rate;
                let near = (task + at) % (after + 1);
                let found = if right || noise(at * 3 + task) < 0.3 { task } else { near };
                Outcome {
                    by_signature: None,
                    class,
                    predicted: if right { class } else { 10 * near + (at + 3) % 10 },
                    retrieved: Some(found),
                    within_task: Some(class),
                }
            };
            evaluation.record(after, task, &(0..200).map(outcome).collect::<Vec<_>>()).unwrap();
        }
    }
    let bell = |n: usize| (0..6).map(|k| noise(6 * n + k)).sum::<f64>() - 3.0;
    let known: Vec<f64> = (0..800).map(bell).collect();
    let unknown: Vec<f64> = (0..500).map(|n| bell(n + 5000) + 1.4).collect();
    let info = |t: usize| TaskInfo {
        name: ROOMS[t % 10].into(),
        classes: (0..10).map(|c| format!("thing {}", 10 * t + c)).collect(),
        train: 1000,
        test: 200,
    };
    EvalResult {
        strategy: strategy.into(),
        scenario: ScenarioKind::ClassIncremental,
        data: "cifar100:data/cifar100".into(),
        backbone: "vit_tiny_patch16_224.onnx".into(),
        seed: 42,
        threads: 2,
        config: [("rank", "4"), ("blocks", "last 4"), ("sites", "q, v")]
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .into(),
        tasks: (0..tasks).map(info).collect(),
        metrics: evaluation.metrics().unwrap(),
        unknown_auroc: None,
        unknown_false_accept_at_95: None,
        unknown: None,
        state_bytes_after_task: (0..tasks as u64).map(|t| (310 << 10) + (t + 1) * (148 << 10)).collect(),
        rss_bytes_after_task: (0..tasks as u64).map(|t| Some((170 << 20) + t * (3 << 20))).collect(),
        peak_rss_bytes: Some(212 << 20),
        train_seconds: 93.4,
        predict_ms_per_image: 12.34,
        ..EvalResult::default()
    }
    .with_unknown(Some(Unknown::measure(&known, &unknown).unwrap()))
}

fn loss(tasks: usize, steps: usize) -> LossCurve {
    let of = |at: usize| {
        let within = (at % steps) as f64 / steps as f64;
        (0.25 + 2.1 * (-6.0 * within).exp() + 0.35 * noise(at)) as f32
    };
    LossCurve {
        loss: (0..tasks * steps).map(of).collect(),
        task_starts: (0..tasks).map(|t| t * steps).collect(),
    }
}

/// A picture that stands for nothing but colour.
fn picture(seed: usize) -> Picture {
    let mut rgb = Vec::new();
    for y in 0..64usize {
        for x in 0..64usize {
            let ring = ((x as f64 - 32.0).hypot(y as f64 - 32.0) / (5.0 + (seed % 5) as f64)) as usize % 2;
            let base = [90 + 30 * (seed % 5), 150 - 20 * (seed % 4), 110 + 25 * (seed % 6)];
            rgb.extend(base.map(|c| (c + 40 * ring + x / 2).min(255) as u8));
        }
    }
    Picture::new(64, 64, rgb).unwrap()
}

fn gallery(tasks: usize) -> Vec<GalleryRow> {
    let thumbnail = |t: usize, n: usize| {
        let (class, right) = (format!("thing {}", 10 * t + n), (t + n) % 6 != 5);
        let predicted = if right { class.clone() } else { format!("thing {}", (10 * t + n + 13) % 100) };
        Thumbnail::new(&picture(7 * t + n), &class, &predicted, right).unwrap()
    };
    (0..tasks)
        .map(|t| GalleryRow { task: ROOMS[t].into(), pictures: (0..9).map(|n| thumbnail(t, n)).collect() })
        .collect()
}

fn sample() -> Report {
    Report {
        title: "Ten rooms learned one after another".into(),
        summary: "A frozen ViT-Ti/16 learned ten tasks of ten classes on two cores. No picture was kept: what it still \
                  knows at the end is below."
            .into(),
        command: "perennial eval --backbone vit_tiny.onnx --data cifar100:data --tasks 10 --strategy pegp --report out.html"
            .into(),
        results: vec![run("pegp", 10, 93.0, 1.4)],
        loss: loss(10, 180),
        budget: Limits { ram: Some(256 << 20), flash: Some(4 << 20) },
        gallery: gallery(3),
        notes: vec!["preprocessing resize=248,crop=224 (vision transformer default)".into()],
    }
}

fn comparison() -> Report {
    let rows = [
        ("pegp", 93.0, 1.4),
        ("ranpac-first", 92.0, 1.5),
        ("ranpac-frozen", 90.5, 1.6),
        ("ridge-frozen", 88.0, 2.0),
        ("ncm-frozen", 84.0, 1.5),
        ("sequential", 95.0, 7.5),
    ];
    let results = rows.iter().map(|(name, start, fade)| run(name, 10, *start, *fade)).collect();
    Report { title: "Six strategies on one stream".into(), results, loss: loss(10, 180), ..sample() }
}

/// Three orders of six strategies on one stream, and one of two on another.
fn compared() -> Comparison {
    let rows = [
        ("pegp", 93.0, 1.4, 14 << 20, 220.0),
        ("best-frozen", 92.5, 1.5, 14 << 20, 31.0),
        ("ranpac-first", 92.0, 1.5, 10 << 20, 74.0),
        ("ranpac-frozen", 90.5, 1.6, 10 << 20, 22.0),
        ("lda-frozen", 89.5, 1.8, 310 << 10, 6.1),
        ("ridge-frozen", 88.0, 2.0, 250 << 10, 6.0),
        ("ncm-frozen", 84.0, 1.5, 77 << 10, 5.6),
        ("pegp-shared", 90.0, 2.5, 14 << 20, 210.0),
        ("pegp-shared-down", 90.2, 2.4, 14 << 20, 205.0),
        ("sequential", 95.0, 7.5, 480 << 10, 190.0),
    ];
    let mut runs = Vec::new();
    for (name, start, fade, state, seconds) in rows {
        for order in 0..3u64 {
            let mut run = run(name, 10, start - 0.7 * order as f64, fade + 0.1 * order as f64);
            run.seed = order;
            run.state_bytes_after_task = (1..=10).map(|t| state * (t + 4) / 14).collect();
            run.train_seconds_by_task = (0..10).map(|t| seconds / 10.0 * (1.0 + 0.1 * noise(t))).collect();
            run.train_seconds = seconds;
            (run.metrics.retrieval_context_4, run.metrics.retrieval_context_16) = (Some(88.0), Some(97.5));
            run.retrieval_context_rule = "vote of single samples".into();
            run.stream = "P-small".into();
            run.provenance.engine = "tract".into();
            runs.push(run);
        }
    }
    runs.extend(
        ["pegp", "ncm-frozen"].map(|name| EvalResult { stream: "PACS".into(), ..run(name, 4, 90.0, 1.0) }),
    );
    Comparison {
        title: "Ten strategies".into(),
        command: "perennial compare a b".into(),
        runs,
        ..Comparison::default()
    }
}

#[test]
fn a_comparison_is_a_page_and_a_table() {
    let (path, comparison) = (Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-runs.html"), compared());
    write_comparison(&comparison, &path).unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    println!("{}: {} bytes", path.display(), page.len());
    balanced(&page);
    for needle in
        ["P-small", "PACS", "Accuracy against state", "Time to learn a task", " ± ", "Which task is it? pegp"]
    {
        assert!(page.contains(needle), "the page lacks {needle}");
    }
    let lower = page.to_lowercase();
    for word in ["http:", "https:", "<script", "url(", "nan", "infinity"] {
        assert!(!lower.contains(word), "{word} in the page");
    }
    let table = markdown(&comparison);
    assert_eq!(table.matches("###").count(), 2);
    assert!(table.contains("| `pegp` | ") && table.contains("97.5"), "{table}");
    for section in table.split("###").skip(1) {
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).collect();
        let columns = |row: &&str| row.matches('|').count();
        assert!(rows.len() > 2 && rows.iter().all(|row| columns(row) == columns(&rows[0])), "{table}");
    }

    let mut evil = compared();
    for run in &mut evil.runs {
        run.strategy = "\"><script>alert(1)</script>".into();
        run.stream = "<img src=x>".into();
        run.provenance.system = "<img src=x>".into();
    }
    let page = comparison_html(&evil);
    balanced(&page);
    assert!(!page.contains("<script") && !page.contains("<img src=x"));
    balanced(&comparison_html(&Comparison::default()));
    let bare = EvalResult { strategy: "nothing".into(), ..EvalResult::default() };
    balanced(&comparison_html(&Comparison { runs: vec![bare.clone(), bare], ..Comparison::default() }));
}

#[test]
fn sample_pages_are_written() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pages = [("report-sample.html", sample()), ("report-comparison.html", comparison())];
    for (name, report) in pages {
        write(&report, &folder.join(name)).unwrap();
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        println!("{}: {} bytes", folder.join(name).display(), text.len());
        assert_eq!(text, html(&report));
        assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>"));
        assert!(text.len() < 1 << 20, "{} bytes", text.len());
        let figure = format!("{:.1}", report.results[0].metrics.last);
        for needle in [
            &figure,
            &report.title,
            "What is kept",
            "Which task is it?",
            "Is it known at all?",
            "attic &amp; cellar",
        ] {
            assert!(text.contains(needle), "{name} lacks {needle}");
        }
        balanced(&text);
    }
}

/// Every opened element is closed in order.
fn balanced(page: &str) {
    let void = ["meta", "img", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    let body = page.split("<style>").next().unwrap().to_string() + page.split("</style>").nth(1).unwrap();
    for tag in body.split('<').skip(1) {
        let name = tag.split(|c: char| c == '>' || c.is_whitespace()).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "near <{}", tag.chars().take(60).collect::<String>());
        } else if !void.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_and_runs_nothing() {
    let page = html(&comparison()).to_lowercase();
    for word in ["http:", "https:", "<script", "javascript:", "@import", "url(", "<link", "<iframe"] {
        assert!(!page.contains(word), "{word} in the page");
    }
    assert!(page.contains("default-src 'none'"));
    // Pictures are base64, in which any three letters may stand.
    let text: String = page.split("base64,").map(|p| p.split_once('"').map_or(p, |(_, rest)| rest)).collect();
    assert!(text.len() > 1000, "the text was lost with the pictures");
    assert!(!text.contains("nan") && !text.contains("infinity"), "a number is not finite");
}

#[test]
fn text_from_outside_cannot_become_markup() {
    let evil = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onload='";
    let mut report = sample();
    report.title = evil.into();
    report.summary = evil.into();
    report.command = format!("perennial </code></pre>{evil}");
    report.notes = vec![evil.into()];
    for row in &mut report.gallery {
        row.task = evil.into();
        for (at, picture) in row.pictures.iter_mut().enumerate() {
            picture.class = evil.into();
            picture.predicted = evil.into();
            if at > 3 {
                picture.src = ["https://example.org/x.png", "data:image/png;base64,AA\" onerror=\"x", evil]
                    [at % 3]
                    .into();
            }
        }
    }
    let result = &mut report.results[0];
    (result.strategy, result.data, result.backbone) = (evil.into(), evil.into(), evil.into());
    result.config.insert(evil.into(), evil.into());
    for task in &mut result.tasks {
        task.name = evil.into();
        task.classes = vec![evil.into()];
    }
    report.results.push(report.results[0].clone());
    let page = html(&report);
    balanced(&page);
    for word in ["<script", "<img src=x", "example.org", "AA\" onerror"] {
        assert!(!page.contains(word), "{word}");
    }
    // Quotes inside attributes are entities: no attribute was added.
    let outside_quotes: String = page.split('"').step_by(2).collect();
    assert!(!outside_quotes.contains("onerror=alert(2)>'"), "an attribute was closed early");
}

#[test]
fn odd_reports_still_make_a_page() {
    let empty = html(&Report::default());
    assert!(empty.contains("Perennial report") && empty.contains("No run was given"));
    balanced(&empty);

    let mut bare = sample();
    bare.results = vec![run("joint", 1, 90.0, 0.0)];
    bare.loss = LossCurve { loss: vec![f32::NAN, 2.0, f32::INFINITY], task_starts: vec![0] };
    bare.budget = Limits::default();
    let result = &mut bare.results[0];
    (result.unknown, result.peak_rss_bytes) = (None, None);
    (result.metrics.retrieval, result.tasks) = (None, Vec::new());
    (result.rss_bytes_after_task, result.state_bytes_after_task) = (vec![None], Vec::new());
    let page = html(&bare);
    balanced(&page);
    assert!(!page.contains("NaN") && !page.contains("inf,"), "a number is not finite");
    assert!(page.contains("Along the stream"));

    let many = Report { results: vec![run("many", 30, 80.0, 0.5)], loss: loss(30, 400), ..sample() };
    let page = html(&many);
    balanced(&page);
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
}

#[test]
fn a_report_survives_json() {
    let report = sample();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(html(&serde_json::from_str::<Report>(&text).unwrap()), html(&report));
}

#[test]
fn a_page_is_written_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.html");
    write(&sample(), &path).unwrap();
    write(&Report::default(), &path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), html(&Report::default()));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a part file was left");
    let error = write(&sample(), &folder.path().join("missing/out.html")).unwrap_err().to_string();
    assert!(error.contains("missing/out.html"), "{error}");
}
