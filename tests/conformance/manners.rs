//! How a session behaves: the same bits from anywhere, any number of threads, errors that name the input.

use ndarray::Array1;
use perennial::ErrorKind;
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Data, Session, by_name};
use perennial::graph::Graph;
use perennial::joint::joint;
use rayon::prelude::*;

use crate::fixtures::{self, floats, images, random, rng};
use crate::suite::{Case, Class, Subject, case, off};

pub fn cases() -> Vec<Case> {
    vec![
        case("manners/the same bits again", Class::Exact, same_bits),
        case("manners/the same bits from many threads", Class::Exact, many_threads),
        case("manners/the same bits from workers that take up other work", Class::Exact, workers),
        case("manners/one thread or two", Class::Accumulated, threads),
        case("manners/sizes compiled together are those compiled alone", Class::Accumulated, resized),
        case("manners/columns are taken as well as rows", Class::Exact, layout),
        case("manners/inputs that do not fit are named", Class::Exact, misfits),
        case("manners/its name finds it", Class::Exact, |s| {
            let engine = s.engine();
            assert!(s.name.starts_with(engine.name()), "{} is called {}", s.name, engine.name());
            assert_eq!(by_name("nosuch", 1).err().unwrap().kind(), ErrorKind::NotFound);
            Ok(0.0)
        }),
    ]
}

/// A training step, which has products, reductions and everything else.
fn step() -> Graph {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::All, roles: Roles::Q | Roles::V };
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let (whole, sites) = backbone.whole(lora.blocks, lora.roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, Sharing::Shared).unwrap();
    joint(graph, &slots, 16).unwrap().graph
}

fn inputs(session: &dyn Session) -> Vec<Data> {
    let batch = session.batch();
    let ports = session.inputs().iter().enumerate();
    let value = |(i, port): (usize, &perennial::engine::Port)| match port.name.as_str() {
        "images" => images(batch).into(),
        "labels" => Array1::from_shape_fn(batch, |i| i as i64).into(),
        "class_mask" | "sample_weights" => {
            Data::F32(ndarray::ArrayD::from_elem(port.shape.known().unwrap(), 1.0))
        }
        _ => random(&port.shape.known().unwrap(), 0.2, &mut rng(i as u64)),
    };
    ports.map(value).collect()
}

fn compile(subject: &Subject, threads: usize) -> Result<std::sync::Arc<dyn Session>, String> {
    subject.with(threads).compile(&step(), 3).map_err(|e| e.to_string())
}

fn run(session: &dyn Session) -> Result<Vec<Data>, String> {
    session.run(&inputs(session)).map_err(|e| e.to_string())
}

fn same(a: &[Data], b: &[Data]) -> Result<f64, String> {
    if a == b { Ok(0.0) } else { Err("other bits".into()) }
}

fn distance(a: &[Data], b: &[Data]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| off(&floats(a), floats(b).into_iter().map(f64::from))).fold(0.0, f64::max)
}

fn same_bits(subject: &Subject) -> Result<f64, String> {
    let session = compile(subject, 2)?;
    let (first, again) = (run(session.as_ref())?, run(session.as_ref())?);
    same(&first, &again)?;
    same(&first, &run(compile(subject, 2)?.as_ref())?)
}

fn many_threads(subject: &Subject) -> Result<f64, String> {
    let session = compile(subject, 2)?;
    let (inputs, want) = (inputs(session.as_ref()), run(session.as_ref())?);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..5).all(|_| session.run(&inputs).is_ok_and(|have| have == want))))
            .collect();
        match threads.into_iter().all(|t| t.join().unwrap()) {
            true => Ok(0.0),
            false => Err("other bits".into()),
        }
    })
}

/// A rayon worker that waits inside a run may begin another one.
fn workers(subject: &Subject) -> Result<f64, String> {
    let session = compile(subject, 2)?;
    let (inputs, want) = (inputs(session.as_ref()), run(session.as_ref())?);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().map_err(|e| e.to_string())?;
    let good = || (0..200).into_par_iter().all(|_| session.run(&inputs).is_ok_and(|have| have == want));
    if pool.install(good) { Ok(0.0) } else { Err("other bits".into()) }
}

fn threads(subject: &Subject) -> Result<f64, String> {
    let (one, two) = (compile(subject, 1)?, compile(subject, 2)?);
    Ok(distance(&run(one.as_ref())?, &run(two.as_ref())?))
}

fn resized(subject: &Subject) -> Result<f64, String> {
    let both = subject.engine().compile_each(&step(), &[1, 2]).map_err(|e| e.to_string())?;
    let two = &both[1];
    assert_eq!((two.batch(), two.inputs()[0].shape.known().unwrap()[0]), (2, 2));
    let fresh = subject.engine().compile(&step(), 2).map_err(|e| e.to_string())?;
    Ok(distance(&run(two.as_ref())?, &run(fresh.as_ref())?))
}

/// The same numbers, stored column by column.
fn layout(subject: &Subject) -> Result<f64, String> {
    let session = compile(subject, 2)?;
    let mut inputs = inputs(session.as_ref());
    let want = session.run(&inputs).map_err(|e| e.to_string())?;
    for data in &mut inputs {
        if let Data::F32(a) = data {
            *a = a.view().reversed_axes().as_standard_layout().into_owned().reversed_axes();
        }
    }
    same(&want, &session.run(&inputs).map_err(|e| e.to_string())?)
}

fn misfits(subject: &Subject) -> Result<f64, String> {
    let graph = fixtures::one("fused_legacy_op17_dynamic").graph();
    let session = subject.engine().compile(&graph, 2).map_err(|e| e.to_string())?;
    let integers: Data = Array1::<i64>::zeros(2).into();
    for wrong in [vec![], vec![images(3).into()], vec![integers], vec![images(2).into(), images(2).into()]] {
        let error = session.run(&wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
        assert!(wrong.len() != 1 || error.to_string().contains("images"), "{error}");
    }
    session.run(&[images(2).into()]).map_err(|e| e.to_string())?;
    Ok(0.0)
}
