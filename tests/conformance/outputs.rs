//! Whole networks: PyTorch's outputs at every batch size, cut graphs, files written and read again.

use perennial::adapter::{Blocks, Roles};
use perennial::engine::{Data, Session};
use perennial::onnx;

use crate::fixtures::{self, Fixture, floats, images};
use crate::suite::{Case, Class, Subject, case, off};

pub fn cases() -> Vec<Case> {
    let mut rows = Vec::new();
    for (i, fixture) in fixtures::all().into_iter().enumerate() {
        let class = if fixture.half { Class::HalfPrecision } else { Class::Network };
        rows.push(case(format!("outputs/{}", fixture.name), class, move |s| pytorch(s, i)));
    }
    for (i, fixture) in fixtures::all().into_iter().enumerate().filter(|(_, f)| !f.half) {
        let name = &fixture.name;
        rows.push(case(format!("cut/{name}"), Class::Accumulated, move |s| cut(s, i)));
        rows.push(case(format!("again/{name}"), Class::Exact, move |s| again(s, i)));
    }
    rows
}

fn fixture(index: usize) -> Fixture {
    fixtures::all().swap_remove(index)
}

/// Largest error of `session`'s outputs, in units of what the fixture allows times its class.
fn compare(fixture: &Fixture, session: &dyn Session) -> Result<f64, String> {
    let batch = session.batch();
    let outputs = session.run(&[images(batch).into()]).map_err(|e| e.to_string())?;
    assert_eq!(outputs.len(), session.outputs().len());
    let mut worst = 0f64;
    for (port, output) in session.outputs().iter().zip(&outputs) {
        assert_eq!(port.shape.known().as_deref(), Some(output.shape()), "{}", port.name);
        let (all, width) = (floats(output), output.shape()[1]);
        for row in 0..batch {
            let want = fixture.expected(&port.name, row).into_iter().map(f64::from);
            worst = worst.max(off(&all[row * width..(row + 1) * width], want));
        }
    }
    Ok(worst)
}

/// Every batch size, compiled together.
fn pytorch(subject: &Subject, index: usize) -> Result<f64, String> {
    let fixture = fixture(index);
    let batches = fixture.batches();
    let sessions = subject.engine().compile_each(&fixture.graph(), batches).map_err(|e| e.to_string())?;
    assert_eq!(sessions.len(), batches.len());
    let mut worst = 0f64;
    for (session, &batch) in sessions.into_iter().zip(batches) {
        assert_eq!(session.batch(), batch);
        worst = worst.max(compare(&fixture, session.as_ref())?);
    }
    Ok(worst)
}

/// Prefix, then suffix: the features of the whole. Trunk: both in one run.
fn cut(subject: &Subject, index: usize) -> Result<f64, String> {
    let (fixture, engine) = (fixture(index), subject.engine());
    let (blocks, batch) = (Blocks::Last(1), fixture.batches()[fixture.batches().len() - 1]);
    let (whole, _) = fixture.backbone().whole(blocks, Roles::Q).unwrap();
    let parts = fixture.backbone().parts(blocks, Roles::Q).unwrap();
    let run = |graph, inputs: &[Data]| -> Result<Vec<Data>, String> {
        let session = engine.compile(graph, batch).map_err(|e| e.to_string())?;
        session.run(inputs).map_err(|e| e.to_string())
    };
    let input = [images(batch).into()];
    let features = run(&whole, &input)?.swap_remove(0);
    let boundary = run(&parts.prefix, &input)?;
    let want = || floats(&features).into_iter().map(f64::from);
    let behind = off(&floats(&run(&parts.suffix, &boundary)?[0]), want());
    let trunk = run(&parts.trunk, &input)?;
    let tokens = off(&floats(&trunk[0]), floats(&boundary[0]).into_iter().map(f64::from));
    Ok(behind.max(tokens).max(off(&floats(&trunk[1]), want())))
}

/// Written and read again.
fn again(subject: &Subject, index: usize) -> Result<f64, String> {
    let (fixture, engine) = (fixture(index), subject.engine());
    let graph = fixture.graph();
    let twin = onnx::from_bytes(&onnx::encode(&graph).unwrap()).unwrap();
    let batch = fixture.batches()[0];
    let run = |graph| -> Result<Vec<Data>, String> {
        let session = engine.compile(graph, batch).map_err(|e| e.to_string())?;
        session.run(&[images(batch).into()]).map_err(|e| e.to_string())
    };
    match run(&graph)? == run(&twin)? {
        true => Ok(0.0),
        false => Err("other bits".into()),
    }
}
