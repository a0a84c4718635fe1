use perennial::adapter::*;
use perennial::backbone::Backbone;
use perennial::engine;
use perennial::joint::joint;
use perennial::learner::*;
use std::time::Instant;
fn main() -> perennial::Result<()> {
    let path = std::env::args().nth(1).unwrap();
    let t = Instant::now();
    let b = Backbone::read(std::path::Path::new(&path))?;
    println!("read {:?}; {} blocks", t.elapsed(), b.anatomy().blocks.len());
    for s in &b.anatomy().blocks[0].sites {
        println!("{} {:?} {}x{}", s.name(), s.columns, s.linear.inputs, s.linear.outputs);
    }
    let lora = Lora {
        blocks: Blocks::Last(2.min(b.anatomy().blocks.len())),
        roles: Roles::Q | Roles::V | Roles::O | Roles::FC1 | Roles::FC2,
        ..Lora::default()
    };
    let parts = b.parts(lora.blocks, lora.roles)?;
    let e = engine::by_name("tract", 1)?;
    let t = Instant::now();
    let s = e.compile(&parts.trunk, 4)?;
    println!("trunk compile {:?}", t.elapsed());
    let shape = s.inputs()[0].shape.known().unwrap();
    let x = engine::Data::floats(&shape, vec![0.1; shape.iter().product()])?;
    let t = Instant::now();
    s.run(&[x.clone()])?;
    println!("trunk run {:?}", t.elapsed());
    let t = Instant::now();
    s.run(&[x])?;
    println!("trunk run b4 {:?}", t.elapsed());
    let t = Instant::now();
    let (g, slots) = inject(parts.suffix.clone(), &parts.sites, &lora, Sharing::Shared)?;
    let j = joint(g, &slots, 16)?;
    println!("joint built {:?} {} nodes", t.elapsed(), j.graph.nodes().len());
    let t = Instant::now();
    let s = e.compile(&j.graph, 4)?;
    println!("joint compile {:?}", t.elapsed());
    let t = Instant::now();
    for c in perennial::gradcheck::run(e.as_ref(), &j.graph, 2, 1)? {
        println!("{c:?}");
    }
    println!("gradcheck {:?}", t.elapsed());
    drop(s);
    println!("{}", Learner::builder(b).settings(Settings { lora, ..Settings::default() }).plan()?);
    Ok(())
}
