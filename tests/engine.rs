//! tract on every fixture: PyTorch's outputs, any batch size, the same bits after a round trip, refusals.
#![cfg(feature = "tract")]

mod fixtures;

use fixtures::{Fixture, distance, floats, images, session};
use ndarray::Array1;
use perennial::adapter::{Blocks, Roles};
use perennial::engine::{Data, Engine, Session, Tract, by_name, names};
use perennial::{ErrorKind, onnx};

fn check(fixture: &Fixture, session: &dyn Session) -> f32 {
    let batch = session.batch();
    let outputs = session.run(&[images(batch).into()]).unwrap();
    assert_eq!(outputs.len(), session.outputs().len());
    let mut worst: f32 = 0.0;
    for (port, output) in session.outputs().iter().zip(&outputs) {
        assert_eq!(output.shape()[0], batch, "{} {}", fixture.name, port.name);
        let (all, width) = (floats(output), output.shape()[1]);
        for row in 0..batch {
            let off = distance(&all[row * width..(row + 1) * width], &fixture.expected(&port.name, row));
            assert!(
                off < fixture.tolerance,
                "{} {} batch {batch} row {row}: off by {off}",
                fixture.name,
                port.name
            );
            worst = worst.max(off);
        }
    }
    worst
}

#[test]
fn every_fixture_gives_the_outputs_of_pytorch_at_every_batch_size() {
    for fixture in fixtures::single() {
        let first = session(&fixture.graph(), fixture.batches()[0]);
        for &batch in fixture.batches() {
            let session = first.resize(batch).unwrap();
            assert_eq!(session.batch(), batch);
            println!("{:<40} batch {batch}: off by {:.1e}", fixture.name, check(&fixture, session.as_ref()));
        }
    }
}

/// tract 0.23 computes a half-precision `Gemm` in f32 and then refuses its own result. Where a model's only `Gemm` is
/// its classifier, this does not matter: the library reads the feature before it.
#[test]
fn a_half_precision_model_runs_or_its_node_is_named() {
    for fixture in fixtures::all().iter().filter(|f| f.half) {
        match Tract::new(1).compile(&fixture.graph(), 2) {
            Ok(session) => println!("{:<40} off by {:.1e}", fixture.name, check(fixture, session.as_ref())),
            Err(e) => {
                println!("{:<40} {e}", fixture.name);
                assert_eq!(e.kind(), ErrorKind::Engine);
                assert!(e.to_string().contains("Gemm"), "{e}");
            }
        }
        let (whole, _) = fixture.backbone().whole(Blocks::All, Roles::Q).unwrap();
        session(&whole, 2).run(&[images(2).into()]).unwrap();
    }
}

#[test]
fn a_graph_written_and_read_again_gives_the_same_bits() {
    for fixture in fixtures::single() {
        let graph = fixture.graph();
        let again = onnx::from_bytes(&onnx::encode(&graph).unwrap()).unwrap();
        let batch = fixture.batches()[0];
        let input = [images(batch).into()];
        let outputs = [&graph, &again].map(|g| session(g, batch).run(&input).unwrap());
        assert_eq!(outputs[0], outputs[1], "{}", fixture.name);
    }
}

#[test]
fn the_same_inputs_give_the_same_bits_from_many_threads() {
    let session = session(&fixtures::one("timm_legacy_op17_dynamic").graph(), 2);
    let input: [Data; 1] = [images(2).into()];
    let want = session.run(&input).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(session.run(&input).unwrap(), want)));
        }
    });
}

#[test]
fn inputs_that_do_not_fit_are_shape_errors_that_name_the_input() {
    let session = session(&fixtures::one("fused_legacy_op17_dynamic").graph(), 2);
    let integers: Data = Array1::<i64>::zeros(2).into();
    for wrong in [vec![], vec![images(3).into()], vec![integers], vec![images(2).into(), images(2).into()]] {
        let error = session.run(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
        assert!(wrong.len() != 1 || error.to_string().contains("images"), "{error}");
    }
    session.run(&[images(2).into()]).unwrap();
}

#[test]
fn engines_are_found_by_name() {
    for name in names() {
        assert_eq!(by_name(name, 1).unwrap().name(), name);
    }
    let error = by_name("nosuch", 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("tract"), "{error}");
}
