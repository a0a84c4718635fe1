//! Truncated, damaged and malicious bytes: an error or a sound graph, never a panic, and bounded memory.
//!
//! One test function, because the allocator counts for the whole process.
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used)]

mod counting;

use std::collections::BTreeMap;
use std::path::Path;

use counting::peak_of;
use perennial::ErrorKind;
use perennial::backbone::Backbone;
use perennial::graph::{fold, infer};
use perennial::onnx;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type External = BTreeMap<String, Vec<u8>>;

/// Decodes; a graph that comes out must survive being written and read. Returns the peak of memory.
fn peak(bytes: &[u8], external: &External) -> usize {
    let (decoded, peak) = peak_of(|| onnx::decode(bytes, external));
    match decoded {
        Ok(graph) => {
            let first = onnx::encode(&graph).expect("what was read can be written");
            let again = onnx::from_bytes(&first).expect("what was written can be read");
            assert!(onnx::encode(&again).expect("twice") == first);
        }
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    peak
}

/// Damaged copies of real models need at most this much memory per byte (plus the external data).
const DAMAGED: usize = 16;
/// Bytes made for the purpose may need this much.
const MALICIOUS: usize = 80;
const FREE: usize = 1 << 20;

fn fixture(name: &str) -> (Vec<u8>, External) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let data = format!("{name}.onnx.data");
    let external = std::fs::read(folder.join(&data)).map(|bytes| (data, bytes)).into_iter().collect();
    (std::fs::read(folder.join(format!("{name}.onnx"))).unwrap(), external)
}

fn truncated_at_every_byte(name: &str) {
    let (bytes, external) = fixture(name);
    let weights: usize = external.values().map(Vec::len).sum();
    for n in 0..bytes.len() {
        let peak = peak(&bytes[..n], &external);
        assert!(peak <= DAMAGED * n + weights + FREE, "{name} cut at {n}: {peak} bytes");
        assert!(onnx::decode(&bytes[..n], &external).is_err(), "{name} cut at {n} is no whole model");
    }
}

/// Flips, overwrites, deletions and doublings at seeded places.
fn damaged(name: &str, rounds: usize, rng: &mut ChaCha8Rng) -> usize {
    let (bytes, external) = fixture(name);
    let weights: usize = external.values().map(Vec::len).sum();
    let mut refused = 0;
    for round in 0..rounds {
        let mut bad = bytes.clone();
        for _ in 0..rng.gen_range(1..=4) {
            let at = rng.gen_range(0..bad.len());
            let span = rng.gen_range(1..=8).min(bad.len() - at);
            match rng.gen_range(0..5) {
                0 | 1 => bad[at] ^= 1 << rng.gen_range(0..8),
                2 => bad[at..at + span].fill(*[0, 0x7f, 0x80, 0xff].get(round % 4).unwrap()),
                3 => drop(bad.drain(at..at + span)),
                _ => {
                    let copy = bad[at..at + span].to_vec();
                    bad.splice(at..at, copy);
                }
            }
        }
        refused += usize::from(onnx::decode(&bad, &external).is_err());
        let peak = peak(&bad, &external);
        assert!(peak <= DAMAGED * bad.len() + weights + FREE, "{name} round {round}: {peak} bytes");
    }
    refused
}

fn varint(mut n: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// A length-delimited field.
fn field(tag: u64, content: &[u8]) -> Vec<u8> {
    [varint(tag << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A field that claims `length` bytes and has none.
fn claim(tag: u64, length: u64) -> Vec<u8> {
    [varint(tag << 3 | 2), varint(length)].concat()
}

/// A model around the fields of a graph.
fn model(graph: &[u8]) -> Vec<u8> {
    [vec![8, 8], field(8, &[0x10, 17]), field(7, graph)].concat()
}

/// A graph with one initializer "w".
fn initializer(content: &[u8]) -> Vec<u8> {
    model(&field(5, &[content, &field(8, b"w")].concat()))
}

fn malicious() -> Vec<(&'static str, Vec<u8>)> {
    const MANY: usize = 200_000;
    let node = |content: &[u8]| model(&field(1, content));
    let nested = (0..3000).fold(Vec::new(), |inner, _| field(1, &field(5, &field(6, &inner))));
    let huge = u64::MAX >> 1;
    vec![
        ("nothing", Vec::new()),
        ("zeros", vec![0; 1000]),
        ("text", b"<!DOCTYPE html><html><body>Not found</body></html>".to_vec()),
        ("a graph that claims 8 EB", [field(8, &[0x10, 17]), claim(7, huge)].concat()),
        ("raw data that claims 4 GB", initializer(&claim(9, 4 << 30))),
        ("floats that claim 8 EB", initializer(&claim(4, huge))),
        (
            "dims beyond memory",
            initializer(&[vec![0x10, 1], field(1, &[varint(huge), varint(huge)].concat())].concat()),
        ),
        ("dims of 4 TB without data", initializer(&[vec![0x10, 1], field(1, &varint(1 << 40))].concat())),
        ("negative dims", initializer(&[vec![0x10, 1], field(1, &varint(u64::MAX))].concat())),
        ("sub-graphs in sub-graphs", model(&nested)),
        ("groups in groups", model(&[0x8b, 1].repeat(5000))),
        ("empty nodes", model(&field(1, &[]).repeat(MANY))),
        ("empty initializers", model(&field(5, &[]).repeat(MANY))),
        ("empty inputs", model(&field(11, &[]).repeat(MANY))),
        ("empty attributes", node(&field(5, &[]).repeat(MANY))),
        ("empty tensors in attributes", node(&field(5, &field(5, &[])).repeat(MANY))),
        ("empty operands", node(&field(1, &[]).repeat(MANY))),
        ("empty external entries", initializer(&field(13, &[]).repeat(MANY))),
        ("empty metadata", [model(&[]), field(14, &[]).repeat(MANY)].concat()),
        (
            "empty dims of an input",
            model(&field(11, &field(2, &field(1, &field(2, &field(1, &[]).repeat(MANY)))))),
        ),
        ("one-byte integers", initializer(&[vec![0x10, 7], field(7, &vec![1; MANY])].concat())),
        ("many dims", initializer(&[vec![0x10, 1], field(1, &vec![1; MANY])].concat())),
        ("small nodes", model(&small_nodes(MANY / 8))),
        ("a long cycle", model(&(0..MANY / 8).flat_map(|i| cycle_node(i, MANY / 8)).collect::<Vec<u8>>())),
        ("external data outside", initializer(&outside("../../../etc/passwd"))),
    ]
}

/// A valid graph of nodes as small as they can be.
fn small_nodes(count: usize) -> Vec<u8> {
    let node = |i| field(1, &[field(2, format!("{i:x}").as_bytes()), field(4, b"A")].concat());
    (0..count).flat_map(node).chain(field(12, &field(1, b"0"))).collect()
}

fn cycle_node(i: usize, n: usize) -> Vec<u8> {
    let (from, to) = (format!("{i:x}"), format!("{:x}", (i + 1) % n));
    field(1, &[field(1, from.as_bytes()), field(2, to.as_bytes()), field(4, b"A")].concat())
}

fn outside(location: &str) -> Vec<u8> {
    let entry = [field(1, b"location"), field(2, location.as_bytes())].concat();
    [vec![0x10, 1, 0x70, 1], field(1, &varint(4)), field(13, &entry)].concat()
}

#[test]
fn hostile_bytes_are_refused_in_bounded_memory() {
    for name in ["fused_dynamo_op20_fixed_external", "fused_legacy_op17_dynamic_f16"] {
        truncated_at_every_byte(name);
    }

    let mut rng = ChaCha8Rng::seed_from_u64(2405_13383);
    let mut refused = damaged("fused_dynamo_op20_fixed_external", 8000, &mut rng);
    for name in
        ["split_legacy_op13_dynamic", "fused_dynamo_op18_dynamic_f16_typed", "pooled_legacy_op17_dynamic"]
    {
        refused += damaged(name, 2000, &mut rng);
    }
    println!("{refused} of 14000 damaged models refused");
    println!(
        "fault: damaged ONNX file | 14,000 | 0 | an error, or a graph that is valid; no panic, bounded memory"
    );
    assert!(refused > 5000, "damage goes unnoticed: only {refused} of 14000 refused");

    let mut worst = (0.0, "");
    for (what, bytes) in malicious() {
        let started = std::time::Instant::now();
        let peak = peak(&bytes, &External::new());
        assert!(peak <= MALICIOUS * bytes.len() + FREE, "{what}: {} bytes took {peak}", bytes.len());
        let ratio = peak.saturating_sub(FREE) as f64 / bytes.len().max(1) as f64;
        worst = if ratio > worst.0 { (ratio, what) } else { worst };
        let e = onnx::from_bytes(&bytes).map(|_| ());
        println!("{what:32} {:8} bytes, peak {peak:9}, {:?}: {e:.160?}", bytes.len(), started.elapsed());
        assert_eq!(e.is_ok(), what == "small nodes", "{what}");
    }
    println!("worst: {worst:?} bytes of memory per byte");

    // What once ended, hung or filled the process where a model is understood.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/onnx");
    let kept = std::fs::read_dir(&corpus).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains("regression-")).collect();
    assert!(kept.len() >= 10, "{} regressions", kept.len());
    for path in kept {
        let (understood, peak) = peak_of(|| Backbone::from_bytes(&std::fs::read(&path).unwrap()));
        assert!(peak < 16 * FREE, "{}: {peak}", path.display());
        let kind = understood.err().map(|e| e.kind());
        assert!(kind != Some(ErrorKind::Bug), "{}", path.display());
    }

    // Few bytes that ask for 3 GB of constants: what is not folded stays a node.
    let size = [vec![0x10, 7], field(1, &varint(1)), field(7, &varint(4_000_000)), field(8, b"s")].concat();
    let node = |op: &str, from: &str, to: &str| {
        field(1, &[field(1, from.as_bytes()), field(2, to.as_bytes()), field(4, op.as_bytes())].concat())
    };
    let both = |i| {
        [node("ConstantOfShape", "s", &format!("c{i}")), node("Softmax", &format!("c{i}"), &format!("o{i}"))]
    };
    let nodes: Vec<u8> = (0..200).flat_map(|i| both(i).concat()).collect();
    let outputs: Vec<u8> = (0..200).flat_map(|i| field(12, &field(1, format!("o{i}").as_bytes()))).collect();
    let mut graph = onnx::from_bytes(&model(&[nodes, field(5, &size), outputs].concat())).unwrap();
    infer::all(&mut graph).unwrap();
    let (folded, peak) = peak_of(|| fold::constants(graph));
    println!("folding constants without end: {} nodes stay, peak {peak}", folded.unwrap().nodes().len());
    assert!(peak < 4 * fold::MOST, "{peak}");
}
