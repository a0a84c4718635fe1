//! A state that answers from features that came over a wire says what the model says that made them.
#![cfg(feature = "tract")]

mod fixtures;
mod lessons;
mod skip;

use std::sync::Arc;

use lessons::{learn_and_commit, learner, pictures};
use ndarray::Array2;
use perennial::learner::{Features, Model, State};
use perennial::store::{self, Header, record};
use perennial::{ErrorKind, Result};

/// A learner of two tasks, and new pictures as its networks see them.
fn taught(strategy: &str) -> (Arc<Model>, Features) {
    let mut learner = learner(strategy);
    learn_and_commit(&mut learner, 0);
    learn_and_commit(&mut learner, 1);
    let model = learner.predictor().model();
    let features = model.features(&model.encode(pictures(1, 5, 77).0.view()).unwrap()).unwrap();
    (model, features)
}

/// The state and the features, each as a record and read again.
fn received(model: &Model, features: &Features) -> Result<(State, Features)> {
    let sent = |payload: Vec<u8>| record::encode(&Header::new(1, [7; 32], &payload), &payload);
    let (state, features) = (sent(store::encoded(model.state())?)?, sent(store::encoded(features)?)?);
    let payload =
        |bytes: &[u8]| record::decode(bytes, Some([7; 32])).map(|(h, payload)| (h, payload.to_vec()));
    let mut state: State = store::decoded(payload(&state)?)?.1;
    state.solve()?;
    Ok((state, store::decoded(payload(&features)?)?.1))
}

#[test]
fn features_over_a_wire_are_answered_as_the_model_answers_bit_for_bit() {
    for strategy in ["perennial", "perennial-compact", "pegp", "ncm-frozen", "lae", "ntk-lite", "ease"] {
        let (model, features) = taught(strategy);
        let images = model.encode(pictures(1, 5, 77).0.view()).unwrap();
        let expected = model.score_encoded(&images).unwrap();
        assert_eq!(model.state().score(&features).unwrap(), expected, "{strategy}");
        let (state, features) = received(&model, &features).unwrap();
        assert_eq!(state.score(&features).unwrap(), expected, "{strategy}, read again");
    }
}

#[test]
fn a_strategy_that_chooses_between_networks_says_so() {
    let (model, features) = taught("proteus");
    let refused = model.state().score(&features).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("proteus"), "{refused}");
}

#[test]
fn features_that_are_not_those_of_the_state_are_refused() {
    let (model, good) = taught("perennial");
    type Change = fn(&mut Features);
    let changes: [(&str, ErrorKind, Change); 6] = [
        ("no adapted network", ErrorKind::Mismatch, |f| f.adapted.clear()),
        ("a picture less", ErrorKind::Shape, |f| f.frozen = Array2::zeros((9, f.frozen.ncols()))),
        ("a narrow summary", ErrorKind::Mismatch, |f| f.summary = Array2::zeros((10, 3))),
        ("another late summary", ErrorKind::Mismatch, |f| f.late = Array2::zeros((10, f.late.ncols() + 7))),
        ("a wide feature", ErrorKind::Mismatch, |f| f.adapted[0] = Array2::zeros((10, 999))),
        ("not a number", ErrorKind::Numeric, |f| f.summary[[2, 1]] = f32::NAN),
    ];
    for (what, kind, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        assert_eq!(model.state().score(&bad).map(drop).expect_err(what).kind(), kind, "{what}");
    }
    let nothing = learner("perennial");
    assert_eq!(nothing.state().score(&good).unwrap_err().kind(), ErrorKind::State);
}
