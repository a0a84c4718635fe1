//! Training steps of every fixture: gradients against central differences, and an adapter an image against one by one.

use ndarray::Axis;
use perennial::adapter::{Blocks, Lora, Roles, Sharing, inject};
use perennial::engine::{Data, Port};
use perennial::gradcheck;
use perennial::joint::joint;

use crate::fixtures::{self, floats, images, random, rng};
use crate::suite::{Case, Class, Subject, case, off};

pub fn cases() -> Vec<Case> {
    let mut rows = Vec::new();
    for fixture in fixtures::single() {
        for sharing in [Sharing::Shared, Sharing::PerImage] {
            let (name, model) = (format!("steps/{} {sharing:?}", fixture.name), fixture.name.clone());
            rows.push(case(name, Class::Network, move |s| differences(s, &model, sharing)));
        }
    }
    for fixture in fixtures::single().into_iter().filter(|f| f.dynamic) {
        let name = format!("images/{}", fixture.name);
        rows.push(case(name, Class::Accumulated, move |s| one_by_one(s, &fixture.name)));
    }
    rows
}

fn lora() -> Lora {
    let roles = Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2;
    Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles }
}

fn differences(subject: &Subject, name: &str, sharing: Sharing) -> Result<f64, String> {
    let (fixture, lora) = (fixtures::one(name), lora());
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let (graph, slots) = inject(whole, &sites, &lora, sharing).unwrap();
    let step = joint(graph, &slots, 16).unwrap();
    let batch = fixture.batches()[fixture.batches().len() - 1];
    let checks =
        gradcheck::run(subject.engine().as_ref(), &step.graph, batch, 7).map_err(|e| e.to_string())?;
    assert_eq!(checks.len(), step.graph.inputs.len() - 4, "not every input was checked");
    assert!(checks.iter().all(|c| c.analytic != 0.0), "a gradient is zero");
    Ok(checks.iter().map(|c| c.relative_error).fold(0.0, f64::max))
}

/// Three images with an adapter each, in one run, and each image alone with its adapter.
fn one_by_one(subject: &Subject, name: &str) -> Result<f64, String> {
    let (backbone, lora, engine) = (fixtures::one(name).backbone(), lora(), subject.engine());
    let compiled = |sharing, batch| {
        let (whole, sites) = backbone.whole(lora.blocks, lora.roles).unwrap();
        let (graph, _) = inject(whole, &sites, &lora, sharing).unwrap();
        engine.compile(&graph, batch).map_err(|e| e.to_string())
    };
    let (many, one) = (compiled(Sharing::PerImage, 3)?, compiled(Sharing::Shared, 1)?);
    let value = |(i, port): (usize, &Port)| match i {
        0 => images(3).into(),
        _ => random(&port.shape.known().unwrap(), 0.2, &mut rng(i as u64)),
    };
    let inputs: Vec<Data> = many.inputs().iter().enumerate().map(value).collect();
    let outputs = many.run(&inputs).map_err(|e| e.to_string())?;
    let mut worst = 0f64;
    for image in 0..3 {
        let alone = |(i, d): (usize, &Data)| {
            let rows = d.as_f32().unwrap();
            let row = rows.index_axis(Axis(0), image);
            Data::F32(if i == 0 { row.insert_axis(Axis(0)).to_owned() } else { row.to_owned() })
        };
        let alone: Vec<Data> = inputs.iter().enumerate().map(alone).collect();
        let want = one.run(&alone).map_err(|e| e.to_string())?;
        let have = outputs[0].as_f32().unwrap();
        let want = floats(&want[0]).into_iter().map(f64::from);
        worst = worst.max(off(have.index_axis(Axis(0), image).iter(), want));
    }
    Ok(worst)
}
