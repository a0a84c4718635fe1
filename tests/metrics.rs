//! Scenarios, the accuracy matrix and what derives from it, unknown detection.
#![cfg(feature = "eval")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use perennial::ErrorKind;
use perennial::data::{ClassNames, DataSpec, Dataset, Layout, Limits, Picture};
use perennial::eval::{
    ClassOrder, EvalResult, Evaluation, Metrics, Outcome, Scenario, ScenarioKind, Unknown, result,
};

/// `n` outcomes of `class`, the first `hits` of them right and the others taken for `wrong`.
fn outcomes(class: usize, hits: usize, n: usize, wrong: usize) -> Vec<Outcome> {
    let predicted = |at| if at < hits { class } else { wrong };
    (0..n)
        .map(|at| Outcome {
            class,
            predicted: predicted(at),
            retrieved: None,
            by_signature: None,
            within_task: None,
        })
        .collect()
}

fn close(got: Option<f64>, want: f64) {
    assert!(got.is_some_and(|got| (got - want).abs() < 1e-9), "{got:?} is not {want}");
}

/// Three tasks of one class each with 10, 20 and 70 test samples.
///
/// ```text
/// A = 100            a = 100
///      50  80            (5 + 16) / 30 = 70
///      60  90  40        (6 + 18 + 28) / 100 = 52
/// ```
fn unequal() -> Evaluation {
    let mut evaluation = Evaluation::new([&[0][..], &[1], &[2]]);
    for (after, task, hits, n, wrong) in [
        (0, 0, 10, 10, 1),
        (1, 0, 5, 10, 1),
        (1, 1, 16, 20, 0),
        (2, 0, 6, 10, 2),
        (2, 1, 18, 20, 0),
        (2, 2, 28, 70, 1),
    ] {
        evaluation.record(after, task, &outcomes(task, hits, n, wrong)).unwrap();
    }
    evaluation
}

#[test]
fn figures_of_unequal_tasks_by_hand() {
    let metrics = unequal().metrics().unwrap();
    close(Some(metrics.last), 52.0);
    close(Some(metrics.last_macro), (60.0 + 90.0 + 40.0) / 3.0);
    close(metrics.incremental_avg, (100.0 + 70.0 + 52.0) / 3.0);
    // The best of task 2 is its last value: it adds nothing, where the other formula would subtract 10.
    close(metrics.forgetting, (40.0 + 0.0) / 2.0);
    close(metrics.bwt, (-40.0 + 10.0) / 2.0);
    close(metrics.task_from_class, 52.0);
    close(Some(metrics.chance), 100.0 / 3.0);
    assert_eq!((metrics.retrieval, metrics.within_task), (None, None));
    assert_eq!(metrics.accuracy_matrix[1], [Some(50.0), Some(80.0), None]);
    assert_eq!(metrics.correct_matrix[2], [Some(6), Some(18), Some(28)]);
    assert_eq!(metrics.test_counts, [10, 20, 70]);
    assert_eq!(
        metrics.class_confusion,
        [(0, 0, 6), (0, 2, 4), (1, 0, 2), (1, 1, 18), (2, 1, 42), (2, 2, 28)]
    );
    close(metrics.class_accuracy().get(&2).copied(), 40.0);
}

#[test]
fn retrieval_and_within_task_count_samples() {
    let mut evaluation = Evaluation::new([&[0, 1][..], &[2, 3]]);
    let outcome = |class, predicted, retrieved, within_task| Outcome {
        by_signature: None,
        class,
        predicted,
        retrieved: Some(retrieved),
        within_task: Some(within_task),
    };
    evaluation.record(0, 0, &[outcome(0, 0, 0, 0)]).unwrap();
    evaluation.record(1, 0, &[outcome(0, 1, 0, 0), outcome(1, 3, 1, 1), outcome(1, 1, 1, 1)]).unwrap();
    evaluation.record(1, 1, &[outcome(2, 0, 1, 3)]).unwrap();
    let metrics = evaluation.metrics().unwrap();
    // Retrieved right: the first of task 0 and the one of task 1.
    close(metrics.retrieval, 50.0);
    assert_eq!(metrics.retrieval_matrix, [[1, 2], [0, 1]]);
    assert_eq!(metrics.retrieval_after_task, [Some(100.0), Some(50.0)]);
    close(Some(metrics.retrieval_chance), 50.0);
    // Predicted class in the right task: 1 and 1 of task 0, not 3, not 0.
    close(metrics.task_from_class, 50.0);
    close(metrics.within_task, 75.0);
    close(Some(metrics.last), 25.0);
}

#[test]
fn contexts_count_apart_from_samples() {
    let mut evaluation = Evaluation::new([&[0][..], &[1]]);
    assert_eq!(evaluation.record_contexts(1, 0, 4, &[0]).unwrap_err().kind(), ErrorKind::State);
    for task in 0..2 {
        evaluation.record(1, task, &outcomes(task, 1, 2, 1 - task)).unwrap();
        evaluation.record_contexts(1, task, 4, &[0, 0, task]).unwrap();
    }
    let metrics = evaluation.metrics().unwrap();
    // All three of task 0, one of three of task 1; contexts of 16 were never formed.
    close(metrics.retrieval_context_4, 400.0 / 6.0);
    assert_eq!((metrics.retrieval, metrics.retrieval_context_16), (None, None));
}

#[test]
fn forgetting_after_a_task_ends_in_forgetting() {
    let result = EvalResult { metrics: unequal().metrics().unwrap(), ..EvalResult::default() };
    assert_eq!(result.forgetting_after(0), None);
    close(result.forgetting_after(1), 50.0);
    assert_eq!(result.forgetting_after(2), result.metrics.forgetting);
}

#[test]
fn what_was_not_measured_is_none_not_zero() {
    let mut single = Evaluation::new([&[0][..]]);
    single.record(0, 0, &outcomes(0, 1, 4, 9)).unwrap();
    let metrics = single.metrics().unwrap();
    close(metrics.incremental_avg, 25.0);
    assert_eq!((metrics.forgetting, metrics.bwt), (None, None));

    // Joint training is measured at the end only.
    let mut joint = Evaluation::new([&[0][..], &[1]]);
    joint.record(1, 0, &outcomes(0, 1, 2, 1)).unwrap();
    assert_eq!(joint.metrics().unwrap_err().kind(), ErrorKind::State);
    joint.record(1, 1, &outcomes(1, 2, 2, 0)).unwrap();
    let metrics = joint.metrics().unwrap();
    assert_eq!(
        (metrics.last, metrics.incremental_avg, metrics.forgetting, metrics.bwt),
        (75.0, None, None, None)
    );

    // Domains share classes, so the class does not tell the task.
    let mut domains = Evaluation::new([&[0, 1][..], &[0, 1]]);
    domains.record(1, 0, &outcomes(0, 1, 2, 1)).unwrap();
    domains.record(1, 1, &outcomes(0, 1, 2, 1)).unwrap();
    assert_eq!(domains.metrics().unwrap().task_from_class, None);
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let mut evaluation = unequal();
    let one = outcomes(0, 1, 1, 0);
    assert_eq!(evaluation.record(2, 2, &one).unwrap_err().kind(), ErrorKind::State);
    for (after, task) in [(0, 1), (3, 0)] {
        assert_eq!(evaluation.record(after, task, &one).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    let mut fresh = Evaluation::new([&[0][..]]);
    assert_eq!(fresh.record(0, 0, &[]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let strange = [Outcome { retrieved: Some(5), ..one[0] }];
    assert_eq!(fresh.record(0, 0, &strange).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn unknown_detection_matches_scikit_learn() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/auroc_golden.json")).unwrap();
    for case in golden.as_array().unwrap() {
        let scores = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let (known, unknown) = (scores("known"), scores("unknown"));
        let got = Unknown::measure(&known, &unknown).unwrap();
        let name = &case["name"];
        assert!((got.auroc - case["auroc"].as_f64().unwrap()).abs() < 1e-9, "{name}: {got:?}");
        let want = case["false_accept_at_95"].as_f64().unwrap();
        assert!(
            (got.false_accept_at_95 - want).abs() < 1e-9,
            "{name}: {} and {want}",
            got.false_accept_at_95
        );
        assert_eq!(got.known_histogram.iter().sum::<u32>() as usize, known.len());
        assert_eq!(got.unknown_histogram.iter().sum::<u32>() as usize, unknown.len());
        assert_eq!((got.roc[0], got.roc[got.roc.len() - 1]), ([0.0, 0.0], [100.0, 100.0]), "{name}");
        assert!(got.roc.windows(2).all(|w| w[0][0] <= w[1][0] && w[0][1] <= w[1][1]), "{name}");
    }
    assert_eq!(Unknown::measure(&[], &[1.0]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(Unknown::measure(&[f64::NAN], &[1.0]).unwrap_err().kind(), ErrorKind::Numeric);
}

fn dot() -> Picture {
    Picture::new(1, 1, vec![0, 0, 0]).unwrap()
}

/// `classes` classes with three training and two test pictures each, interleaved.
fn dataset(classes: usize) -> Dataset {
    let names = (0..classes).map(|class| format!("c{class}")).collect();
    let samples = |n: usize| (0..n * classes).map(|at| (at % classes, dot())).collect();
    Dataset::from_pictures(names, samples(3), samples(2)).unwrap()
}

#[test]
fn class_incremental_streams_cover_their_classes_once() {
    let data = dataset(11);
    for order in [ClassOrder::Listed, ClassOrder::Shuffled(3), ClassOrder::Given((0..11).rev().collect())] {
        let scenario = Scenario::class_incremental(&data, 3, &order, 2).unwrap();
        let sizes: Vec<usize> = scenario.tasks.iter().map(|task| task.classes.len()).collect();
        assert_eq!(sizes, [3, 3, 3]);
        let train: BTreeSet<usize> = scenario.tasks.iter().flat_map(|task| task.train.clone()).collect();
        assert_eq!((train.len(), scenario.pooled_train().len()), (27, 27));
        for task in &scenario.tasks {
            assert!(task.train.iter().all(|&id| task.classes.contains(&data.train[id].class)));
            assert_eq!((task.train.len(), task.test.len()), (9, 6));
        }
        assert_eq!(scenario.unknown.len(), 4);
        assert_eq!(scenario.unknown_after(1, &data).len(), 2 * 6 + 4);
        assert_eq!(scenario.unknown_after(3, &data), scenario.unknown);
    }
    let uneven = Scenario::class_incremental(&data, 3, &ClassOrder::Listed, 0).unwrap();
    assert_eq!(uneven.tasks.iter().map(|task| task.classes.len()).collect::<Vec<_>>(), [4, 4, 3]);
    let shuffled = |seed| Scenario::class_incremental(&data, 3, &ClassOrder::Shuffled(seed), 0).unwrap();
    assert_eq!(shuffled(5), shuffled(5));
    assert_ne!(shuffled(5), shuffled(6));
    let refused = Scenario::class_incremental(&data, 12, &ClassOrder::Listed, 0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let twice = ClassOrder::Given(vec![0, 1, 1]);
    assert!(Scenario::class_incremental(&data, 1, &twice, 0).is_err());
}

#[test]
fn blurred_boundaries_move_a_share_and_lose_nothing() {
    let data = dataset(10);
    let sharp = Scenario::class_incremental(&data, 5, &ClassOrder::Listed, 0).unwrap();
    let blurred = sharp.clone().blurred(0.34, 7).unwrap();
    assert_eq!(blurred, sharp.clone().blurred(0.34, 7).unwrap());
    assert_ne!(blurred, sharp.clone().blurred(0.34, 8).unwrap());
    assert_eq!(sharp.clone().blurred(0.0, 7).unwrap(), sharp);
    let sorted = |scenario: &Scenario| {
        let mut ids = scenario.pooled_train();
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(&blurred), sorted(&sharp), "every sample is in one task");
    for (new, old) in blurred.tasks.iter().zip(&sharp.tasks) {
        assert_eq!((&new.classes, &new.test), (&old.classes, &old.test));
        // Two of six are gone.
        assert_eq!(new.train.iter().filter(|id| old.train.contains(id)).count(), 4);
    }
    // A class of which pictures came early is not unknown any more.
    let early: BTreeSet<usize> = blurred.tasks[0].train.iter().map(|&id| data.train[id].class).collect();
    let unknown = blurred.unknown_after(1, &data);
    assert!(unknown.iter().all(|&id| !early.contains(&data.test[id].class)));
    assert!(unknown.len() < sharp.unknown_after(1, &data).len());
    assert_eq!(sharp.blurred(1.0, 0).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn order_files_hold_names_or_indices() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let names: Vec<String> = ["apple", "bear", "7"].map(String::from).to_vec();
    std::fs::write(file.path(), "1\napple\n\n7\n").unwrap();
    assert_eq!(ClassOrder::read(file.path(), &names).unwrap(), ClassOrder::Given(vec![1, 0, 2]));
    std::fs::write(file.path(), "0\n3\n").unwrap();
    let error = ClassOrder::read(file.path(), &names).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("below 3"), "{error}");
}

#[test]
fn folders_are_domains_when_they_share_classes() {
    let dir = tempfile::tempdir().unwrap();
    for half in ["train", "test"] {
        for (task, class) in [("a", "cat"), ("a", "dog"), ("b", "cat"), ("c", "cat"), ("c", "owl")] {
            let folder = dir.path().join(half).join(task).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("1.png"), dot().to_png().unwrap()).unwrap();
        }
    }
    let spec = DataSpec::Folder(dir.path().into());
    let open = |names| Dataset::open(&spec, Layout::Tasks(names), Limits::default()).unwrap();
    let shared = open(ClassNames::Shared);
    let scenario = Scenario::folders(&shared, 0).unwrap();
    assert_eq!(scenario.kind, ScenarioKind::DomainIncremental);
    assert_eq!(scenario.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    // A cat of a folder not yet learned is no unknown class; an owl is.
    let unknown = scenario.unknown_after(1, &shared);
    assert_eq!(unknown.len(), 1);
    assert_eq!(shared.classes[shared.test[unknown[0]].class], "owl");
    assert_eq!(Scenario::folders(&shared, 1).unwrap().unknown, unknown);
    let given = ClassOrder::Given(vec![2, 0]);
    let other = scenario.clone().ordered(&given, &shared).unwrap();
    assert_eq!(other.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>(), ["c", "a"]);
    assert!(scenario.ordered(&ClassOrder::Given(vec![3]), &shared).is_err());
    let own = Scenario::folders(&open(ClassNames::PerTask), 0).unwrap();
    assert_eq!((own.kind, own.classes_until(3).len()), (ScenarioKind::ClassIncremental, 5));
    assert!(Scenario::folders(&dataset(2), 0).unwrap_err().to_string().contains("<task>/<class>"));
}

#[test]
fn results_carry_the_promised_keys() {
    let result = EvalResult {
        strategy: "pegp".into(),
        scenario: ScenarioKind::ClassIncremental,
        data: "cifar100:x".into(),
        backbone: "vit.onnx".into(),
        seed: 42,
        threads: 2,
        config: Default::default(),
        tasks: vec![result::TaskInfo { name: "task 1".into(), ..Default::default() }],
        metrics: unequal().metrics().unwrap(),
        unknown_auroc: None,
        unknown_false_accept_at_95: None,
        unknown: None,
        state_bytes_after_task: vec![1, 2, 3],
        rss_bytes_after_task: vec![None, Some(5), None],
        peak_rss_bytes: Some(9),
        train_seconds: 1.5,
        predict_ms_per_image: 0.25,
        ..EvalResult::default()
    };
    let json: serde_json::Value = serde_json::from_str(&result.to_json().unwrap()).unwrap();
    for key in [
        "last",
        "last_macro",
        "incremental_avg",
        "forgetting",
        "bwt",
        "retrieval",
        "retrieval_context_4",
        "retrieval_context_16",
        "within_task",
        "task_from_class",
        "class_confusion",
        "train_seconds_by_task",
        "provenance",
        "accuracy_matrix",
        "state_bytes_after_task",
        "peak_rss_bytes",
        "train_seconds",
        "predict_ms_per_image",
        "unknown_auroc",
        "unknown_false_accept_at_95",
        "strategy",
        "scenario",
        "seed",
        "chance",
    ] {
        assert!(json.get(key).is_some(), "{key} is missing");
    }
    assert_eq!(json["scenario"], "class-incremental");
    assert_eq!(json["accuracy_matrix"][0][1], serde_json::Value::Null);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), result.to_json().unwrap()).unwrap();
    assert_eq!(EvalResult::read(file.path()).unwrap(), result);
    let measured = result.with_unknown(Some(Unknown::measure(&[0.0], &[1.0]).unwrap()));
    assert_eq!((measured.unknown_auroc, measured.unknown_false_accept_at_95), (Some(100.0), Some(0.0)));
    assert_eq!(Metrics::default().class_accuracy().len(), 0);
}
